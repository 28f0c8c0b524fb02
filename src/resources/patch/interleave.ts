// The order of a list that two sides have a say in.

/**
 * Puts entries that only the live list has among those of the other side. Both keep their own order; a live entry comes before the first one that
 * the live list has after it.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
 * @param liveOnly entries of the live list that the other side does not have
 * @param others the other side's entries, in its order
 * @param livePlace where the live list has an entry; undefined when it has not
 */
export function interleave<Item>(
  liveOnly: readonly Item[],
  others: readonly Item[],
  livePlace: (item: Item) => number | undefined,
): Item[] {
  const result = [...others];
  let from = 0;
  for (const item of liveOnly) {
    const place = livePlace(item) ?? 0;
    let at = from;
    while (at < result.length && !((livePlace(result[at] as Item) ?? -1) > place)) at++;
    result.splice(at, 0, item);
    from = at + 1;
  }
  return result;
}
