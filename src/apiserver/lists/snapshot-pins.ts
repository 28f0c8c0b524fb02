// Snapshots that lists in pages go on reading: the pages of one list all show one moment.

import type { Snapshot } from '../../resources/snapshot.ts';

/** How long a list in pages may take: etcd's compaction interval under kube-apiserver. */
const KEEP_MS = 5 * 60 * 1000;
/** A snapshot shares what has not changed with the newest one, but not for free. */
const MAX_PINS = 64;

/** Snapshots by resourceVersion, for some minutes. */
export class SnapshotPins {
  readonly #pins = new Map<number, { snapshot: Snapshot; until: number }>();

  /** Keeps a snapshot from now on. @param now milliseconds */
  pin(snapshot: Snapshot, now: number): void {
    this.#pins.delete(snapshot.resourceVersion);
    this.#pins.set(snapshot.resourceVersion, { snapshot, until: now + KEEP_MS });
    for (const [version, { until }] of this.#pins)
      if (until <= now || this.#pins.size > MAX_PINS) this.#pins.delete(version);
  }

  /** The snapshot of a resourceVersion; undefined when it is not kept (any more). */
  get(resourceVersion: number, now: number): Snapshot | undefined {
    const pin = this.#pins.get(resourceVersion);
    return pin !== undefined && pin.until > now ? pin.snapshot : undefined;
  }
}
