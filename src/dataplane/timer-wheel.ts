// Many coarse timeouts on one real timer: arming and disarming cost a list operation, not a libuv timer per request.

/** A timeout that can be armed again and again; embed one per connection or request and keep it. */
export interface TimerEntry {
  /** Called once when the time is over. Must not throw. */
  onTimeout(): void;
  /** Owned by the wheel. */
  bucket: Set<TimerEntry> | undefined;
}

/** A timing wheel: each tick is one bucket, an entry fires at the first tick at or after its due time. */
export class TimerWheel {
  readonly #tickMs: number;
  readonly #buckets = new Map<number, Set<TimerEntry>>();
  readonly #clock: () => number;
  #interval: NodeJS.Timeout | undefined;
  #lastTick: number;

  /**
   * @param tickMs resolution: an entry fires up to this much late, never early
   * @param clock monotonic milliseconds
   */
  constructor(tickMs = 50, clock: () => number = () => performance.now()) {
    this.#tickMs = tickMs;
    this.#clock = clock;
    this.#lastTick = this.#tickOf(clock());
  }

  /** Starts ticking. The timer does not keep the process alive. */
  start(): void {
    this.#interval ??= setInterval(() => this.tick(), this.#tickMs).unref();
  }

  /** Stops ticking; what is armed stays armed. */
  stop(): void {
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  /** Arms (or re-arms) an entry to fire `ms` milliseconds from now. */
  arm(entry: TimerEntry, ms: number): void {
    entry.bucket?.delete(entry);
    const due = this.#tickOf(this.#clock() + ms) + 1;
    let bucket = this.#buckets.get(due);
    if (bucket === undefined) {
      bucket = new Set();
      this.#buckets.set(due, bucket);
    }
    bucket.add(entry);
    entry.bucket = bucket;
  }

  /** Takes an entry out; does nothing when it is not armed. */
  disarm(entry: TimerEntry): void {
    entry.bucket?.delete(entry);
    entry.bucket = undefined;
  }

  /** Fires what is due. Called by the interval; tests call it with a clock of their own. */
  tick(): void {
    const now = this.#tickOf(this.#clock());
    // After a long pause (a suspended laptop) the buckets in between are fewer than the ticks.
    const due =
      now - this.#lastTick > this.#buckets.size
        ? [...this.#buckets.keys()].filter((tick) => tick <= now).sort((a, b) => a - b)
        : Array.from({ length: now - this.#lastTick }, (_, index) => this.#lastTick + 1 + index);
    this.#lastTick = now;
    for (const tick of due) {
      const bucket = this.#buckets.get(tick);
      if (bucket === undefined) continue;
      this.#buckets.delete(tick);
      for (const entry of bucket) {
        entry.bucket = undefined;
        entry.onTimeout();
      }
    }
  }

  #tickOf(ms: number): number {
    return Math.floor(ms / this.#tickMs);
  }
}
