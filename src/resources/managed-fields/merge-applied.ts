// The typed merge of server-side apply: a configuration laid over the live object.

import type { FieldType } from '../openapi/field-type.ts';
import { isJsonObject, isReservedName } from '../patch/json-value.ts';
import { entryElement } from './places.ts';

/**
 * Lays a configuration over a live value: objects merge, lists as their type says, everything else is replaced.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
 */
export function mergeApplied(live: unknown, applied: unknown, type: FieldType): unknown {
  if (isJsonObject(applied)) {
    if (type.isAtomic || !isJsonObject(live)) return applied;
    const merged: Record<string, unknown> = { ...live };
    for (const [name, value] of Object.entries(applied)) {
      if (isReservedName(name)) continue;
      merged[name] = Object.hasOwn(live, name) ? mergeApplied(live[name], value, type.field(name)) : value;
    }
    return merged;
  }
  if (!Array.isArray(applied) || !Array.isArray(live) || type.list === 'atomic') return applied;
  return mergeLists(live, applied, type);
}

/** The order is the applied list's; an entry that only the live list has comes after the one it follows there. */
function mergeLists(live: readonly unknown[], applied: readonly unknown[], type: FieldType): unknown[] {
  const elementOf = (entry: unknown) => entryElement(entry, type);
  const liveAt = new Map(live.map((entry, index) => [elementOf(entry), index]));
  const named = new Set(applied.map(elementOf));
  const merged: unknown[] = [];
  let next = 0;
  const passOver = (isDone: (entry: unknown) => boolean) => {
    for (; next < live.length && !isDone(live[next]); next++)
      if (!named.has(elementOf(live[next]))) merged.push(live[next]);
  };
  const isNamed = (entry: unknown) => named.has(elementOf(entry));
  passOver(isNamed);
  for (const entry of applied) {
    const index = liveAt.get(elementOf(entry));
    if (index !== undefined && index >= next) {
      passOver((other) => other === live[index]);
      next++;
    }
    merged.push(index === undefined ? entry : mergeApplied(live[index], entry, type.items));
    passOver(isNamed);
  }
  passOver(() => false);
  return merged;
}
