// What differs between two versions of an object, as field sets.

import { isDeepStrictEqual } from 'node:util';
import type { FieldType } from '../openapi/field-type.ts';
import { type FieldSet, fieldsAt, ITSELF, NO_FIELDS, union } from './field-set.ts';
import { type Place, placesIn } from './places.ts';

/** The difference of two versions. */
export interface FieldChanges {
  /** Set: new, or another value than before. */
  readonly set: FieldSet;
  readonly removed: FieldSet;
}

const NO_CHANGES: FieldChanges = { set: NO_FIELDS, removed: NO_FIELDS };

/** What changed from one value to another. The order of a list's entries does not count where they have keys. */
export function changedFields(before: unknown, after: unknown, type: FieldType): FieldChanges {
  if (before === after) return NO_CHANGES;
  const old = placesIn(before, type);
  const now = placesIn(after, type);
  if (old === undefined || now === undefined) {
    if (isDeepStrictEqual(before, after)) return NO_CHANGES;
    return {
      set: union(ITSELF, now === undefined ? NO_FIELDS : everything(now)),
      removed: old === undefined ? NO_FIELDS : everything(old),
    };
  }
  const set: [string, FieldSet][] = [];
  const removed: [string, FieldSet][] = [];
  for (const [element, place] of now) {
    const previous = old.get(element);
    if (previous === undefined) {
      set.push([element, whole(place)]);
    } else {
      const changes = changedFields(previous.value, place.value, place.type);
      set.push([element, changes.set]);
      removed.push([element, changes.removed]);
    }
  }
  for (const [element, place] of old) if (!now.has(element)) removed.push([element, whole(place)]);
  return { set: fieldsAt(false, set), removed: fieldsAt(false, removed) };
}

/** A place and all that is in it. */
function whole(place: Place): FieldSet {
  const places = placesIn(place.value, place.type);
  return places === undefined ? ITSELF : { isMember: true, children: everything(places).children };
}

function everything(places: ReadonlyMap<string, Place>): FieldSet {
  return fieldsAt(
    false,
    [...places].map(([element, place]) => [element, whole(place)] as const),
  );
}
