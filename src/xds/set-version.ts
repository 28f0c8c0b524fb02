// The version of a set of resources, from their versions alone: no matter in which order, and cheap to carry along as the set changes.

import { createHash } from 'node:crypto';

const BYTES = 12;

/**
 * A version for a set. Equal sets have equal versions, in this process and the next, so that two clients (or two dumps) with equal versions have
 * equal configuration. Adding and removing costs the same however large the set is.
 */
export class SetVersion {
  // The exclusive or of all members: adding a member again takes it away.
  readonly #bits = new Uint8Array(BYTES);

  /** @param versions those of the members: hashes of content that includes the name, as `EncodedResource.version` */
  static of(versions: Iterable<string>): SetVersion {
    const set = new SetVersion();
    for (const version of versions) set.toggle(version);
    return set;
  }

  /** Adds a member, or takes it away. */
  toggle(version: string): void {
    const bits = bitsOf(version);
    for (let at = 0; at < BYTES; at += 1) (this.#bits[at] as number) ^= bits[at] as number;
  }

  copy(): SetVersion {
    const copy = new SetVersion();
    copy.#bits.set(this.#bits);
    return copy;
  }

  toString(): string {
    return Buffer.from(this.#bits).toString('base64url');
  }
}

function bitsOf(version: string): Uint8Array {
  const own = Buffer.from(version, 'base64url');
  // A version of another server's making.
  return own.length === BYTES ? own : createHash('sha256').update(version).digest().subarray(0, BYTES);
}
