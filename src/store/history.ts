// The newest changes, for watches that start at an earlier version. Bounded: what is older is compacted.

import { type Change, versionOf } from './change.ts';

/** So many changes are kept: an informer that reconnects after a minute of heavy writing still finds its place. */
export const HISTORY_SIZE = 10_000;

/** Changes in the order of their versions. */
export class History {
  readonly #size: number;
  /** Oldest first; at most twice `#size`, so that dropping is rare and cheap. */
  #changes: Change[] = [];
  /** The newest version whose change is no longer here. */
  #compacted: number;
  #newest: number;

  /**
   * @param version the newest version at the start: nothing of before is known
   * @param size how many changes are kept at least
   */
  constructor(version: number, size: number = HISTORY_SIZE) {
    this.#size = size;
    this.#compacted = version;
    this.#newest = version;
  }

  /** Adds changes; `version` is the newest one now. */
  add(changes: readonly Change[], version: number): void {
    for (const change of changes) this.#changes.push(change);
    this.#newest = version;
    if (this.#changes.length <= 2 * this.#size) return;
    const dropped = this.#changes.length - this.#size;
    this.#compacted = versionOf(this.#changes[dropped - 1] as Change);
    this.#changes = this.#changes.slice(dropped);
  }

  /** The changes after a version; undefined when some of them are compacted, or the version is none of this store. */
  since(version: number): readonly Change[] | undefined {
    if (!(version >= this.#compacted && version <= this.#newest)) return undefined;
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (versionOf(this.#changes[middle] as Change) > version) high = middle;
      else low = middle + 1;
    }
    return this.#changes.slice(low);
  }
}
