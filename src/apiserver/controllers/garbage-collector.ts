// What an object owns goes with it: after it (background), before it (foreground), or stays without an owner (orphan).
// https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents

import type { ManagedFieldsEntry } from '../../resources/managed-fields/entries.ts';
import { FILE_MANAGER } from '../../resources/managed-fields/file-objects.ts';
import { keyId, keyOf, kindId, type ObjectKey, type ResourceObject } from '../../resources/object.ts';
import type { Change, Writer } from '../../store/store.ts';
import type { ApiContext } from '../api-call.ts';
import { deleteObject, FOREGROUND_FINALIZER, NO_PRECONDITIONS, ORPHAN_FINALIZER } from '../deletion.ts';
import { hasFinalizers } from '../writes/write-object.ts';
import { WorkQueue } from './queue.ts';

/** What is to be looked at: an owner that goes or is gone. */
type Uid = string;

/**
 * Collects from now on, and what was left to collect when Limen last ended, however it did. What files say has owners of another time or cluster
 * stays.
 */
export class GarbageCollector {
  readonly #context: ApiContext;
  readonly #queue: WorkQueue<Uid>;
  readonly #unsubscribe: () => void;
  /** By owner: what it owns. */
  readonly #dependents = new Map<Uid, Map<string, ObjectKey>>();
  /** Owners on their way out that wait for the collector. */
  readonly #leaving = new Map<Uid, ObjectKey>();

  constructor(context: ApiContext) {
    this.#context = context;
    this.#queue = new WorkQueue(context.log, (uid) => this.#collect(uid));
    const { snapshot } = context.store;
    const present = new Set<Uid | undefined>();
    for (const id of snapshot.kinds())
      for (const object of snapshot.listOf(id)) {
        present.add(object.metadata.uid);
        this.#notice({ type: 'added', object });
      }
    for (const owner of this.#dependents.keys()) if (!present.has(owner)) this.#queue.add(owner);
    this.#unsubscribe = context.store.subscribe((_, changes) => {
      for (const change of changes) this.#notice(change);
    });
  }

  /** Resolves when nothing is left to collect. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.close();
  }

  #notice(change: Change): void {
    const { object } = change;
    const { uid = '', finalizers = [] } = object.metadata;
    const key = keyOf(object);
    const id = keyId(key);
    const owners = change.type === 'deleted' ? [] : ownersOf(object);
    const before =
      change.type === 'modified' ? ownersOf(change.previous) : change.type === 'deleted' ? ownersOf(object) : [];
    for (const owner of before)
      if (!owners.includes(owner)) {
        this.#dependents.get(owner)?.delete(id);
        if (this.#leaving.has(owner)) this.#queue.add(owner);
      }
    for (const owner of owners) {
      const owned = this.#dependents.get(owner) ?? new Map();
      this.#dependents.set(owner, owned.set(id, key));
    }
    if (change.type === 'deleted') {
      this.#leaving.delete(uid);
      if ((this.#dependents.get(uid)?.size ?? 0) > 0) this.#queue.add(uid);
      else this.#dependents.delete(uid);
    } else if (finalizers.includes(FOREGROUND_FINALIZER) || finalizers.includes(ORPHAN_FINALIZER)) {
      if (object.metadata.deletionTimestamp === undefined) return;
      this.#leaving.set(uid, key);
      this.#queue.add(uid);
    }
  }

  async #collect(uid: Uid): Promise<void> {
    const owned = [...(this.#dependents.get(uid)?.values() ?? [])];
    const leaving = this.#leaving.get(uid);
    await this.#context.store.transact((writer) => {
      const owner = leaving === undefined ? undefined : writer.get(leaving);
      if (owner === undefined || owner.metadata.uid !== uid) {
        for (const key of owned) this.#release(writer, key, uid, 'delete');
        return;
      }
      const isOrphaning = owner.metadata.finalizers?.includes(ORPHAN_FINALIZER) === true;
      for (const key of owned) this.#release(writer, key, uid, isOrphaning ? 'keep' : 'delete');
      const waitsFor = isOrphaning ? [] : owned.filter((key) => blocks(writer.get(key), uid));
      if (waitsFor.length === 0) finish(writer, owner);
    });
    if (leaving === undefined && (this.#dependents.get(uid)?.size ?? 0) === 0) this.#dependents.delete(uid);
  }

  /** Takes a dependent from one of its owners: with no other left it goes, unless it is to be kept. */
  #release(writer: Writer, key: ObjectKey, uid: Uid, what: 'delete' | 'keep'): void {
    const object = writer.get(key);
    if (object === undefined || !ownersOf(object).includes(uid)) return;
    if (what === 'delete' && isOwnedByFile(object)) return;
    const others = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
    const hasOthers = others.some((owner) => !this.#leaving.has(owner.uid));
    if (what === 'keep' || hasOthers) {
      const { ownerReferences: _, ...metadata } = object.metadata;
      writer.put({ ...object, metadata: { ...metadata, ...(others.length === 0 ? {} : { ownerReferences: others }) } });
      return;
    }
    if (object.metadata.deletionTimestamp !== undefined) return; // on its way already
    const resource = this.#context.registry.stored(kindId(key.group, key.kind));
    if (resource === undefined) writer.delete(key);
    else
      deleteObject(
        writer,
        object,
        resource,
        { isDryRun: false, propagation: 'Background', gracePeriodSeconds: undefined, preconditions: NO_PRECONDITIONS },
        this.#context,
      );
  }
}

function ownersOf({ metadata }: ResourceObject): string[] {
  return (metadata.ownerReferences ?? []).map(({ uid }) => uid);
}

/** Whether a file says who owns an object: it would bring it back as it is. */
function isOwnedByFile({ metadata }: ResourceObject): boolean {
  const entries = metadata.managedFields as readonly ManagedFieldsEntry[] | undefined;
  const { fieldsV1 } = entries?.find(({ manager }) => manager === FILE_MANAGER) ?? {};
  return Object.hasOwn((fieldsV1?.['f:metadata'] ?? {}) as object, 'f:ownerReferences');
}

/** Whether an owner's foreground deletion waits for a dependent. */
function blocks(dependent: ResourceObject | undefined, uid: Uid): boolean {
  return (
    dependent?.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) ===
    true
  );
}

/** The collector's part is done: the owner goes, unless others hold it. */
function finish(writer: Writer, owner: ResourceObject): void {
  const finalizers = (owner.metadata.finalizers ?? []).filter(
    (finalizer) => finalizer !== FOREGROUND_FINALIZER && finalizer !== ORPHAN_FINALIZER,
  );
  const { finalizers: _, ...metadata } = owner.metadata;
  const next = { ...owner, metadata: { ...metadata, ...(finalizers.length === 0 ? {} : { finalizers }) } };
  if (hasFinalizers(next)) writer.put(next);
  else writer.delete(keyOf(owner));
}
