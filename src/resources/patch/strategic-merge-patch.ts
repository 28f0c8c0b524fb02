// Strategic merge patches: merge patches in which lists merge by key, as the schema of the kind says.

import { isDeepStrictEqual } from 'node:util';
import type { FieldType } from '../openapi/field-type.ts';
import { interleave } from './interleave.ts';
import { isJsonObject, isReservedName, type JsonObject } from './json-value.ts';
import { PatchError } from './patch-error.ts';

const DELETE_FROM = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/**
 * Applies a strategic merge patch.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 * @param target an object, or undefined when there is none
 * @param patch what the client sent, with its directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`)
 * @returns a new value; parts that did not change are the original's own
 * @throws PatchError
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown, type: FieldType): unknown {
  if (!isJsonObject(patch)) throw new PatchError('malformed', 'a strategic merge patch is an object');
  return mergeObject(isJsonObject(target) ? target : {}, patch, type);
}

function mergeObject(target: JsonObject, patch: JsonObject, type: FieldType): JsonObject {
  const directive = patch.$patch;
  if (directive === 'delete') return {};
  if (directive === 'replace') return withoutDirectives(patch) as JsonObject;
  if (directive !== undefined && directive !== 'merge') {
    throw new PatchError(
      'malformed',
      `Unknown patch type found: ${JSON.stringify(directive)} ($patch is delete, replace or merge)`,
    );
  }
  const result: Record<string, unknown> = { ...target };
  retainKeys(result, patch);
  for (const [name, value] of Object.entries(patch)) {
    if (name === '$patch' || name === '$retainKeys' || isReservedName(name)) continue;
    if (name.startsWith(DELETE_FROM)) {
      deleteFrom(result, name.slice(DELETE_FROM.length), value);
    } else if (name.startsWith(SET_ORDER)) {
      const list = name.slice(SET_ORDER.length);
      if (!(list in patch)) setOrder(result, list, [], value, type.field(list), target[list]);
    } else if (value === null) {
      delete result[name];
    } else {
      result[name] = mergeValue(Object.hasOwn(result, name) ? result[name] : undefined, value, type.field(name), name);
      const order = patch[`${SET_ORDER}${name}`];
      if (order !== undefined && Array.isArray(value))
        setOrder(result, name, value, order, type.field(name), target[name]);
    }
  }
  return result;
}

function mergeValue(target: unknown, patch: unknown, type: FieldType, name: string): unknown {
  if (isJsonObject(patch)) return mergeObject(isJsonObject(target) ? target : {}, patch, type);
  if (!Array.isArray(patch)) return patch;
  if (!type.isMergedList) return patch.map(withoutDirectives);
  const list = Array.isArray(target) ? target : [];
  return type.mergeKey === undefined ? unite(list, patch) : mergeList(list, patch, type, type.mergeKey, name);
}

/** Entries of the patch change the live entry with their key, or are added at the end. */
function mergeList(
  target: readonly unknown[],
  patch: readonly unknown[],
  type: FieldType,
  key: string,
  name: string,
): unknown[] {
  if (patch.some((entry) => isJsonObject(entry) && entry.$patch === 'replace')) {
    return patch.filter((entry) => !(isJsonObject(entry) && entry.$patch !== undefined)).map(withoutDirectives);
  }
  const result = [...target];
  for (const entry of patch) {
    if (!isJsonObject(entry))
      throw new PatchError('malformed', `${name}: an entry of this list is an object with ${key}`);
    const value = entry[key];
    if (value === undefined) {
      throw new PatchError('malformed', `map: ${JSON.stringify(entry)} does not contain declared merge key: ${key}`);
    }
    const at = result.findIndex((live) => isJsonObject(live) && isDeepStrictEqual(live[key], value));
    if (entry.$patch === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) {
      result[at] = mergeObject(result[at] as JsonObject, entry, type.items);
    } else {
      result.push(mergeObject({}, entry, type.items));
    }
  }
  return result;
}

function unite(target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const result = [...target];
  for (const value of patch) if (!result.includes(value)) result.push(value);
  return result;
}

/** `$retainKeys`: of the live object's fields, only these stay (what is a union's other member goes). */
function retainKeys(result: Record<string, unknown>, patch: JsonObject): void {
  const keys = patch.$retainKeys;
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw new PatchError('malformed', '$retainKeys is a list of field names');
  const stray = Object.keys(patch).find(
    (name) => !name.startsWith('$') && patch[name] !== null && !keys.includes(name),
  );
  if (stray !== undefined)
    throw new PatchError('malformed', `$retainKeys does not name ${stray}, which the patch sets`);
  for (const name of Object.keys(result)) if (!keys.includes(name)) delete result[name];
}

function deleteFrom(result: Record<string, unknown>, name: string, values: unknown): void {
  if (!Array.isArray(values)) throw new PatchError('malformed', `${DELETE_FROM}${name} is a list of values`);
  const list = result[name];
  if (Array.isArray(list)) result[name] = list.filter((value) => !values.includes(value));
}

/** `$setElementOrder/list`: the order of the entries the client knows of; those it does not know keep their place beside their neighbours. */
function setOrder(
  result: Record<string, unknown>,
  name: string,
  patch: readonly unknown[],
  order: unknown,
  type: FieldType,
  before: unknown,
): void {
  if (!Array.isArray(order)) throw new PatchError('malformed', `${SET_ORDER}${name} is a list`);
  const list = result[name];
  if (!Array.isArray(list)) return;
  const keyOf = (entry: unknown) =>
    JSON.stringify(type.mergeKey !== undefined && isJsonObject(entry) ? entry[type.mergeKey] : entry);
  const wanted = new Map(order.map((entry, index) => [keyOf(entry), index]));
  const unnamed = patch.find(
    (entry) => !wanted.has(keyOf(entry)) && !(isJsonObject(entry) && entry.$patch !== undefined),
  );
  if (unnamed !== undefined) {
    throw new PatchError('malformed', `${SET_ORDER}${name} does not name ${keyOf(unnamed)}, which the patch sets`);
  }
  const places = new Map((Array.isArray(before) ? before : []).map((entry, index) => [keyOf(entry), index]));
  const named = list.filter((entry) => wanted.has(keyOf(entry)));
  named.sort((a, b) => (wanted.get(keyOf(a)) as number) - (wanted.get(keyOf(b)) as number));
  const others = list.filter((entry) => !wanted.has(keyOf(entry)));
  result[name] = interleave(others, named, (entry) => places.get(keyOf(entry)));
}

/** What stays of a value that is taken as a whole: no directives, no nulls. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => field !== null && !name.startsWith('$') && !isReservedName(name))
      .map(([name, field]) => [name, withoutDirectives(field)]),
  );
}
