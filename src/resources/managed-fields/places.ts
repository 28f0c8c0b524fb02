// The places in a value that field sets name: fields of objects, entries of lists.

import type { FieldType } from '../openapi/field-type.ts';
import { isJsonObject } from '../patch/json-value.ts';

/** A value at a place below another. */
export interface Place {
  readonly value: unknown;
  readonly type: FieldType;
  /** Is the place one that the schema names: a struct's field? */
  readonly isDeclared: boolean;
}

/**
 * What is below a value, by path element. Undefined where the value is a whole: a scalar, null, an atomic list or object.
 * Of two entries of a list with the same keys the first counts.
 */
export function placesIn(value: unknown, type: FieldType): ReadonlyMap<string, Place> | undefined {
  if (isJsonObject(value)) return type.isAtomic ? undefined : fieldsOf(value, type);
  if (!Array.isArray(value) || type.list === 'atomic') return undefined;
  const places = new Map<string, Place>();
  for (const entry of value) {
    const element = entryElement(entry, type);
    if (!places.has(element)) places.set(element, { value: entry, type: type.items, isDeclared: false });
  }
  return places;
}

function fieldsOf(value: Readonly<Record<string, unknown>>, type: FieldType): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const [name, field] of Object.entries(value)) {
    places.set(`f:${name}`, { value: field, type: type.field(name), isDeclared: type.declares(name) });
  }
  return places;
}

/** The path element of a list's entry. A key that an entry leaves out is its default. */
export function entryElement(entry: unknown, type: FieldType): string {
  if (type.list === 'set') return `v:${JSON.stringify(entry)}`;
  const keys: Record<string, unknown> = {};
  for (const key of [...type.listKeys].sort()) {
    const value = isJsonObject(entry) ? entry[key] : undefined;
    const known = value ?? type.items.field(key).default;
    if (known !== undefined) keys[key] = known;
  }
  return `k:${JSON.stringify(keys)}`;
}
