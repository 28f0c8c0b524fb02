// What changed between two states of a resource type: found out once, however many clients go from the one to the other.

import { LayeredMap } from './layered-map.ts';
import type { EncodedResource } from './resources.ts';

type Resources = ReadonlyMap<string, EncodedResource>;

const known = new WeakMap<Resources, WeakMap<Resources, readonly string[]>>();

/** The names that are new, gone or have new content in `after`. Remembered for as long as both maps live. */
export function changedNames(before: Resources, after: Resources): readonly string[] {
  let fromBefore = known.get(after);
  if (fromBefore === undefined) {
    fromBefore = new WeakMap();
    known.set(after, fromBefore);
  }
  let names = fromBefore.get(before);
  if (names === undefined) {
    names = compare(before, after);
    fromBefore.set(before, names);
  }
  return names;
}

/**
 * A state with some resources new or changed and others gone, made of the one before: what changed between the two is known, and costs no look at
 * the ten thousand that did not.
 */
export function withChanges(before: Resources, changed: readonly EncodedResource[], gone: Iterable<string>): Resources {
  const left = [...gone];
  const after = LayeredMap.with(
    before,
    changed.map((resource) => [resource.name, resource] as const),
    left,
  );
  const names = new Set([...left, ...changed.map(({ name }) => name)]);
  known.set(
    after,
    new WeakMap([[before, [...names].filter((name) => before.get(name)?.version !== after.get(name)?.version)]]),
  );
  return after;
}

function compare(before: Resources, after: Resources): string[] {
  const names: string[] = [];
  let common = 0;
  for (const [name, resource] of after) {
    const old = before.get(name);
    if (old !== undefined) common += 1;
    if (old !== resource && old?.version !== resource.version) names.push(name);
  }
  if (common < before.size) for (const name of before.keys()) if (!after.has(name)) names.push(name);
  return names;
}
