// All objects: their versions, who contributes which, who is told of changes, and that what was acknowledged survives.

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { contains } from '../resources/contains.ts';
import { keyId, keyOf, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';
import { type Change, merged } from './change.ts';
import { type Claim, NO_OWNER, UNOWNED } from './claims.ts';
import { StoreWriteError } from './errors.ts';
import { HISTORY_SIZE, History } from './history.ts';
import { type Edited, type Persisted, type Savepoint, State } from './state.ts';
import { deletedObject, type MetadataSource, storedObject } from './stored-object.ts';

export type { Change } from './change.ts';

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
  /** How many changes {@link Store.eventsSince} knows at least. */
  historySize?: number;
  /** Lays an owner's object over the one that is there. Without it the owner's takes its place. */
  merge?: (live: ResourceObject | undefined, given: ResourceObject) => ResourceObject;
}

/** Where a store keeps its objects beyond the life of the process. */
export interface Persistence {
  /** What was there when it was opened. */
  load(): Persisted;
  /**
   * Makes edits durable, all or none.
   * @throws StoreWriteError
   */
  save(edited: Edited): void;
  close(): void;
}

/** What a change of {@link Store.transact} reads and writes. It sees what it wrote itself. Of no use after the change has returned. */
export interface Writer {
  /** The object now, or undefined. */
  get(key: ObjectKey): ResourceObject | undefined;
  /** Adds or replaces an object. Returns it as stored: the very object that is there already when nothing changed. */
  put(object: ResourceObject): ResourceObject;
  /** Removes an object. Returns it with the version of its deletion, or undefined when it is not there. */
  delete(key: ObjectKey): ResourceObject | undefined;
}

interface QueuedChange {
  /** Returns how to tell the caller. */
  run: () => () => void;
  reject: (error: unknown) => void;
}

/** So many changes are one commit at most: the event loop gets its turn in between. */
const MAX_GROUP = 256;

/**
 * The objects being served. Objects it hands out never change, and an object that did not change stays the same JavaScript object
 * from snapshot to snapshot. Sets `uid`, `resourceVersion` (grows with each change of the store), `generation` (grows with each change of
 * content) and, where the author wrote none, `creationTimestamp`.
 */
export class Store {
  readonly #metadata: MetadataSource;
  readonly #persistence: Persistence | undefined;
  readonly #merge: NonNullable<StoreOptions['merge']> | undefined;
  /** Of a stored object: what its owner said, where it is known to hold all of that. */
  readonly #agreed = new WeakMap<ResourceObject, ResourceObject>();
  readonly #state: State;
  readonly #history: History;
  readonly #listeners = new Set<StoreListener>();
  /** Changes the listeners are being told of, or are to be told of next. */
  readonly #untold: { snapshot: Snapshot; changes: readonly Change[] }[] = [];
  readonly #queue: QueuedChange[] = [];
  #flushing: NodeJS.Immediate | undefined;
  #snapshot: Snapshot;
  /** What the change under way has done, by `keyId`; undefined outside of one. */
  #changes: Map<string, Change> | undefined;
  #closed = false;

  /** @param persistence memory only without */
  constructor(options: StoreOptions = {}, persistence?: Persistence) {
    this.#metadata = { clock: options.clock ?? (() => new Date()), uid: options.uid ?? randomUUID };
    this.#persistence = persistence;
    this.#merge = options.merge;
    this.#state = new State(persistence?.load());
    this.#history = new History(this.#state.version, options.historySize ?? HISTORY_SIZE);
    this.#snapshot = new Snapshot(this.#state.version, this.#state.view);
  }

  /** All objects now. During a change: as before it. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /**
   * The changes after a version, in their order. Several changes of one object in one batch are one.
   *
   * @returns undefined when some of them are no longer known (410 Gone), or the version is none this store has given out
   */
  eventsSince(resourceVersion: number): readonly Change[] | undefined {
    return this.#history.since(resourceVersion);
  }

  /**
   * Makes exactly these objects the ones that an owner (a file) contributes: others it contributed before go away. With
   * {@link StoreOptions.merge} an object keeps what others say of it and the owner does not.
   *
   * @returns the keys another owner holds already; that owner's object is served, and this one's when that one is gone
   */
  apply(owner: string, objects: readonly ResourceObject[]): Conflict[] {
    return this.batch(() => {
      const kept = new Set(objects.map((object) => keyId(keyOf(object))));
      const conflicts: Conflict[] = [];
      for (const key of this.#state.keysOf(owner)) if (!kept.has(keyId(key))) this.#release(owner, key);
      for (const object of objects) {
        const heldBy = this.#claim(owner, object);
        if (heldBy !== owner) conflicts.push({ key: keyOf(object), heldBy, owner });
      }
      return conflicts;
    });
  }

  /** Takes away what owners contributed that are there no longer (files of an earlier run). Objects that were put stay. */
  retainOwners(isThere: (owner: string) => boolean): void {
    this.batch(() => {
      for (const owner of this.#state.owners()) if (!isThere(owner)) this.apply(owner, []);
    });
  }

  /** Adds or replaces one object, whoever contributes it. It stays until `delete`, or until its owner applies its own again. */
  put(object: ResourceObject): void {
    this.batch(() => this.#put(object));
  }

  /** Removes one object, whoever contributes it. Nothing happens when it is not there. */
  delete(key: ObjectKey): void {
    this.batch(() => this.#delete(key));
  }

  /**
   * Runs changes as one: they are made durable together, and listeners are told once, when the outermost batch ends. Changes made before
   * a throw stay.
   *
   * @throws StoreWriteError when they cannot be made durable: none of them stays then
   */
  batch<Result>(change: () => Result): Result {
    if (this.#changes !== undefined) return change();
    const start = this.#state.savepoint();
    const changes = new Map<string, Change>();
    this.#changes = changes;
    let result: Result;
    try {
      result = change();
    } catch (error) {
      this.#end(start, changes);
      throw error;
    }
    this.#end(start, changes);
    return result;
  }

  /**
   * Runs a change soon, after those asked for before it. All that were asked for in one turn of the event loop are made durable together.
   * A change that throws leaves no trace and rejects alone.
   *
   * @param change synchronous; what it returns is the result
   * @returns when the change is durable and listeners have been told
   * @throws StoreWriteError (rejects) when it cannot be made durable, or the store is closed: nothing has changed then
   */
  transact<Result>(change: (store: Writer) => Result): Promise<Result> {
    if (this.#closed) return Promise.reject(new StoreWriteError('the store is closed'));
    return new Promise<Result>((resolve, reject) => {
      const run = () => {
        const result = this.#runWith(change);
        return () => resolve(result);
      };
      this.#queue.push({ run, reject });
      this.#flushing ??= setImmediate(() => this.#flush());
    });
  }

  /** Calls the listener after each set of changes, synchronously. Returns how to stop. A listener must not throw. */
  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Finishes what is queued and ends. Reading still works, writing does not. */
  close(): void {
    if (this.#closed) return;
    while (this.#queue.length > 0) this.#flush();
    this.#closed = true;
    this.#persistence?.close();
  }

  #runWith<Result>(change: (store: Writer) => Result): Result {
    let isOver = false;
    const whileUnderWay = () => {
      if (isOver) throw new Error('the change has ended: what it did not write then cannot be written now');
    };
    const writer: Writer = {
      get: (key) => {
        whileUnderWay();
        return this.#state.get(key);
      },
      put: (object) => {
        whileUnderWay();
        return this.#put(object);
      },
      delete: (key) => {
        whileUnderWay();
        return this.#delete(key);
      },
    };
    try {
      const result = change(writer);
      if (result instanceof Promise) {
        result.catch(() => {}); // what becomes of it does not count any more
        throw new TypeError('a change of the store must be synchronous, this one returned a promise');
      }
      return result;
    } finally {
      isOver = true;
    }
  }

  /** Ends a batch. */
  #end(start: Savepoint, changes: ReadonlyMap<string, Change>): void {
    this.#changes = undefined;
    try {
      this.#save();
    } catch (error) {
      this.#state.undoTo(start);
      throw error;
    }
    this.#commit([...changes.values()]);
  }

  /** Makes one commit of what is queued. */
  #flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const group = this.#queue.splice(0, MAX_GROUP);
    const start = this.#state.savepoint();
    const changes: Change[] = [];
    const settle: (() => void)[] = [];
    for (const { run, reject } of group) {
      const savepoint = this.#state.savepoint();
      this.#changes = new Map();
      try {
        settle.push(run());
        changes.push(...this.#changes.values());
      } catch (error) {
        this.#state.undoTo(savepoint);
        settle.push(() => reject(error));
      } finally {
        this.#changes = undefined;
      }
    }
    try {
      this.#save();
    } catch (error) {
      // Also those that threw: what they objected to may have been a change that is undone now.
      this.#state.undoTo(start);
      for (const { reject } of group) reject(error);
      return;
    } finally {
      if (this.#queue.length > 0) this.#flushing = setImmediate(() => this.#flush());
    }
    for (const tell of settle) tell();
    this.#commit(changes);
  }

  #save(): void {
    const edited = this.#state.edited();
    if (edited === undefined) return;
    if (this.#closed) throw new StoreWriteError('the store is closed');
    this.#persistence?.save(edited);
  }

  /** What was edited is durable: it can be read and told. */
  #commit(changes: readonly Change[]): void {
    this.#state.commit();
    if (this.#state.version > this.#snapshot.resourceVersion) {
      this.#snapshot = new Snapshot(this.#state.version, this.#state.view);
      this.#history.add(changes, this.#state.version);
    }
    if (changes.length > 0) this.#notify(changes);
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

  #put(object: ResourceObject): ResourceObject {
    const key = keyOf(object);
    if (this.#state.claimsOn(key).length === 0) this.#state.editClaims(key, UNOWNED);
    return this.#serve(key, object);
  }

  #delete(key: ObjectKey): ResourceObject | undefined {
    if (this.#state.claimsOn(key).length > 0) this.#state.editClaims(key, []);
    return this.#withdraw(key);
  }

  /** Notes an owner's object; returns whose object is served. */
  #claim(owner: string, given: ResourceObject): string {
    const key = keyOf(given);
    // Merged with it, an owner's object has no need to wait for one that somebody put.
    const claims = this.#state.claimsOn(key).filter((each) => this.#merge === undefined || each.owner !== NO_OWNER);
    const own = claims.find((claim) => claim.owner === owner);
    const holder = claims[0]?.owner ?? owner;
    // Compared with what this owner said last, not with what is served: a status written meanwhile must survive a save that changes nothing.
    if (own !== undefined && (own.given === given || isDeepStrictEqual(own.given, given))) {
      if (holder === owner) this.#restore(key, own.given ?? given);
      return holder;
    }
    const claim: Claim = { owner, given };
    this.#state.editClaims(
      key,
      own === undefined ? [...claims, claim] : claims.map((each) => (each === own ? claim : each)),
    );
    if (holder === owner) this.#serveOwned(key, given);
    return holder;
  }

  #release(owner: string, key: ObjectKey): void {
    const claims = this.#state.claimsOn(key);
    const rest = claims.filter((claim) => claim.owner !== owner);
    this.#state.editClaims(key, rest);
    if (claims[0]?.owner !== owner) return;
    const [next] = rest;
    if (next?.given === undefined) this.#withdraw(key);
    else this.#serveOwned(key, next.given);
  }

  /** What an owner says again counts again, where somebody has changed it meanwhile. */
  #restore(key: ObjectKey, given: ResourceObject): void {
    const live = this.#state.get(key);
    if (this.#merge === undefined || live === undefined || this.#agreed.get(live) === given) return;
    if (contains(live, given)) this.#agreed.set(live, given);
    else this.#serveOwned(key, given);
  }

  #serveOwned(key: ObjectKey, given: ResourceObject): void {
    const merged = this.#merge === undefined ? given : this.#merge(this.#state.get(key), given);
    this.#agreed.set(this.#serve(key, merged), given);
  }

  #serve(key: ObjectKey, given: ResourceObject): ResourceObject {
    const previous = this.#state.get(key);
    const object = storedObject(given, previous, this.#state.version + 1, this.#metadata);
    if (object === previous) return object;
    this.#state.nextVersion();
    this.#state.edit(key, object);
    this.#note(key, previous === undefined ? { type: 'added', object } : { type: 'modified', object, previous });
    return object;
  }

  #withdraw(key: ObjectKey): ResourceObject | undefined {
    const object = this.#state.get(key);
    if (object === undefined) return undefined;
    const deleted = deletedObject(object, this.#state.nextVersion());
    this.#state.edit(key, undefined);
    this.#note(key, { type: 'deleted', object: deleted, previous: object });
    return deleted;
  }

  /** Several changes of one object in a batch are one change to those who listen. */
  #note(key: ObjectKey, change: Change): void {
    const changes = this.#changes as Map<string, Change>;
    const id = keyId(key);
    const earlier = changes.get(id);
    const now = earlier === undefined ? change : merged(earlier, change);
    changes.delete(id); // so that the order is that of the versions
    if (now !== undefined) changes.set(id, now);
  }
}
