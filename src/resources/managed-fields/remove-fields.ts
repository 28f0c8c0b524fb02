// Removes from an object what its manager no longer applies.

import type { FieldType } from '../openapi/field-type.ts';
import { isJsonObject } from '../patch/json-value.ts';
import { type FieldSet, isEmpty, NO_FIELDS } from './field-set.ts';
import { entryElement, placesIn } from './places.ts';

/** What takes the place of a value that goes. */
const GONE = Symbol('gone');

/**
 * The value without these fields, except those that somebody else owns.
 * @param fields to remove; an object that is empty only because of it goes too
 * @param owned by anybody: stays, with all it stands in
 */
export function removeFields(value: unknown, fields: FieldSet, owned: FieldSet, type: FieldType): unknown {
  const rest = remove(value, { ...fields, isMember: false }, owned, type);
  return rest === GONE ? {} : rest;
}

function remove(value: unknown, fields: FieldSet, owned: FieldSet, type: FieldType): unknown {
  if (isEmpty(fields)) return value;
  if (fields.isMember && isEmpty(owned)) return GONE;
  const places = placesIn(value, type);
  if (places === undefined) return value;
  const kept = new Map<string, unknown>();
  let changed = false;
  for (const [element, place] of places) {
    const child = owned.children.get(element) ?? NO_FIELDS;
    const rest = remove(place.value, fields.children.get(element) ?? NO_FIELDS, child, place.type);
    if (rest !== place.value) changed = true;
    if (rest !== GONE) kept.set(element, rest);
  }
  if (!changed) return value;
  if (kept.size === 0 && !owned.isMember) return GONE;
  if (isJsonObject(value)) return Object.fromEntries([...kept].map(([element, rest]) => [element.slice(2), rest]));
  return (value as unknown[])
    .filter((entry) => kept.has(entryElement(entry, type)))
    .map((entry) => kept.get(entryElement(entry, type)));
}
