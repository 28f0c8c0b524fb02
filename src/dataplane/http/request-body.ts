// The body of one request between client and upstream: bytes that cannot be sent yet, and bytes kept for another attempt.

import type { HeaderList } from './header-list.ts';

// Envoy's per_connection_buffer_limit_bytes default.
const BUFFER_LIMIT = 1024 * 1024;

/** What of a request body is held, and whether more comes. */
export class RequestBody {
  /** The client has sent all of it. */
  ended = false;
  /** Once `ended`: the trailers to pass on. */
  trailers: HeaderList | undefined = undefined;
  /** Keep what was sent, so that it can be sent again. */
  keep = false;
  /** Part of it was sent and is not held any more: no other attempt can be made. */
  #lost = false;
  #held: Buffer[] | undefined = undefined;
  #bytes = 0;

  /** More than should be held: stop reading from the client. */
  get full(): boolean {
    return this.#bytes > BUFFER_LIMIT;
  }

  /** What is held, in order. */
  get held(): readonly Buffer[] {
    return this.#held ?? [];
  }

  /** Another attempt can be made with what is held. */
  get repeatable(): boolean {
    return !this.#lost;
  }

  /** Takes bytes that cannot be sent yet. */
  hold(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#held === undefined) this.#held = [bytes];
    else this.#held.push(bytes);
  }

  /** Takes note of bytes on their way to the upstream. A body too large to keep goes on without the chance of a retry. */
  passed(bytes: Buffer): void {
    if (!this.keep || this.#lost) return;
    this.hold(bytes);
    if (!this.full) return;
    this.#lost = true;
    this.drop();
  }

  /** All that is held, for an attempt that begins; undefined for nothing. Stays held where it is kept. */
  take(): Buffer | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const bytes = held.length === 1 ? held[0] : Buffer.concat(held);
    if (!this.keep) this.drop();
    return bytes;
  }

  /** No attempt follows: a response has begun. */
  settle(): void {
    this.keep = false;
    this.drop();
  }

  /** Lets go of the memory. */
  drop(): void {
    this.#held = undefined;
    this.#bytes = 0;
  }
}
