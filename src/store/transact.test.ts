// Transactions, history and snapshots of the store, held to a naive model.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import { versionOf } from './change.ts';
import { StoreWriteError } from './errors.ts';
import { type Change, Store } from './store.ts';
import { createDisk } from './test-disk.ts';

const KINDS = ['v1 ConfigMap', 'v1 Service', 'apps/v1 Deployment'] as const;

const object = (name: string, value: number, kind: string = KINDS[0]): ResourceObject => {
  const [apiVersion, kindName] = kind.split(' ') as [string, string];
  return { apiVersion, kind: kindName, metadata: { name, namespace: 'default' }, spec: { value } };
};
const key = (name: string): ObjectKey => ({ group: '', kind: 'ConfigMap', namespace: 'default', name });

const contentsOf = (snapshot: Snapshot) =>
  snapshot
    .kinds()
    .flatMap((id) => snapshot.listOf(id))
    .map((each) => JSON.stringify(each))
    .sort();

describe('Store.transact', () => {
  it('resolves with what the change returns, after listeners were told', async () => {
    const store = new Store();
    const told: string[] = [];
    store.subscribe((_, changes) => void told.push(...changes.map(({ object: { metadata } }) => metadata.name)));
    const stored = await store.transact((writer) => writer.put(object('a', 1)));
    expect(told).toEqual(['a']);
    expect(stored).toBe(store.snapshot.get('ConfigMap', 'default', 'a'));
    expect(stored.metadata).toMatchObject({ resourceVersion: '1', uid: expect.any(String) });
  });

  it('makes what is asked for in one turn durable together, each change with a version of its own', async () => {
    const { disk, persistence } = createDisk();
    const store = new Store({}, persistence);
    const stored = await Promise.all(
      [1, 2, 3].map((value) => store.transact((writer) => writer.put(object('a', value)))),
    );
    expect(stored.map(({ metadata }) => metadata.resourceVersion)).toEqual(['1', '2', '3']);
    expect(disk.saved).toHaveLength(1);
    expect(store.eventsSince(0)?.map(({ type }) => type)).toEqual(['added', 'modified', 'modified']);
  });

  it('undoes a change that throws, alone', async () => {
    const store = new Store();
    const results = await Promise.allSettled([
      store.transact((writer) => writer.put(object('a', 1))),
      store.transact((writer) => {
        writer.put(object('a', 2));
        writer.put(object('b', 2));
        throw new Error('changed my mind');
      }),
      store.transact((writer) => [writer.get(key('a'))?.spec, writer.get(key('b'))]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[2]).toMatchObject({ value: [{ value: 1 }, undefined] });
    expect(store.snapshot.size).toBe(1);
    expect(store.snapshot.resourceVersion).toBe(1);
    expect(store.eventsSince(0)).toHaveLength(1);
  });

  it('leaves an object that is put unchanged as it is, and tells nobody', async () => {
    const store = new Store();
    const first = await store.transact((writer) => writer.put(object('a', 1)));
    const events: Change[] = [];
    store.subscribe((_, changes) => void events.push(...changes));
    expect(await store.transact((writer) => writer.put(object('a', 1)))).toBe(first);
    expect(await store.transact((writer) => writer.put(first))).toBe(first);
    expect(events).toEqual([]);
    expect(store.snapshot.resourceVersion).toBe(1);
  });

  it('raises the generation for content only, not for metadata and status', async () => {
    const store = new Store();
    const put = (given: ResourceObject) => store.transact((writer) => writer.put(given));
    const first = await put(object('a', 1, 'apps/v1 Deployment'));
    const managedFields = { managedFields: [{ manager: 'kubectl', operation: 'Update' as const }] };
    const second = await put({ ...first, metadata: { ...first.metadata, ...managedFields } });
    const third = await put({ ...second, status: { phase: 'Ready' } });
    const fourth = await put({ ...third, spec: { value: 2 } });
    const metadata = [first, second, third, fourth].map((each) => each.metadata);
    expect(metadata.map(({ generation }) => generation)).toEqual([1, 1, 1, 2]);
    expect(metadata.map(({ resourceVersion }) => resourceVersion)).toEqual(['1', '2', '3', '4']);
  });

  it('returns a deleted object with the version of its deletion, as its event has it', async () => {
    const store = new Store();
    const stored = await store.transact((writer) => writer.put(object('a', 1)));
    const deleted = await store.transact((writer) => writer.delete(key('a')));
    expect(deleted).toEqual({ ...stored, metadata: { ...stored.metadata, resourceVersion: '2' } });
    expect(store.eventsSince(1)).toEqual([{ type: 'deleted', object: deleted, previous: stored }]);
    expect(await store.transact((writer) => writer.delete(key('a')))).toBeUndefined();
  });

  it('takes batches inside a change as part of it', async () => {
    const store = new Store();
    await expect(
      store.transact(() => {
        store.batch(() => store.put(object('a', 1)));
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(store.snapshot.size).toBe(0);
  });

  it('refuses a change that is not over when it returns', async () => {
    const store = new Store();
    const late = store.transact(async (writer) => {
      await Promise.resolve();
      writer.put(object('a', 1));
    });
    await expect(late).rejects.toThrow('must be synchronous');
    let kept: { put(given: ResourceObject): unknown } | undefined;
    await store.transact((writer) => {
      kept = writer;
    });
    expect(() => kept?.put(object('a', 1))).toThrow('has ended');
    expect(store.snapshot.size).toBe(0);
  });

  it('changes nothing when the disk is full, tells nobody, and goes on when there is room', async () => {
    const { disk, persistence } = createDisk();
    const store = new Store({}, persistence);
    store.apply('a.yaml', [object('a', 1)]);
    const before = contentsOf(store.snapshot);
    const told: Change[] = [];
    store.subscribe((_, changes) => void told.push(...changes));
    disk.isFull = true;
    const writes = [
      store.transact((writer) => writer.put(object('b', 1))),
      store.transact((writer) => writer.delete(key('a'))),
    ];
    for (const result of await Promise.allSettled(writes)) expect(result).toMatchObject({ reason: { isFull: true } });
    expect(() => store.apply('a.yaml', [])).toThrow(StoreWriteError);
    expect(() => store.put(object('a', 2))).toThrow(StoreWriteError);
    expect(contentsOf(store.snapshot)).toEqual(before);
    expect(told).toEqual([]);
    disk.isFull = false;
    store.apply('a.yaml', [object('c', 1)]); // it still knows that it held a
    expect(
      told.map(({ type, object: { metadata } }) => `${type} ${metadata.name} ${metadata.resourceVersion}`),
    ).toEqual(['deleted a 2', 'added c 3']);
  });

  it('finishes what is queued when it is closed, and refuses what comes later', async () => {
    const { disk, persistence } = createDisk();
    const store = new Store({}, persistence);
    const queued = store.transact((writer) => writer.put(object('a', 1)));
    store.close();
    expect((await queued).metadata.name).toBe('a');
    expect(disk.saved).toHaveLength(1);
    await expect(store.transact(() => 1)).rejects.toThrow('closed');
    expect(() => store.put(object('b', 1))).toThrow('closed');
    expect(store.snapshot.size).toBe(1);
  });
});

describe('Store.retainOwners', () => {
  it('takes away what other owners contributed, and leaves what was put', () => {
    const store = new Store();
    store.apply('a.yaml', [object('a', 1), object('both', 1)]);
    store.apply('b.yaml', [object('b', 1), object('both', 2)]);
    store.put(object('put', 1));
    store.retainOwners((owner) => owner === 'b.yaml');
    const left = store.snapshot.list('ConfigMap').map(({ metadata, spec }) => [metadata.name, spec]);
    expect(left.sort()).toEqual([
      ['b', { value: 1 }],
      ['both', { value: 2 }],
      ['put', { value: 1 }],
    ]);
  });
});

describe('Store.eventsSince', () => {
  it('does not know what is compacted, nor versions it has not given out', () => {
    const store = new Store({ historySize: 5 });
    for (let value = 1; value <= 40; value++) store.put(object('a', value));
    expect(store.eventsSince(40)).toEqual([]);
    expect(store.eventsSince(35)?.map(versionOf)).toEqual([36, 37, 38, 39, 40]);
    expect(store.eventsSince(1)).toBeUndefined();
    for (const version of [41, -1, Number.NaN]) expect(store.eventsSince(version)).toBeUndefined();
  });
});

/** One random write. */
const write = fc.record({
  kind: fc.constantFrom(...KINDS),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  value: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
});
/** Writes that are one change, whether it throws, and whether the disk takes it. */
const step = fc.record({
  writes: fc.array(write, { maxLength: 5 }),
  throws: fc.boolean(),
  isFull: fc.boolean(),
  keepsSnapshot: fc.boolean(),
  reads: fc.option(fc.nat(), { nil: undefined }),
});

describe('any sequence of changes', () => {
  it('leaves what a plain map holds; replayed events and old snapshots agree', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { disk, persistence } = createDisk();
        const store = new Store({}, persistence);
        const model = new Map<string, unknown>();
        const kept: { snapshot: Snapshot; expected: string[] }[] = [];
        const modelContents = () => [...model].map(([id, value]) => `${id} ${value}`).sort();
        const contents = (snapshot: Snapshot) =>
          snapshot
            .kinds()
            .flatMap((id) =>
              snapshot.listOf(id).map(({ metadata, spec }) => [id, metadata.name, (spec as { value: number }).value]),
            )
            .map((parts) => parts.join(' '))
            .sort();
        for (const { writes, throws, isFull, keepsSnapshot, reads } of steps) {
          disk.isFull = isFull;
          const done = store.transact((writer) => {
            for (const { kind, name, value } of writes) {
              if (value === undefined) writer.delete(keyOf(object(name, 0, kind)));
              else writer.put(object(name, value, kind));
            }
            if (throws) throw new Error('no');
          });
          const changesSomething = await done.then(
            () => true,
            () => false,
          );
          if (changesSomething) {
            for (const { kind, name, value } of writes) {
              const { group, kind: kindName } = keyOf(object(name, 0, kind));
              const id = `${group === '' ? kindName : `${kindName}.${group}`} ${name}`;
              if (value === undefined) model.delete(id);
              else model.set(id, value);
            }
          }
          if (keepsSnapshot) kept.push({ snapshot: store.snapshot, expected: modelContents() });
          const old = reads === undefined ? undefined : kept[reads % Math.max(1, kept.length)];
          if (old !== undefined) expect(contents(old.snapshot)).toEqual(old.expected);
        }
        expect(contents(store.snapshot)).toEqual(modelContents());
        for (const { snapshot, expected } of kept) {
          expect(snapshot.size).toBe(expected.length);
          expect(contents(snapshot)).toEqual(expected);
          // Its events brought up to date by those after it.
          const replayed = new Map(
            snapshot
              .kinds()
              .flatMap((id) => snapshot.listOf(id).map((each) => [JSON.stringify(keyOf(each)), each] as const)),
          );
          let version = snapshot.resourceVersion;
          for (const change of store.eventsSince(snapshot.resourceVersion) ?? []) {
            expect(versionOf(change)).toBeGreaterThan(version);
            version = versionOf(change);
            const id = JSON.stringify(keyOf(change.object));
            expect(replayed.has(id)).toBe(change.type !== 'added');
            if (change.type !== 'added') expect(replayed.get(id)).toBe(change.previous);
            if (change.type === 'deleted') replayed.delete(id);
            else replayed.set(id, change.object);
          }
          expect([...replayed.values()].map((each) => JSON.stringify(each)).sort()).toEqual(contentsOf(store.snapshot));
        }
      }),
    );
  });
});
