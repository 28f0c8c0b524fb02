// Objects that files say: applied by a field manager of their own, over what the API made of them.

import { kubernetesDefaults } from '../defaults/kubernetes.ts';
import { withSchemaDefaults } from '../defaults/schema.ts';
import { lookUpKind } from '../kinds.ts';
import { groupOf, type ObjectMeta, type ResourceObject } from '../object.ts';
import { resolveRef, schemaOf } from '../openapi/definitions.ts';
import { fieldType, UNDESCRIBED } from '../openapi/field-type.ts';
import { isKubernetesGroup } from '../openapi/names.ts';
import type { Schema } from '../openapi/schema.ts';
import { timestamp } from '../timestamp.ts';
import { serverSideApply } from './field-managers.ts';

/** Who owns, in `managedFields`, what files say. */
export const FILE_MANAGER = 'limen-files';

/** What only a server says of an object; a file that was made with `kubectl get -o yaml` has it too. */
const SERVER_FIELDS: ReadonlySet<string> = new Set([
  'managedFields',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
]);

/**
 * Server-side apply with force, as `kubectl apply --server-side --force-conflicts -f` does it: what the file says wins, what it said before
 * and says no longer goes, everything else stays; and the defaults of the kind where nobody says anything.
 *
 * @param clock when a change of fields is noted
 * @returns how an object of a file is laid over the one that is there (undefined: none)
 */
export function applyFileObject(
  clock: () => Date = () => new Date(),
): (live: ResourceObject | undefined, given: ResourceObject) => ResourceObject {
  return (live, given) => {
    const time = timestamp(clock());
    const write = { manager: FILE_MANAGER, subresource: '', time };
    const schema = schemaFor(given);
    const type = schema === undefined ? UNDESCRIBED : fieldType(schema, resolveRef);
    const merged = serverSideApply<ResourceObject>(live, withoutServerFields(given), type, write, true);
    const group = groupOf(given.apiVersion);
    return isKubernetesGroup(group) ? kubernetesDefaults(group, merged) : withSchemaDefaults(merged, schema);
  };
}

function schemaFor({ apiVersion, kind }: ResourceObject): Schema | undefined {
  const found = lookUpKind(apiVersion, kind);
  return found.found === 'served' ? schemaOf(found.kind) : undefined;
}

function withoutServerFields(object: ResourceObject): ResourceObject {
  const names = Object.keys(object.metadata);
  if (!names.some((name) => SERVER_FIELDS.has(name))) return object;
  const kept = Object.entries(object.metadata).filter(([name]) => !SERVER_FIELDS.has(name));
  return { ...object, metadata: Object.fromEntries(kept) as unknown as ObjectMeta };
}
