// What the words behind `get` and `delete` name: `vs webapp`, `vs,gw`, `pod/a svc/b`.

import type { Resource, Resources } from './resources.ts';

/** A resource, and one object of it; without a name all of them. */
export interface Target {
  resource: Resource;
  name?: string;
}

/** @throws Error for the user */
export function targetsOf(words: readonly string[], resources: Resources): Target[] {
  const [kinds = '', ...names] = words;
  if (words.some((word) => word.includes('/')))
    return words.map((word) => {
      const [kind = '', name = '', ...more] = word.split('/');
      if (kind === '' || name === '' || more.length > 0)
        throw new Error(`"${word}": expected TYPE/NAME, as all words are when one is`);
      return { resource: only(kind, resources), name };
    });
  if (names.length > 0) {
    const resource = only(kinds, resources);
    return names.map((name) => ({ resource, name }));
  }
  return kinds
    .split(',')
    .filter((kind) => kind !== '')
    .flatMap((kind) => resources.named(kind))
    .map((resource) => ({ resource }));
}

function only(kind: string, resources: Resources): Resource {
  const found = resources.named(kind);
  if (found.length !== 1) throw new Error(`"${kind}" is several resource types: name one of them with a name`);
  return found[0] as Resource;
}
