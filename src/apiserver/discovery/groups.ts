// Which groups and versions a set of kinds has, in the order of preference.

import type { Kind } from '../../resources/kinds/kind.ts';
import { byVersionPriority } from '../../resources/kinds/versions.ts';

/** A group with its versions, the preferred one first. */
export interface Group {
  name: string;
  versions: readonly [string, ...string[]];
  kinds: readonly Kind[];
}

/** The groups of the kinds, in the order their first kinds are in; the core group (`''`) is one of them. */
export function groupsOf(kinds: Iterable<Kind>): Group[] {
  return [...Map.groupBy(kinds, ({ group }) => group)].map(([name, ofGroup]) => {
    const versions = [...new Set(ofGroup.flatMap((kind) => kind.versions))].sort(byVersionPriority);
    return { name, versions: versions as [string, ...string[]], kinds: ofGroup };
  });
}

/** The kinds of one group in one version. */
export function kindsOf(kinds: Iterable<Kind>, group: string, version: string): Kind[] {
  return [...kinds].filter((kind) => kind.group === group && kind.versions.includes(version));
}
