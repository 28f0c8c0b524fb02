// Field management: server-side apply with its conflicts, and who owns what after any other write.

import { groupOf } from '../object.ts';
import type { FieldType } from '../openapi/field-type.ts';
import { isKubernetesGroup } from '../openapi/names.ts';
import { isJsonObject } from '../patch/json-value.ts';
import { appliedFields } from './applied-fields.ts';
import { changedFields } from './changed-fields.ts';
import {
  isSameManager,
  type ManagedFields,
  type ManagedFieldsEntry,
  managed,
  readManagedFields,
  writeManagedFields,
} from './entries.ts';
import { describeFields, difference, type FieldSet, intersection, isEmpty, NO_FIELDS, union } from './field-set.ts';
import { mergeApplied } from './merge-applied.ts';
import { removeFields } from './remove-fields.ts';

/** An object as far as field management looks at it. */
export interface ManagedObject {
  apiVersion: string;
  metadata: { managedFields?: readonly ManagedFieldsEntry[] };
}

/** Who writes, and when. */
export interface Write {
  /** `fieldManager` of the request, or its client's name. */
  readonly manager: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** RFC 3339, seconds. */
  readonly time: string;
}

/** Fields of another manager that an apply would change. */
export interface FieldConflict {
  /** `"kubectl-edit" using apps/v1 at 2026-01-02T03:04:05Z` */
  readonly manager: string;
  /** `.spec.replicas`, … */
  readonly fields: readonly string[];
}

/** Other managers own fields that an apply sets to other values. */
export class ApplyConflictError extends Error {
  readonly conflicts: readonly FieldConflict[];

  constructor(conflicts: readonly FieldConflict[]) {
    super(describeConflicts(conflicts));
    this.name = 'ApplyConflictError';
    this.conflicts = conflicts;
  }
}

/**
 * Server-side apply: the manager says what it wants of an object, and owns exactly that.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 * @param live undefined when the object is new
 * @param applied the configuration; without nulls
 * @param force take over what others own, instead of failing
 * @returns the live object itself when nothing changes but, perhaps, the time
 * @throws ApplyConflictError
 */
export function serverSideApply<Kind extends ManagedObject>(
  live: Kind | undefined,
  applied: Kind,
  type: FieldType,
  write: Write,
  force: boolean,
): Kind {
  const self = { ...write, operation: 'Apply' as const, apiVersion: applied.apiVersion };
  const fields = managed(appliedFields(unmanaged(applied), type));
  if (live === undefined)
    return withManagers(mergeApplied({}, unmanaged(applied), type) as Kind, [{ ...self, fields }]);
  const base = unmanaged(live);
  const before = managersOrFirst(live, type);
  const mine = before.find((entry) => isSameManager(entry, self));
  const others = before.filter((entry) => entry !== mine);
  const merged = mergeApplied(base, unmanaged(applied), type);
  const stillOwned = others.reduce((all, entry) => union(all, entry.fields), fields);
  const result = removeFields(merged, difference(mine?.fields ?? NO_FIELDS, fields), stillOwned, type) as Kind;

  const changes = changedFields(base, result, type);
  const contested = others.map((entry) => intersection(entry.fields, changes.set));
  if (!force && contested.some((set) => !isEmpty(set))) {
    throw new ApplyConflictError(
      others
        .map((entry, index) => ({
          manager: describeManager(entry),
          fields: describeFields(contested[index] as FieldSet),
        }))
        .filter((conflict) => conflict.fields.length > 0),
    );
  }
  const rest = others.map((entry, index) => ({
    ...entry,
    fields: difference(difference(entry.fields, contested[index] as FieldSet), changes.removed),
  }));
  const isUnchanged = isEmpty(changes.set) && isEmpty(changes.removed) && isEqual(mine?.fields ?? NO_FIELDS, fields);
  if (isUnchanged) return live;
  return withManagers(result, [...rest, { ...self, fields }]);
}

/**
 * Who owns what after a write that is no apply: the writer owns what it changed, and others own it no longer.
 * @param before undefined when the object is new
 * @param after as it is to be stored; its own `managedFields` count when the client set them to something else than `before` had
 * @returns `after` with `managedFields`
 */
export function trackUpdate<Kind extends ManagedObject>(
  before: Kind | undefined,
  after: Kind,
  type: FieldType,
  write: Write,
): Kind {
  const self = { ...write, operation: 'Update' as const, apiVersion: after.apiVersion };
  const given = after.metadata.managedFields;
  // An empty list asks for a new start; left out, the client does not speak of it.
  const managers = given === undefined ? managersOf(before) : readManagedFields(given);
  const base = before === undefined ? emptyLike(after) : unmanaged(before);
  const changes = changedFields(base, unmanaged(after), type);
  const set = managed(changes.set);
  const mine = managers.find((entry) => isSameManager(entry, self));
  const others = managers
    .filter((entry) => entry !== mine)
    .map((entry) => ({ ...entry, fields: difference(difference(entry.fields, set), changes.removed) }));
  const fields = union(difference(mine?.fields ?? NO_FIELDS, changes.removed), set);
  const time = isEmpty(set) && isEmpty(changes.removed) ? (mine?.time ?? write.time) : write.time;
  return withManagers(after, [...others, { ...self, time, fields }]);
}

function managersOf(object: ManagedObject | undefined): ManagedFields[] {
  return readManagedFields(object?.metadata.managedFields);
}

/** What stood in an object that nobody is known to manage belongs to `before-first-apply`, as Kubernetes names it. */
function managersOrFirst(live: ManagedObject, type: FieldType): ManagedFields[] {
  const managers = managersOf(live);
  if (managers.length > 0) return managers;
  const fields = managed(appliedFields(unmanaged(live), type));
  const { apiVersion } = live;
  return [{ manager: 'before-first-apply', operation: 'Update', apiVersion, subresource: '', time: undefined, fields }];
}

/** The object without what nobody manages through it. */
function unmanaged<Kind extends ManagedObject>(object: Kind): Kind {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function withManagers<Kind extends ManagedObject>(object: Kind, managers: readonly ManagedFields[]): Kind {
  const bare = unmanaged(object);
  const managedFields = writeManagedFields(managers);
  return managedFields.length === 0 ? bare : { ...bare, metadata: { ...bare.metadata, managedFields } };
}

/** The parts that an object of Kubernetes' own has even when nobody wrote them: Go structs, not maps. */
const STRUCTS: ReadonlySet<string> = new Set(['metadata', 'spec', 'status']);

/** What a new object is compared with: an object of its kind with nothing in it, so that what is always there has no owner. */
function emptyLike(object: ManagedObject): object {
  const isAlwaysThere = isKubernetesGroup(groupOf(object.apiVersion))
    ? (name: string) => STRUCTS.has(name)
    : (name: string) => name === 'metadata';
  return Object.fromEntries(
    Object.entries(object)
      .filter(([name, value]) => isAlwaysThere(name) && isJsonObject(value))
      .map(([name]) => [name, {}]),
  );
}

function isEqual(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

function describeManager({ manager, operation, subresource, apiVersion, time }: ManagedFields): string {
  const name = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`);
  if (operation === 'Apply') return name;
  return `${name} using ${apiVersion}${time === undefined ? '' : ` at ${time}`}`;
}

/** The message as kubectl shows it. */
function describeConflicts(conflicts: readonly FieldConflict[]): string {
  const count = conflicts.reduce((sum, { fields }) => sum + fields.length, 0);
  const [only] = conflicts;
  if (count === 1 && only !== undefined)
    return `Apply failed with 1 conflict: conflict with ${only.manager}: ${only.fields[0]}`;
  const lines = conflicts.map(
    ({ manager, fields }) => `conflicts with ${manager}:\n${fields.map((field) => `- ${field}`).join('\n')}`,
  );
  return `Apply failed with ${count} conflicts: ${lines.join('\n')}`;
}
