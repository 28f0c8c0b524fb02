// `metadata.managedFields`: who manages which fields, as the object carries it.

import { difference, type FieldSet, type FieldsV1, fromFieldsV1, isEmpty, toFieldsV1, union } from './field-set.ts';

/** An entry as it stands in the object. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/#System */
export interface ManagedFieldsEntry {
  manager?: string;
  operation?: 'Apply' | 'Update';
  apiVersion?: string;
  /** RFC 3339, seconds. */
  time?: string;
  fieldsType?: 'FieldsV1';
  fieldsV1?: FieldsV1;
  subresource?: string;
}

/** One manager's fields. */
export interface ManagedFields {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** Places that the system sets, or that are always there: nobody manages them. */
const UNMANAGED = fromFieldsV1({
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    '.': {},
    'f:name': {},
    'f:namespace': {},
    'f:creationTimestamp': {},
    'f:selfLink': {},
    'f:uid': {},
    'f:generation': {},
    'f:resourceVersion': {},
  },
});
/** More managers that updated than this are one, `ancient-changes`. */
const MAX_UPDATE_MANAGERS = 10;

/** The managers an object names. Entries that are not understood are left out. */
export function readManagedFields(entries: readonly ManagedFieldsEntry[] | undefined): ManagedFields[] {
  return (entries ?? []).map((entry) => ({
    manager: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: fromFieldsV1(entry.fieldsV1),
  }));
}

/** The entries of an object; managers without fields are left out. */
export function writeManagedFields(managers: readonly ManagedFields[]): ManagedFieldsEntry[] {
  return bounded(managers.filter(({ fields }) => !isEmpty(fields))).map(
    ({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource === '' ? {} : { subresource }),
    }),
  );
}

/** The fields of a set that can have a manager. */
export function managed(fields: FieldSet): FieldSet {
  return difference(fields, UNMANAGED);
}

/** Is this the manager that a request speaks for? */
export function isSameManager(a: ManagedFields, b: Omit<ManagedFields, 'fields' | 'time'>): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    a.apiVersion === b.apiVersion
  );
}

function bounded(managers: ManagedFields[]): ManagedFields[] {
  const updates = managers.filter(({ operation }) => operation === 'Update');
  if (updates.length <= MAX_UPDATE_MANAGERS) return managers;
  const byTime = [...updates].sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? -1 : 1));
  const ancient = new Set(byTime.slice(0, updates.length - MAX_UPDATE_MANAGERS + 1));
  const merged = [...ancient].reduce((all, one) => ({
    ...one,
    manager: 'ancient-changes',
    fields: union(all.fields, one.fields),
  }));
  return [...managers.filter((manager) => !ancient.has(manager)), merged];
}
