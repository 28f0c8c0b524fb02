// The fields that an applied configuration names: what its manager owns from then on.

import type { FieldType } from '../openapi/field-type.ts';
import { isJsonObject } from '../patch/json-value.ts';
import { type FieldSet, fieldsAt, ITSELF } from './field-set.ts';
import { placesIn } from './places.ts';

/** The fields of a value: its scalars and what is replaced as a whole, and the entries of lists and maps themselves. */
export function appliedFields(value: unknown, type: FieldType): FieldSet {
  const places = placesIn(value, type);
  if (places === undefined) return ITSELF;
  const children = [...places].map(([element, place]) => {
    const inside = appliedFields(place.value, place.type);
    return [element, place.isDeclared && !isEmptyPlace(place.value) ? inside : { ...inside, isMember: true }] as const;
  });
  return fieldsAt(false, children);
}

/** `{}` and `[]` have nothing in them that could say who wrote them. */
function isEmptyPlace(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}
