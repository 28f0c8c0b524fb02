// The objects as they are now, in memory: every edit can be undone until it is committed, and committed states stay readable.

import { keyId, kindId, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import type { ObjectsByKind } from '../resources/snapshot.ts';
import { type Claim, Claims, NO_OWNER, UNOWNED } from './claims.ts';

/** One object replaced; undefined: not there. */
export interface ObjectEdit {
  readonly key: ObjectKey;
  readonly before: ResourceObject | undefined;
  readonly after: ResourceObject | undefined;
}

/** The claims on one key replaced. */
export interface ClaimEdit {
  readonly key: ObjectKey;
  readonly before: readonly Claim[];
  readonly after: readonly Claim[];
}

/** What has been edited since the last commit, by `keyId`, as it is in the end. */
export interface Edited {
  readonly version: number;
  readonly objects: ReadonlyMap<string, { key: ObjectKey; object: ResourceObject | undefined }>;
  readonly claims: ReadonlyMap<string, { key: ObjectKey; claims: readonly Claim[] }>;
}

/** A moment to go back to. */
export interface Savepoint {
  readonly objects: number;
  readonly claims: number;
  readonly version: number;
}

/** What a state begins with. */
export interface Persisted {
  readonly version: number;
  readonly objects: Iterable<{ readonly key: ObjectKey; readonly object: ResourceObject }>;
  /** Only where somebody claims the object. */
  readonly claims: Iterable<{ readonly key: ObjectKey; readonly claims: readonly Claim[] }>;
}

/** The live objects and claims. */
export class State {
  /** By `kindId`, then `namespace/name`. */
  readonly #kinds = new Map<string, Map<string, ResourceObject>>();
  readonly #claims = new Claims();
  #objectEdits: ObjectEdit[] = [];
  #claimEdits: ClaimEdit[] = [];
  #version = 0;
  #committed = 0;
  #size = 0;
  #view: View;

  constructor(persisted?: Persisted) {
    if (persisted !== undefined) {
      for (const { key, object } of persisted.objects) {
        this.#set(key, object);
        this.#claims.set(key, UNOWNED);
      }
      for (const { key, claims } of persisted.claims) this.#claims.set(key, claims);
      this.#version = persisted.version;
      this.#committed = persisted.version;
    }
    this.#view = new View(this, this.#size);
  }

  /** The version of the newest edit. */
  get version(): number {
    return this.#version;
  }

  /** The version of the newest committed edit. */
  get committedVersion(): number {
    return this.#committed;
  }

  /** The objects as they were last committed. */
  get view(): ObjectsByKind {
    return this.#view;
  }

  /** The next version, for an edit about to be made. */
  nextVersion(): number {
    return ++this.#version;
  }

  /** The object now, edits included. */
  get(key: ObjectKey): ResourceObject | undefined {
    return this.#kinds.get(kindId(key.group, key.kind))?.get(nameOf(key));
  }

  /** Puts an object in place, or with undefined removes it. */
  edit(key: ObjectKey, object: ResourceObject | undefined): void {
    this.#objectEdits.push({ key, before: this.get(key), after: object });
    this.#set(key, object);
  }

  /** The claims on a key now, the served one first. */
  claimsOn(key: ObjectKey): readonly Claim[] {
    return this.#claims.get(key);
  }

  /** Replaces the claims on a key. */
  editClaims(key: ObjectKey, claims: readonly Claim[]): void {
    this.#claimEdits.push({ key, before: this.#claims.get(key), after: claims });
    this.#claims.set(key, claims);
  }

  /** The keys an owner claims. */
  keysOf(owner: string): ObjectKey[] {
    return this.#claims.keysOf(owner);
  }

  /** Everybody who claims something, but {@link NO_OWNER}. */
  owners(): string[] {
    return this.#claims.owners().filter((owner) => owner !== NO_OWNER);
  }

  /** Where {@link undoTo} can go back to. */
  savepoint(): Savepoint {
    return { objects: this.#objectEdits.length, claims: this.#claimEdits.length, version: this.#version };
  }

  /** Undoes all edits since. */
  undoTo({ objects, claims, version }: Savepoint): void {
    for (const { key, before } of this.#objectEdits.splice(objects).reverse()) this.#set(key, before);
    for (const { key, before } of this.#claimEdits.splice(claims).reverse()) this.#claims.set(key, before);
    this.#version = version;
  }

  /** What has been edited since the last commit; undefined when nothing was. */
  edited(): Edited | undefined {
    if (this.#objectEdits.length === 0 && this.#claimEdits.length === 0) return undefined;
    return {
      version: this.#version,
      objects: new Map(this.#objectEdits.map(({ key, after }) => [keyId(key), { key, object: after }])),
      claims: new Map(this.#claimEdits.map(({ key, after }) => [keyId(key), { key, claims: after }])),
    };
  }

  /** Makes the edits the state that is read. */
  commit(): void {
    if (this.#objectEdits.length > 0) this.#view = this.#view.followedBy(new View(this, this.#size), this.#objectEdits);
    this.#objectEdits = [];
    this.#claimEdits = [];
    this.#committed = this.#version;
  }

  /** @internal The live objects of a kind, edits included. */
  liveOf(id: string): ReadonlyMap<string, ResourceObject> | undefined {
    return this.#kinds.get(id);
  }

  /** @internal */
  liveKinds(): Iterable<string> {
    return this.#kinds.keys();
  }

  /** @internal Edits that are not committed. */
  get pending(): readonly ObjectEdit[] {
    return this.#objectEdits;
  }

  #set(key: ObjectKey, object: ResourceObject | undefined): void {
    const id = kindId(key.group, key.kind);
    let ofKind = this.#kinds.get(id);
    if (ofKind === undefined) {
      ofKind = new Map();
      this.#kinds.set(id, ofKind);
    }
    this.#size -= ofKind.size;
    if (object === undefined) ofKind.delete(nameOf(key));
    else ofKind.set(nameOf(key), object);
    this.#size += ofKind.size;
  }
}

/**
 * The objects as one commit left them. It copies a kind only when somebody lists it: until then the newest view reads the live objects, and
 * an older one knows the edits that came after it. So a thousand writes between two readings cost one copy, not a thousand. An older view
 * that is first listed late has at the end what was deleted since.
 */
class View implements ObjectsByKind {
  readonly size: number;
  readonly #state: State;
  #frozen = new Map<string, ReadonlyMap<string, ResourceObject>>();
  #next: { view: View; edits: ReadonlyMap<string, ObjectEdit[]> } | undefined;

  constructor(state: State, size: number) {
    this.#state = state;
    this.size = size;
  }

  /** Notes what came next. Kinds that did not change are shared. */
  followedBy(view: View, edits: readonly ObjectEdit[]): View {
    const byKind = Map.groupBy(edits, ({ key }) => kindId(key.group, key.kind));
    view.#frozen = new Map([...this.#frozen].filter(([id]) => !byKind.has(id)));
    this.#next = { view, edits: byKind };
    return view;
  }

  kinds(): string[] {
    const ids = new Set(this.#state.liveKinds());
    return [...ids].filter((id) => (this.ofKind(id)?.size ?? 0) > 0);
  }

  get(id: string, name: string): ResourceObject | undefined {
    const frozen = this.#frozen.get(id);
    if (frozen !== undefined) return frozen.get(name);
    if (this.#next === undefined && this.#state.pending.length === 0) return this.#state.liveOf(id)?.get(name);
    return this.ofKind(id)?.get(name);
  }

  ofKind(id: string): ReadonlyMap<string, ResourceObject> | undefined {
    const known = this.#frozen.get(id);
    if (known !== undefined) return known;
    const after: (readonly ObjectEdit[])[] = [];
    let newest: View = this;
    while (newest.#next !== undefined && !newest.#frozen.has(id)) {
      after.push(newest.#next.edits.get(id) ?? []);
      newest = newest.#next.view;
    }
    let base = newest.#frozen.get(id);
    if (base === undefined) {
      const live = this.#state.liveOf(id);
      if (live === undefined) return undefined;
      const pending = this.#state.pending.filter(({ key }) => kindId(key.group, key.kind) === id);
      base = before(live, [pending]);
      newest.#frozen.set(id, base);
    }
    const frozen = after.every((edits) => edits.length === 0) ? base : before(base, after);
    this.#frozen.set(id, frozen);
    return frozen;
  }
}

/** A copy of the objects as they were before some edits (groups of them, oldest first). */
function before(
  objects: ReadonlyMap<string, ResourceObject>,
  groups: readonly (readonly ObjectEdit[])[],
): Map<string, ResourceObject> {
  const copy = new Map(objects);
  for (const edits of groups.toReversed())
    for (const { key, before: object } of edits.toReversed()) {
      if (object === undefined) copy.delete(nameOf(key));
      else copy.set(nameOf(key), object);
    }
  return copy;
}

function nameOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}
