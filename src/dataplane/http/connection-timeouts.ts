// When a client connection has had its time: idle, too old, too slow with a request head, or not closed after the last response.
// One entry on the wheel per connection. It is checked when it fires, not re-armed per request: most of the time there is nothing to do.

import type { TimerEntry } from '../timer-wheel.ts';
import type { HcmConfig } from './hcm-config.ts';

/** Hears which time is over. The connection closes, or answers, in its own way. */
export interface ConnectionTimeoutOwner {
  onIdleTimeout(): void;
  onMaxDuration(): void;
  onHeadTimeout(): void;
  onLingerTimeout(): void;
}

/** The parts of the configuration that say how long. */
type Limits = Pick<
  HcmConfig,
  'idleTimeoutMs' | 'maxConnectionDurationMs' | 'requestHeadersTimeoutMs' | 'delayedCloseMs' | 'services'
>;

/** The clock of one connection. */
export class ConnectionTimeouts implements TimerEntry {
  /** Owned by the timer wheel. */
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly #limits: Limits;
  readonly #owner: ConnectionTimeoutOwner;
  /** All in milliseconds since the epoch; 0 for "is not so". */
  readonly #since: number;
  #idleSince: number;
  #headSince = 0;
  #lingers = false;

  constructor(limits: Limits, owner: ConnectionTimeoutOwner) {
    this.#limits = limits;
    this.#owner = owner;
    this.#since = limits.services.now();
    this.#idleSince = this.#since;
  }

  /** The connection is open. */
  start(): void {
    this.#armNext();
  }

  /** A request head has begun and is not complete. */
  headBegins(): void {
    if (this.#headSince !== 0) return;
    const { services, requestHeadersTimeoutMs } = this.#limits;
    this.#headSince = services.now();
    services.timers.arm(this, requestHeadersTimeoutMs);
  }

  /** A request is under way. */
  busy(): void {
    this.#headSince = 0;
    this.#idleSince = 0;
  }

  /** The response is out, and nothing follows yet. */
  idle(): void {
    this.#idleSince = this.#limits.services.now();
  }

  /** The last response is out: the client has `delayed_close_timeout` to close. */
  linger(): void {
    const { services, delayedCloseMs } = this.#limits;
    this.#lingers = true;
    services.timers.arm(this, delayedCloseMs || 1);
  }

  /** The connection is closed. */
  stop(): void {
    this.#limits.services.timers.disarm(this);
  }

  /** The wheel's call. */
  onTimeout(): void {
    const { services, idleTimeoutMs, maxConnectionDurationMs, requestHeadersTimeoutMs } = this.#limits;
    const now = services.now();
    if (this.#lingers) {
      this.#owner.onLingerTimeout();
    } else if (this.#headSince !== 0) {
      const left = this.#headSince + requestHeadersTimeoutMs - now;
      if (left > 0) services.timers.arm(this, left);
      else this.#owner.onHeadTimeout();
    } else if (maxConnectionDurationMs !== 0 && now - this.#since >= maxConnectionDurationMs) {
      // Once: the request under way may take as long as it needs.
      this.#owner.onMaxDuration();
    } else if (this.#idleSince !== 0 && idleTimeoutMs !== 0 && now - this.#idleSince >= idleTimeoutMs) {
      this.#owner.onIdleTimeout();
    } else {
      this.#armNext();
    }
  }

  #armNext(): void {
    const { services, idleTimeoutMs, maxConnectionDurationMs } = this.#limits;
    const now = services.now();
    let ms = Number.POSITIVE_INFINITY;
    if (idleTimeoutMs !== 0) ms = (this.#idleSince || now) + idleTimeoutMs - now;
    if (maxConnectionDurationMs !== 0) ms = Math.min(ms, this.#since + maxConnectionDurationMs - now);
    if (ms !== Number.POSITIVE_INFINITY) services.timers.arm(this, Math.max(1, ms));
  }
}
