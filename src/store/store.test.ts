import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../resources/object.ts';
import { type Change, Store } from './store.ts';

const service = (name: string, port = 80): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port }] },
});
const key = (name: string) => ({ group: '', kind: 'Service', namespace: 'default', name });

function createStore(times = ['2026-01-01T00:00:00.900Z']) {
  let tick = 0;
  let uid = 0;
  return new Store({ clock: () => new Date(times[Math.min(tick++, times.length - 1)]!), uid: () => `uid-${++uid}` });
}

function changesOf(store: Store) {
  const changes: Change[][] = [];
  store.subscribe((_, batch) => void changes.push([...batch]));
  return changes;
}

const names = (store: Store) => store.snapshot.list('Service').map(({ metadata }) => metadata.name);

describe('Store', () => {
  it('gives an object uid, resourceVersion and a creationTimestamp in seconds', () => {
    const store = createStore();
    store.apply('a.yaml', [service('web')]);
    expect(store.snapshot.get('Service', 'default', 'web')?.metadata).toEqual({
      name: 'web',
      namespace: 'default',
      uid: 'uid-1',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
  });

  it("keeps the author's own creationTimestamp", () => {
    const store = createStore();
    const object = service('web');
    object.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    store.apply('a.yaml', [object]);
    expect(store.snapshot.get('Service', 'default', 'web')?.metadata.creationTimestamp).toBe('2020-01-01T00:00:00Z');
  });

  it('keeps uid and creationTimestamp of an object that changes', () => {
    const store = createStore(['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']);
    store.apply('a.yaml', [service('web')]);
    store.apply('a.yaml', [service('web', 81)]);
    expect(store.snapshot.get('Service', 'default', 'web')?.metadata).toMatchObject({
      uid: 'uid-1',
      resourceVersion: '2',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
  });

  it.each([
    ['networking.istio.io/v1', 'VirtualService', [1, 1, 2]],
    ['example.com/v1', 'Widget', [1, 1, 2]],
    ['apps/v1', 'Deployment', [1, 1, 2]],
    ['v1', 'Service', [undefined, undefined, undefined]],
    ['v1', 'Secret', [undefined, undefined, undefined]],
    ['v1', 'Namespace', [undefined, undefined, undefined]],
  ])(
    'counts changes of content in the generation, where the kind has one (%s %s)',
    async (apiVersion, kind, counts) => {
      const store = createStore();
      const object = { apiVersion, kind, metadata: { name: 'a', generation: 9 }, spec: { value: 1 } };
      const versions = [object, { ...object, status: { ready: true } }, { ...object, spec: { value: 2 } }];
      const stored = [];
      for (const version of versions) stored.push(await store.transact((writer) => writer.put(version)));
      expect(stored.map(({ metadata }) => metadata.generation)).toEqual(counts);
    },
  );

  it('leaves an object that did not change the same JavaScript object, and tells nobody', () => {
    const store = createStore();
    store.apply('a.yaml', [service('web'), service('db')]);
    const before = store.snapshot.get('Service', 'default', 'db');
    const changes = changesOf(store);
    store.apply('a.yaml', [service('web'), service('db')]);
    expect(changes).toEqual([]);
    store.apply('a.yaml', [service('web', 81), service('db')]);
    expect(changes.map((batch) => batch.map(({ type, object }) => [type, object.metadata.name]))).toEqual([
      [['modified', 'web']],
    ]);
    expect(store.snapshot.get('Service', 'default', 'db')).toBe(before);
  });

  it('keeps two kinds of one name in different groups apart', () => {
    const store = createStore();
    const metadata = { name: 'edge', namespace: 'default' };
    store.put({ apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata });
    store.put({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata });
    expect(store.snapshot.list('Gateway').map(({ apiVersion }) => apiVersion)).toEqual(['networking.istio.io/v1']);
    const other = 'Gateway.gateway.networking.k8s.io';
    expect(store.snapshot.getOf(other, 'default', 'edge')?.apiVersion).toBe('gateway.networking.k8s.io/v1');
    store.delete({ group: 'networking.istio.io', kind: 'Gateway', namespace: 'default', name: 'edge' });
    expect(store.snapshot.list('Gateway')).toEqual([]);
    expect(store.snapshot.listOf(other)).toHaveLength(1);
  });

  it('removes what an owner no longer contributes, and nothing of other owners', () => {
    const store = createStore();
    store.apply('a.yaml', [service('web'), service('db')]);
    store.apply('b.yaml', [service('cache')]);
    store.apply('a.yaml', [service('db')]);
    expect(names(store)).toEqual(['db', 'cache']);
    store.apply('a.yaml', []);
    expect(names(store)).toEqual(['cache']);
  });

  it('serves the first owner of a key, reports the second, and serves the second when the first is gone', () => {
    const store = createStore();
    store.apply('a.yaml', [service('web', 1)]);
    expect(store.apply('b.yaml', [service('web', 2)])).toEqual([
      { key: key('web'), heldBy: 'a.yaml', owner: 'b.yaml' },
    ]);
    expect(store.snapshot.get('Service', 'default', 'web')?.spec?.ports?.[0]?.port).toBe(1);
    store.apply('a.yaml', []);
    expect(store.snapshot.get('Service', 'default', 'web')?.spec?.ports?.[0]?.port).toBe(2);
    store.apply('b.yaml', []);
    expect(names(store)).toEqual([]);
  });

  it('keeps what was put (a status) when the owner applies the same object again', () => {
    const store = createStore();
    store.apply('a.yaml', [service('web')]);
    store.put({ ...store.snapshot.get('Service', 'default', 'web')!, status: { loadBalancer: {} } });
    store.apply('a.yaml', [service('web')]);
    expect(store.snapshot.get('Service', 'default', 'web')?.status).toEqual({ loadBalancer: {} });
    store.apply('a.yaml', []);
    expect(names(store)).toEqual([]);
  });

  it('tells of a batch once, each object with what became of it in the end', () => {
    const store = createStore();
    store.apply('a.yaml', [service('old'), service('same')]);
    const changes = changesOf(store);
    const before = store.snapshot;
    store.batch(() => {
      store.put(service('new'));
      store.put(service('new', 81));
      store.put(service('passing'));
      store.delete(key('passing'));
      store.delete(key('old'));
      store.delete(key('same'));
      store.put(service('same', 82));
      expect(store.snapshot).toBe(before);
    });
    expect(changes.map((batch) => batch.map(({ type, object }) => `${type} ${object.metadata.name}`).sort())).toEqual([
      ['added new', 'deleted old', 'modified same'],
    ]);
    expect(store.snapshot.resourceVersion).toBeGreaterThan(before.resourceVersion);
  });

  it('does not change a snapshot handed out before', () => {
    const store = createStore();
    store.put(service('web'));
    const before = store.snapshot;
    store.delete(key('web'));
    expect(before.list('Service')).toHaveLength(1);
    expect(store.snapshot.list('Service')).toHaveLength(0);
  });

  it('tells all listeners of one change before the change a listener makes', () => {
    const store = createStore();
    const told: string[] = [];
    store.subscribe((_, [change]) => {
      told.push(`first ${change?.object.metadata.name}`);
      if (change?.object.metadata.name === 'web') store.put(service('follow-up'));
    });
    store.subscribe((_, [change]) => void told.push(`second ${change?.object.metadata.name}`));
    store.put(service('web'));
    expect(told).toEqual(['first web', 'second web', 'first follow-up', 'second follow-up']);
  });

  it('tells nobody who no longer listens, and takes the deletion of what is not there', () => {
    const store = createStore();
    const changes: unknown[] = [];
    const stop = store.subscribe((_, batch) => void changes.push(batch));
    stop();
    store.put(service('web'));
    store.delete(key('nothing'));
    expect(changes).toEqual([]);
  });
});
