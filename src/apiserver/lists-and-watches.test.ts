import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../store/store.ts';
import { configMap, TestServer } from './test-support.ts';

let api: TestServer;
beforeAll(async () => {
  api = await TestServer.start(new Store({ historySize: 200 }));
});
afterAll(() => api.stop());

const NAMESPACES = '/api/v1/namespaces';
let spaces = 0;

/** The path of a namespace's ConfigMaps, of a namespace of its own. */
async function freshMaps(): Promise<string> {
  const name = `space-${++spaces}`;
  await api.post(NAMESPACES, { metadata: { name } });
  return `${NAMESPACES}/${name}/configmaps`;
}

const namesOf = (body: { items: { metadata: { name: string } }[] }) => body.items.map(({ metadata }) => metadata.name);

describe('list', () => {
  it('shows a namespace, or all, ordered by namespace and name', async () => {
    const maps = await freshMaps();
    for (const name of ['b', 'a', 'c']) await api.post(maps, configMap(name));
    const { body } = await api.get(maps);
    expect(body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
    expect(namesOf(body)).toEqual(['a', 'b', 'c']);
    const all = await api.get('/api/v1/configmaps');
    expect(namesOf(all.body)).toEqual(expect.arrayContaining(['a', 'b', 'c']));
    expect(body.metadata.resourceVersion).toBe(String(api.store.snapshot.resourceVersion));
  });

  it('in pages shows one moment, whatever happens meanwhile', async () => {
    const maps = await freshMaps();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await api.post(maps, configMap(name));
    const first = (await api.get(`${maps}?limit=2`)).body;
    expect([namesOf(first), first.metadata.remainingItemCount]).toEqual([['a', 'b'], 3]);
    await api.delete(`${maps}/c`);
    await api.post(maps, configMap('bb'));
    const second = (await api.get(`${maps}?limit=2&continue=${first.metadata.continue}`)).body;
    expect(namesOf(second)).toEqual(['c', 'd']);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    const third = (await api.get(`${maps}?limit=2&continue=${second.metadata.continue}`)).body;
    expect([namesOf(third), third.metadata.continue]).toEqual([['e'], undefined]);
  });

  it.each([
    ['limit=-1', 400],
    ['limit=x', 400],
    ['continue=nonsense', 400],
    [`continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"a/b"}').toString('base64url')}`, 410],
    ['resourceVersion=x', 400],
    ['resourceVersion=99999999', 504],
    ['resourceVersionMatch=Exact', 400],
    ['resourceVersion=1&resourceVersionMatch=Exact', 410],
    ['resourceVersion=1&resourceVersionMatch=NotOlderThan', 200],
    ['labelSelector=a%3D%3D%3Db', 400],
    ['labelSelector=!', 400],
    [`labelSelector=${'a'.repeat(400)}`, 400],
    [`labelSelector=${encodeURIComponent(Array.from({ length: 3000 }, (_, n) => `l${n}`).join(','))}`, 400],
    ['fieldSelector=data.a%3Db', 400],
    ['fieldSelector=metadata.name', 400],
  ])('with %.60s is answered with %i', async (query, status) => {
    expect((await api.get(`/api/v1/configmaps?${query}`)).status).toBe(status);
  });
});

describe('selectors', () => {
  let maps: string;
  beforeAll(async () => {
    maps = await freshMaps();
    await api.post(maps, configMap('one', {}, { app: 'web', tier: 'front' }));
    await api.post(maps, configMap('two', {}, { app: 'web', tier: 'back', 'example.com/level': '7' }));
    await api.post(maps, configMap('three', {}, { app: 'db' }));
  });

  it.each([
    ['app=web', ['one', 'two']],
    ['app==web,tier!=back', ['one']],
    ['app!=web', ['three']],
    ['tier', ['one', 'two']],
    ['!tier', ['three']],
    ['app in (db, cache)', ['three']],
    ['tier notin (front)', ['three', 'two']],
    ['example.com/level>6', ['two']],
    ['app=web,tier in (front,back)', ['one', 'two']],
    ['constructor', []],
    ['', ['one', 'three', 'two']],
  ])('of labels: %s', async (selector, names) => {
    const { body } = await api.get(`${maps}?labelSelector=${encodeURIComponent(selector)}`);
    expect(namesOf(body)).toEqual(names);
  });

  it('of fields', async () => {
    expect(namesOf((await api.get(`${maps}?fieldSelector=metadata.name%3Dtwo`)).body)).toEqual(['two']);
    expect(namesOf((await api.get(`${maps}?fieldSelector=metadata.name!%3Dtwo`)).body)).toEqual(['one', 'three']);
    const secrets = maps.replace('configmaps', 'secrets');
    await api.post(secrets, { metadata: { name: 's' }, type: 'example.com/kind' });
    expect(namesOf((await api.get(`${secrets}?fieldSelector=type%3Dexample.com/kind`)).body)).toEqual(['s']);
    expect(namesOf((await api.get(`${secrets}?fieldSelector=type%3DOpaque`)).body)).toEqual([]);
    expect(namesOf((await api.get(`${NAMESPACES}?fieldSelector=status.phase%3DTerminating`)).body)).toEqual([]);
  });
});

describe('watch', () => {
  it('begins with what is there, then tells what happens', async () => {
    const maps = await freshMaps();
    await api.post(maps, configMap('old'));
    const watch = await api.watch(maps);
    await watch.first(1);
    await api.post(maps, configMap('new'));
    await api.patch(`${maps}/new`, 'application/merge-patch+json', { data: { a: '1' } });
    await api.delete(`${maps}/old`);
    expect(await watch.first(4)).toEqual(['ADDED old', 'ADDED new', 'MODIFIED new', 'DELETED old']);
    const versions = watch.events.map(({ object }) => Number(object.metadata.resourceVersion));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(4);
    watch.close();
  });

  it('goes on after a version', async () => {
    const maps = await freshMaps();
    const { body } = await api.post(maps, configMap('a'));
    await api.post(maps, configMap('b'));
    const watch = await api.watch(`${maps}?resourceVersion=${body.metadata.resourceVersion}`);
    await watch.first(1);
    await api.post(maps, configMap('c'));
    expect(await watch.first(2)).toEqual(['ADDED b', 'ADDED c']);
    watch.close();
  });

  it('sees objects come into a selection and leave it', async () => {
    const maps = await freshMaps();
    const watch = await api.watch(`${maps}?labelSelector=on%3Dyes`);
    const label = (on: string | null) =>
      api.patch(`${maps}/x`, 'application/merge-patch+json', { metadata: { labels: { on } } });
    await api.post(maps, configMap('x'));
    await label('yes');
    await label('no');
    await label('yes');
    await api.delete(`${maps}/x`);
    expect(await watch.first(4)).toEqual(['ADDED x', 'DELETED x', 'ADDED x', 'DELETED x']);
    expect(watch.events[1]?.object.metadata.labels).toEqual({ on: 'yes' });
    watch.close();
  });

  it('ends with 410 when the version is no longer known, and when it has never been', async () => {
    const maps = await freshMaps();
    for (let count = 0; count < 450; count++)
      api.store.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `n${count}`, namespace: 'default' } });
    for (const version of ['1', '99999999']) {
      const watch = await api.watch(`${maps}?resourceVersion=${version}`);
      await watch.first(1);
      expect(watch.response.statusCode).toBe(200);
      expect(watch.events[0]).toMatchObject({
        type: 'ERROR',
        object: { kind: 'Status', code: 410, reason: 'Expired' },
      });
      await api.until('the watch is over', () => watch.isOver);
    }
  });

  it('sends initial events with a bookmark at their end', async () => {
    const maps = await freshMaps();
    await api.post(maps, configMap('a'));
    const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watch = await api.watch(`${maps}?${query}`);
    await watch.first(2);
    expect(watch.events[1]).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    });
    watch.close();
    expect((await api.get(`${maps}?watch=true&sendInitialEvents=true`)).status).toBe(422);
  });

  it('ends when its time is over, with a bookmark', async () => {
    const maps = await freshMaps();
    const watch = await api.watch(`${maps}?timeoutSeconds=1&allowWatchBookmarks=true`);
    await api.until('the watch is over', () => watch.isOver);
    expect(watch.events.map(({ type }) => type)).toEqual(['BOOKMARK']);
  });

  it('of one object, by a field selector or the old path, tells of that one', async () => {
    const maps = await freshMaps();
    const watch = await api.watch(`${maps}?fieldSelector=metadata.name%3Dmine`);
    await api.post(maps, configMap('other'));
    await api.post(maps, configMap('mine'));
    expect(await watch.first(1)).toEqual(['ADDED mine']);
    watch.close();
    const old = await api.watch(maps.replace('/api/v1/', '/api/v1/watch/'));
    expect(await old.first(2)).toEqual(['ADDED mine', 'ADDED other']);
    old.close();
  });

  it('of a client that reads nothing keeps little for it, and loses nothing', async () => {
    const maps = await freshMaps();
    const watch = await api.watch(maps);
    watch.response.pause();
    const big = 'x'.repeat(100_000);
    for (let count = 0; count < 60; count++) await api.post(maps, configMap(`big-${count}`, { big }));
    watch.response.resume();
    const events = await watch.first(60);
    expect(events).toEqual(Array.from({ length: 60 }, (_, count) => `ADDED big-${count}`));
    watch.close();
  });

  it('shows tables and metadata', async () => {
    const maps = await freshMaps();
    await api.post(maps, configMap('a', { k: 'v' }));
    const table = await api.watch(maps, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    await table.first(1);
    expect(table.events[0]?.object).toMatchObject({ kind: 'Table', rows: [{ cells: ['a', 1, expect.any(String)] }] });
    table.close();
    const partial = await api.watch(maps, { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' });
    await partial.first(1);
    expect(partial.events[0]?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
    expect(partial.events[0]?.object.data).toBeUndefined();
    partial.close();
  });

  it('ends with the server', async () => {
    const other = await TestServer.start();
    const watch = await other.watch(`${NAMESPACES}/default/configmaps`);
    await other.stop();
    await api.until('the watch is over', () => watch.isOver);
  });
});
