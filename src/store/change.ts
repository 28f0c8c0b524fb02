// What happened to objects: the events that watches send and listeners are told.

import type { ResourceObject } from '../resources/object.ts';

/** What happened to one object. `previous` is as it was before, and `object` carries the `resourceVersion` of this very change, a deleted one too. */
export type Change =
  | { type: 'added'; object: ResourceObject }
  | { type: 'modified'; object: ResourceObject; previous: ResourceObject }
  | { type: 'deleted'; object: ResourceObject; previous: ResourceObject };

/**
 * What two changes of one object come to for somebody who sees them as one; undefined when that is nothing.
 *
 * @param earlier what happened first
 * @param later what happened then
 */
export function merged(earlier: Change, later: Change): Change | undefined {
  const { object } = later;
  if (earlier.type === 'added') return later.type === 'deleted' ? undefined : { type: 'added', object };
  const { previous } = earlier;
  return { type: later.type === 'deleted' ? 'deleted' : 'modified', object, previous };
}

/** The `resourceVersion` of a change. */
export function versionOf({ object }: Change): number {
  return Number(object.metadata.resourceVersion);
}
