// Watches a client's HTTP/2 connection for a header block that begins and does not end. RFC 9113 section 4.3
// node:http2 tells of a block once it is complete. But it knows the last stream that began, so we look now and then.

import { Timeouts } from '../http/timeouts.ts';
import type { TimerWheel } from '../timer-wheel.ts';

/** Of the time that a block may take: how late its end is noticed at most. */
const LOOKS = 4;

/** The parts of a session of node:http2 that tell. */
export interface WatchedSession {
  readonly destroyed: boolean;
  readonly state: { readonly lastProcStreamID?: number | undefined };
  ping(callback: (error: Error | null) => void): boolean;
}

/** Hears that a block took too long. */
export interface UnfinishedHeadOwner {
  onUnfinishedHead(): void;
}

/** The watch over one connection. */
export class UnfinishedHead {
  readonly #session: WatchedSession;
  readonly #owner: UnfinishedHeadOwner;
  readonly #limitMs: number;
  readonly #now: () => number;
  readonly #timeouts: Timeouts<'look'>;
  /** The newest stream whose block is known to be complete. */
  #complete = 0;
  /** The stream that has begun, as it seems, and since when. */
  #suspect = 0;
  #since = 0;

  /** @param limitMs what a block may take */
  constructor(
    session: WatchedSession,
    owner: UnfinishedHeadOwner,
    limitMs: number,
    { timers, now }: { readonly timers: TimerWheel; readonly now: () => number },
  ) {
    this.#session = session;
    this.#owner = owner;
    this.#limitMs = limitMs;
    this.#now = now;
    this.#timeouts = new Timeouts(timers, { onTimeout: () => this.#look() });
    this.#arm();
  }

  /** The block of a stream is complete. */
  onHead(stream: number): void {
    this.#complete = stream;
  }

  /** The connection is closed. */
  stop(): void {
    this.#timeouts.disarmAll();
  }

  #arm(): void {
    this.#timeouts.arm('look', Math.max(1, this.#limitMs / LOOKS));
  }

  #look(): void {
    const session = this.#session;
    if (session.destroyed) return;
    const begun = session.state.lastProcStreamID ?? 0;
    if (begun > this.#complete) {
      if (begun !== this.#suspect) this.#suspectOf(begun);
      else if (this.#now() - this.#since >= this.#limitMs) {
        this.#owner.onUnfinishedHead();
        return;
      }
    }
    this.#arm();
  }

  // A block that nghttp2 refused is complete too, though we never hear of it. Within a block no other frame may come (RFC 9113 section 6.10):
  // who answers a PING has none under way.
  #suspectOf(stream: number): void {
    this.#suspect = stream;
    this.#since = this.#now();
    this.#session.ping((error) => {
      if (error === null && stream > this.#complete) this.#complete = stream;
    });
  }
}
