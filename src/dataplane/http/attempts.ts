// The attempts of one request that are under way: one, unless hedging leaves slow ones beside the newest.

import type { UpstreamAttempt } from './upstream-attempt.ts';

const NONE: readonly UpstreamAttempt[] = [];

/** At most one of them answers. */
export class Attempts {
  /** The newest; the one that answers once that is settled. undefined while there is none. */
  newest: UpstreamAttempt | undefined = undefined;
  #earlier: readonly UpstreamAttempt[] = NONE;

  /** Takes an attempt in. The one before goes on. */
  add(attempt: UpstreamAttempt): void {
    if (this.newest !== undefined) this.#earlier = [...this.#earlier, this.newest];
    this.newest = attempt;
  }

  /** An attempt is over. */
  remove(attempt: UpstreamAttempt): void {
    if (this.newest === attempt) this.newest = undefined;
    else this.#earlier = this.#earlier.filter((each) => each !== attempt);
  }

  /** All of them, in the order in which they were made. */
  all(): readonly UpstreamAttempt[] {
    return this.newest === undefined ? this.#earlier : [...this.#earlier, this.newest];
  }

  /** There are others than this one. */
  besides(attempt: UpstreamAttempt): boolean {
    return this.all().some((each) => each !== attempt);
  }

  /** This one answers: ends all others. */
  settleOn(attempt: UpstreamAttempt): void {
    if (this.#earlier === NONE) return;
    for (const each of this.all()) if (each !== attempt) each.leave();
    this.#earlier = NONE;
    this.newest = attempt;
    attempt.recordUpstream();
  }

  /** Ends all. */
  leave(): void {
    this.newest?.leave();
    for (const attempt of this.#earlier) attempt.leave();
  }
}
