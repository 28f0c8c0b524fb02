// Who contributes which object. Several owners (files) may claim one key: the first one's is served, the others wait.

import { keyId, type ObjectKey, type ResourceObject } from '../resources/object.ts';

/** What one owner says about one key. */
export interface Claim {
  readonly owner: string;
  /** As it was handed in, before the store set its metadata. Nobody's objects need none: they never wait. */
  readonly given?: ResourceObject;
}

/** The owner of objects that are put one by one. */
export const NO_OWNER = '';

/** The claims on an object that was put and that no file has: one array for all of them. */
export const UNOWNED: readonly Claim[] = [{ owner: NO_OWNER }];

const NONE: readonly Claim[] = [];

/** All claims. The lists it holds never change: a change is a new list. */
export class Claims {
  /** By `keyId`: the one that is served first. */
  readonly #byKey = new Map<string, readonly Claim[]>();
  /** By owner: the keys it claims, by `keyId`. */
  readonly #keysOf = new Map<string, Map<string, ObjectKey>>();

  /** The claims on a key, the served one first; none when nobody has it. */
  get(key: ObjectKey): readonly Claim[] {
    return this.#byKey.get(keyId(key)) ?? NONE;
  }

  /** Replaces the claims on a key. */
  set(key: ObjectKey, claims: readonly Claim[]): void {
    const id = keyId(key);
    for (const { owner } of this.#byKey.get(id) ?? NONE) {
      const keys = this.#keysOf.get(owner);
      keys?.delete(id);
      if (keys?.size === 0) this.#keysOf.delete(owner);
    }
    if (claims.length === 0) this.#byKey.delete(id);
    else this.#byKey.set(id, claims);
    for (const { owner } of claims) {
      if (owner === NO_OWNER) continue;
      const keys = this.#keysOf.get(owner) ?? new Map<string, ObjectKey>();
      this.#keysOf.set(owner, keys.set(id, key));
    }
  }

  /** The keys an owner claims. */
  keysOf(owner: string): ObjectKey[] {
    return [...(this.#keysOf.get(owner)?.values() ?? [])];
  }

  /** Everybody who claims something. */
  owners(): string[] {
    return [...this.#keysOf.keys()];
  }
}
