// How long a container that ended, or whose image could not be had, waits until it is tried again.

/**
 * Kubernetes waits 10 s, doubling to 5 min, to spare a cluster. Here a person looks at the one machine and has just fixed what was wrong, so it
 * begins at half a second and stays below half a minute.
 */
const FIRST_MS = 500;
const MAX_MS = 30_000;
/** Who ran this long counts as well again (Kubernetes: 10 min, twice its longest wait; the same factor here). */
const STABLE_MS = 2 * MAX_MS;

/** The waits of one container. */
export class BackOff {
  #next = 0;

  /**
   * The wait before the next try, milliseconds. A container that ran is started anew at once the first time, as in Kubernetes.
   *
   * @param ranMs how long the run that ended took; undefined where it did not start
   */
  next(ranMs: number | undefined): number {
    if (ranMs === undefined) this.#next ||= FIRST_MS;
    else if (ranMs >= STABLE_MS) this.#next = 0;
    const wait = this.#next;
    this.#next = Math.min(Math.max(wait * 2, FIRST_MS), MAX_MS);
    return wait;
  }
}
