// All objects, in memory: who contributes which, versions, and who is told of changes.

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { keyId, keyOf, kindId, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';

/** What happened to one object. */
export type Change =
  | { type: 'added'; object: ResourceObject }
  | { type: 'modified'; object: ResourceObject; previous: ResourceObject }
  | { type: 'deleted'; object: ResourceObject };

/** Told of each set of changes, after they are in the snapshot. */
export type StoreListener = (snapshot: Snapshot, changes: readonly Change[]) => void;

/** Two owners contribute an object of one key: the first one's is served. */
export interface Conflict {
  key: ObjectKey;
  /** Whose object is served. */
  heldBy: string;
  /** Whose object waits until the other one is gone. */
  owner: string;
}

export interface StoreOptions {
  /** The time of `creationTimestamp`. */
  clock?: () => Date;
  /** Makes `metadata.uid`. */
  uid?: () => string;
}

/** What one owner says about one key. */
interface Claim {
  owner: string;
  /** As it was handed in, before the store set its metadata. */
  given: ResourceObject;
}

/** The owner of objects that are put one by one. */
const NO_OWNER = '';

/**
 * The objects being served. Objects it hands out never change, and an object that did not change stays the same JavaScript object
 * from snapshot to snapshot. Sets `uid`, `resourceVersion` (grows with each change of the store), `generation` (grows with each change of
 * content) and, where the author wrote none, `creationTimestamp`.
 */
export class Store {
  readonly #clock: () => Date;
  readonly #uid: () => string;
  readonly #kinds = new Map<string, Map<string, ResourceObject>>();
  /** By `keyId`: who claims it, the one that is served first. */
  readonly #claims = new Map<string, Claim[]>();
  /** By owner: the keys it claims. */
  readonly #keysOf = new Map<string, Map<string, ObjectKey>>();
  readonly #listeners = new Set<StoreListener>();
  /** Changes the listeners are being told of, or are to be told of next. */
  readonly #untold: { snapshot: Snapshot; changes: readonly Change[] }[] = [];
  #version = 0;
  #snapshot = new Snapshot(0, new Map());
  /** Changes of the batch under way, by key; undefined outside of one. */
  #changes: Map<string, Change> | undefined;
  /** Kinds whose map was copied in the batch under way, and so may be written. */
  readonly #writable = new Set<string>();

  constructor(options: StoreOptions = {}) {
    this.#clock = options.clock ?? (() => new Date());
    this.#uid = options.uid ?? randomUUID;
  }

  /** All objects now. During a batch: as before it. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /**
   * Makes exactly these objects the ones that an owner (a file) contributes: others it contributed before go away.
   *
   * @returns the keys another owner holds already; that owner's object is served, and this one's when that one is gone
   */
  apply(owner: string, objects: readonly ResourceObject[]): Conflict[] {
    return this.batch(() => {
      const keys = new Map<string, ObjectKey>();
      const conflicts: Conflict[] = [];
      for (const object of objects) keys.set(keyId(keyOf(object)), keyOf(object));
      for (const [id, key] of this.#keysOf.get(owner) ?? []) if (!keys.has(id)) this.#release(owner, id, key);
      if (keys.size === 0) this.#keysOf.delete(owner);
      else this.#keysOf.set(owner, keys);
      for (const object of objects) {
        const holder = this.#claim(owner, object);
        if (holder !== owner) conflicts.push({ key: keyOf(object), heldBy: holder, owner });
      }
      return conflicts;
    });
  }

  /** Adds or replaces one object, whoever contributes it. It stays until `delete`, or until its owner applies a changed one. */
  put(object: ResourceObject): void {
    this.batch(() => {
      const key = keyOf(object);
      const id = keyId(key);
      if (!this.#claims.has(id)) {
        this.#claims.set(id, [{ owner: NO_OWNER, given: object }]);
        this.#keysOf.set(NO_OWNER, (this.#keysOf.get(NO_OWNER) ?? new Map()).set(id, key));
      }
      this.#serve(id, key, object);
    });
  }

  /** Removes one object, whoever contributes it. Nothing happens when it is not there. */
  delete(key: ObjectKey): void {
    this.batch(() => {
      const id = keyId(key);
      for (const { owner } of this.#claims.get(id) ?? []) this.#keysOf.get(owner)?.delete(id);
      this.#claims.delete(id);
      this.#withdraw(id, key);
    });
  }

  /** Runs changes as one: listeners are told once, when the outermost batch ends. Changes made before a throw stay. */
  batch<Result>(change: () => Result): Result {
    if (this.#changes !== undefined) return change();
    this.#changes = new Map();
    try {
      return change();
    } finally {
      const changes = [...this.#changes.values()];
      this.#changes = undefined;
      this.#writable.clear();
      if (changes.length > 0) {
        this.#snapshot = new Snapshot(this.#version, new Map(this.#kinds));
        this.#notify(changes);
      }
    }
  }

  /** Calls the listener after each set of changes, synchronously. Returns how to stop. A listener must not throw. */
  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tells the listeners. A listener that changes the store is told of that after all were told of this. */
  #notify(changes: readonly Change[]): void {
    this.#untold.push({ snapshot: this.#snapshot, changes });
    if (this.#untold.length > 1) return;
    for (let next = this.#untold[0]; next !== undefined; next = this.#untold[0]) {
      try {
        for (const listener of [...this.#listeners]) listener(next.snapshot, next.changes);
      } finally {
        this.#untold.shift();
      }
    }
  }

  /** Notes an owner's object; returns whose object is served. */
  #claim(owner: string, given: ResourceObject): string {
    const key = keyOf(given);
    const id = keyId(key);
    const claims = this.#claims.get(id) ?? [];
    if (claims.length === 0) this.#claims.set(id, claims);
    const own = claims.find((claim) => claim.owner === owner);
    // Compared with what this owner said last, not with what is served: a status written meanwhile must survive a save that changes nothing.
    const isUnchanged = own !== undefined && (own.given === given || isDeepStrictEqual(own.given, given));
    if (own === undefined) claims.push({ owner, given });
    else own.given = given;
    const holder = (claims[0] as Claim).owner;
    if (holder === owner && !isUnchanged) this.#serve(id, key, given);
    return holder;
  }

  #release(owner: string, id: string, key: ObjectKey): void {
    const claims = this.#claims.get(id) ?? [];
    const index = claims.findIndex((claim) => claim.owner === owner);
    if (index < 0) return;
    claims.splice(index, 1);
    if (index > 0) return;
    const [next] = claims;
    if (next === undefined) {
      this.#claims.delete(id);
      this.#withdraw(id, key);
    } else {
      this.#serve(id, key, next.given);
    }
  }

  #serve(id: string, key: ObjectKey, given: ResourceObject): void {
    const objects = this.#writableKind(kindId(key.group, key.kind));
    const mapKey = `${key.namespace}/${key.name}`;
    const previous = objects.get(mapKey);
    const object = this.#withMetadata(given, previous);
    if (previous !== undefined && isDeepStrictEqual(withoutVersion(object), withoutVersion(previous))) return;
    objects.set(mapKey, object);
    this.#note(id, previous === undefined ? { type: 'added', object } : { type: 'modified', object, previous });
  }

  #withdraw(id: string, key: ObjectKey): void {
    const objects = this.#writableKind(kindId(key.group, key.kind));
    const mapKey = `${key.namespace}/${key.name}`;
    const object = objects.get(mapKey);
    if (object === undefined) return;
    objects.delete(mapKey);
    this.#version++;
    this.#note(id, { type: 'deleted', object });
  }

  #withMetadata(given: ResourceObject, previous: ResourceObject | undefined): ResourceObject {
    const { metadata } = given;
    const before = previous?.metadata;
    const isSameContent = previous !== undefined && isDeepStrictEqual(contentOf(given), contentOf(previous));
    return {
      ...given,
      metadata: {
        ...metadata,
        uid: before?.uid ?? metadata.uid ?? this.#uid(),
        resourceVersion: String(++this.#version),
        generation: before === undefined ? 1 : (before.generation ?? 1) + (isSameContent ? 0 : 1),
        creationTimestamp: metadata.creationTimestamp ?? before?.creationTimestamp ?? seconds(this.#clock()),
      },
    };
  }

  /** Several changes of one object in a batch are one change to those who listen. */
  #note(id: string, change: Change): void {
    const changes = this.#changes as Map<string, Change>;
    const earlier = changes.get(id);
    changes.delete(id);
    if (earlier === undefined) {
      changes.set(id, change);
    } else if (earlier.type === 'added') {
      if (change.type !== 'deleted') changes.set(id, { type: 'added', object: change.object });
    } else {
      const previous = earlier.type === 'modified' ? earlier.previous : earlier.object;
      changes.set(
        id,
        change.type === 'deleted'
          ? { type: 'deleted', object: previous }
          : { type: 'modified', object: change.object, previous },
      );
    }
  }

  /** The objects of a kind, for writing: a copy, the first time in a batch, since snapshots share the old ones. */
  #writableKind(id: string): Map<string, ResourceObject> {
    if (!this.#writable.has(id)) {
      this.#writable.add(id);
      this.#kinds.set(id, new Map(this.#kinds.get(id)));
    }
    return this.#kinds.get(id) as Map<string, ResourceObject>;
  }
}

function contentOf({ metadata: _, status: __, ...content }: ResourceObject): object {
  return content;
}

function withoutVersion(object: ResourceObject): object {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Kubernetes' timestamps have seconds. */
function seconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
