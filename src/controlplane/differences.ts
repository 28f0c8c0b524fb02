// What came and what went between two lists of which most is the same.

/** The items that are only in the one list or only in the other, by identity, each list in its order. Moving is no difference. */
export function differences<Item>(
  before: readonly Item[],
  after: readonly Item[],
): { readonly gone: readonly Item[]; readonly come: readonly Item[] } {
  // One change among ten thousand is found without looking anything up.
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const was = new Set(before.slice(start, before.length - end));
  const is = new Set(after.slice(start, after.length - end));
  return { gone: [...was].filter((item) => !is.has(item)), come: [...is].filter((item) => !was.has(item)) };
}
