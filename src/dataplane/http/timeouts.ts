// The timeouts of one owner by kind, on the worker's shared wheel.

import type { TimerEntry, TimerWheel } from '../timer-wheel.ts';

/** Hears which timeout is over. */
export interface TimeoutOwner<Kind extends string> {
  onTimeout(kind: Kind): void;
}

class Timeout<Kind extends string> implements TimerEntry {
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly kind: Kind;
  readonly #owner: TimeoutOwner<Kind>;

  constructor(kind: Kind, owner: TimeoutOwner<Kind>) {
    this.kind = kind;
    this.#owner = owner;
  }

  onTimeout(): void {
    this.#owner.onTimeout(this.kind);
  }
}

/** Make one at the first timeout that is armed: most requests have none. */
export class Timeouts<Kind extends string> {
  readonly #wheel: TimerWheel;
  readonly #owner: TimeoutOwner<Kind>;
  // Two or three at most: a scan is the fastest look-up.
  readonly #all: Timeout<Kind>[] = [];

  constructor(wheel: TimerWheel, owner: TimeoutOwner<Kind>) {
    this.#wheel = wheel;
    this.#owner = owner;
  }

  /** Starts a timeout, or starts it over. */
  arm(kind: Kind, ms: number): void {
    let timeout = this.#find(kind);
    if (timeout === undefined) {
      timeout = new Timeout(kind, this.#owner);
      this.#all.push(timeout);
    }
    this.#wheel.arm(timeout, ms);
  }

  /** Starts a timeout over, if it was ever started. */
  restart(kind: Kind, ms: number): void {
    const timeout = this.#find(kind);
    if (timeout !== undefined) this.#wheel.arm(timeout, ms);
  }

  /** Stops a timeout, started or not. */
  disarm(kind: Kind): void {
    const timeout = this.#find(kind);
    if (timeout !== undefined) this.#wheel.disarm(timeout);
  }

  /** Stops all. */
  disarmAll(): void {
    for (const timeout of this.#all) this.#wheel.disarm(timeout);
  }

  #find(kind: Kind): Timeout<Kind> | undefined {
    for (const timeout of this.#all) if (timeout.kind === kind) return timeout;
    return undefined;
  }
}
