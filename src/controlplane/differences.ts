// Lists of which most stays the same from push to push: what came and what went, and what is kept in step with that.

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

/** A list in order, kept from list to list: of ten thousand items, the one that changed finds its place. */
export class Sorted<Item> {
  readonly #compare: (a: Item, b: Item) => number;
  #items: readonly Item[] = [];
  #sorted: readonly Item[] = [];

  /** @param compare never 0 for two items of one list: what it leaves open would depend on what was there before */
  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare;
  }

  /** @returns the items in order; the identical list where they are the identical items */
  of(items: readonly Item[]): readonly Item[] {
    const { gone, come } = differences(this.#items, items);
    this.#items = items;
    if (gone.length === 0 && come.length === 0) return this.#sorted;
    const left = new Set(gone);
    const kept = left.size === 0 ? this.#sorted : this.#sorted.filter((item) => !left.has(item));
    this.#sorted = merge(kept, come.toSorted(this.#compare), this.#compare);
    return this.#sorted;
  }
}

/** Those of a list that a test lets through, kept from list to list: only what came is tested. */
export class Selected<Item> {
  #items: readonly Item[] = [];
  readonly #selected = new Set<Item>();

  /** @param test says the same of an item whenever it is asked */
  of(items: readonly Item[], test: (item: Item) => boolean): readonly Item[] {
    const { gone, come } = differences(this.#items, items);
    this.#items = items;
    for (const item of gone) this.#selected.delete(item);
    for (const item of come) if (test(item)) this.#selected.add(item);
    return this.#selected.size === 0 ? [] : items.filter((item) => this.#selected.has(item));
  }
}

/** Two lists in order as one. */
export function merge<Item>(
  a: readonly Item[],
  b: readonly Item[],
  compare: (a: Item, b: Item) => number,
): readonly Item[] {
  const merged: Item[] = [];
  let from = 0;
  for (const next of b) {
    const to = placeOf(next, a, from, compare);
    for (; from < to; from += 1) merged.push(a[from] as Item);
    merged.push(next);
  }
  for (; from < a.length; from += 1) merged.push(a[from] as Item);
  return merged;
}

/** Where in a list in order an item is to stand, at `from` at the earliest. */
function placeOf<Item>(item: Item, list: readonly Item[], from: number, compare: (a: Item, b: Item) => number): number {
  let low = from;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle] as Item, item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
