// Kubernetes' own client library against the API server: what a controller does that is written with it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  type Informer,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  KubernetesObjectApi,
  ListWatch,
  type ObjectCache,
  PatchStrategy,
  type V1ConfigMap,
  Watch,
} from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfig } from '../../src/apiserver/pki/kubeconfig.ts';
import { TestServer } from '../../src/apiserver/test-support.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

/** Few, so that a test can make the server forget. */
const HISTORY = 200;

let folder: string;
let api: TestServer;
let config: KubeConfig;
let core: CoreV1Api;
let custom: CustomObjectsApi;
const open = () => openStore({ path: join(folder, 'store.db'), historySize: HISTORY });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'limen-client-node-'));
  api = await TestServer.start(open());
  config = new KubeConfig();
  config.loadFromString(kubeconfig(api.server.url, api.pki));
  core = config.makeApiClient(CoreV1Api);
  custom = config.makeApiClient(CustomObjectsApi);
});
afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true, force: true });
});

let spaces = 0;
async function freshNamespace(): Promise<string> {
  const name = `space-${++spaces}`;
  await core.createNamespace({ body: { metadata: { name } } });
  return name;
}

const put = (store: Store, namespace: string, name: string, data: Record<string, string>) =>
  store.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data } as never);

/** An informer as a controller runs it: whatever ends its watch, it starts anew. */
interface Informed<T extends KubernetesObject> {
  informer: Informer<T> & ObjectCache<T>;
  /** `add NAME`, in order. */
  told: string[];
  errors: unknown[];
  lists: number;
}

const running: Informed<KubernetesObject>[] = [];
afterEach(async () => {
  for (const { informer } of running.splice(0)) await informer.stop();
});

async function inform<T extends KubernetesObject>(
  path: string,
  list: () => Promise<KubernetesListObject<T>>,
  labelSelector?: string,
): Promise<Informed<T>> {
  const informed: Informed<T> = {
    informer: new ListWatch<T>(
      path,
      new Watch(config),
      () => {
        informed.lists++;
        return list();
      },
      false,
      labelSelector,
      undefined,
      { delayFn: () => new Promise((resolve) => setTimeout(resolve, 10)) }, // instead of seconds
    ),
    told: [],
    errors: [],
    lists: 0,
  };
  const { informer } = informed;
  let isStopped = false;
  for (const verb of ['add', 'update', 'delete'] as const)
    informer.on(verb, (object) => void informed.told.push(`${verb} ${object.metadata?.name}`));
  informer.on('error', (error) => {
    informed.errors.push(error);
    setTimeout(() => {
      if (!isStopped) void informer.start();
    }, 20);
  });
  const stop = informer.stop.bind(informer);
  informer.stop = () => {
    isStopped = true;
    return stop();
  };
  running.push(informed as Informed<KubernetesObject>);
  await informer.start();
  return informed;
}

const informOfConfigMaps = (namespace: string, labelSelector?: string) =>
  inform<V1ConfigMap>(
    `/api/v1/namespaces/${namespace}/configmaps`,
    () => core.listNamespacedConfigMap({ namespace, ...(labelSelector && { labelSelector }) }),
    labelSelector,
  );

/** The status code of what the server refused. */
async function refusal(call: Promise<unknown>): Promise<number> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiException)) throw new Error(`expected a refusal, got ${error}`);
  return error.code;
}

describe('an informer', () => {
  it('lists what is there, then tells what happens', async () => {
    const namespace = await freshNamespace();
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'old' }, data: { a: '1' } } });
    const { informer, told, errors } = await informOfConfigMaps(namespace);
    expect(told).toEqual(['add old']);
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'new' } } });
    await core.replaceNamespacedConfigMap({
      namespace,
      name: 'old',
      body: { metadata: { name: 'old' }, data: { a: '2' } },
    });
    await core.deleteNamespacedConfigMap({ namespace, name: 'new' });
    await api.until('all is told', () => told.length >= 4);
    expect(told).toEqual(['add old', 'add new', 'update old', 'delete new']);
    expect(informer.get('old', namespace)?.data).toEqual({ a: '2' });
    expect(errors).toEqual([]);
  });

  it('of labelled objects sees them come and go', async () => {
    const namespace = await freshNamespace();
    const { told } = await informOfConfigMaps(namespace, 'on=yes');
    const label = (on: string) =>
      core.replaceNamespacedConfigMap({ namespace, name: 'x', body: { metadata: { name: 'x', labels: { on } } } });
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'x' } } });
    await label('yes');
    await label('no');
    await api.until('both are told', () => told.length >= 2);
    expect(told).toEqual(['add x', 'delete x']);
  });

  it("of Istio's objects gets them whole", async () => {
    const namespace = await freshNamespace();
    const place = { group: 'networking.istio.io', version: 'v1', namespace, plural: 'virtualservices' };
    const { informer, told } = await inform(
      `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices`,
      () => custom.listNamespacedCustomObject(place) as Promise<KubernetesListObject<KubernetesObject>>,
    );
    const spec = { hosts: ['a.example'], http: [{ directResponse: { status: 200 } }] };
    await custom.createNamespacedCustomObject({
      ...place,
      body: { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'a' }, spec },
    });
    await api.until('it is told', () => told.length >= 1);
    expect(informer.get('a', namespace)).toMatchObject({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'a', namespace, uid: expect.any(String) },
      spec,
    });
  });

  it('goes on where it was when the server went away and came back', async () => {
    const namespace = await freshNamespace();
    const informed = await informOfConfigMaps(namespace);
    put(api.store, namespace, 'before', {});
    await api.until('the first is told', () => informed.told.length >= 1);
    await api.restart(() => {
      put(api.store, namespace, 'meanwhile', {});
      return api.store;
    });
    put(api.store, namespace, 'after', {});
    await api.until('the others are told', () => informed.told.length >= 3);
    expect(informed.told).toEqual(['add before', 'add meanwhile', 'add after']);
    expect(informed.lists).toBe(1);
    expect(informed.errors.length).toBeGreaterThan(0);
  });

  it('lists anew (410) when a new process no longer knows what it missed', async () => {
    const namespace = await freshNamespace();
    const informed = await informOfConfigMaps(namespace);
    put(api.store, namespace, 'stays', { a: '1' });
    put(api.store, namespace, 'goes', {});
    await api.until('both are told', () => informed.told.length >= 2);
    await api.restart(() => {
      api.store.delete({ group: '', kind: 'ConfigMap', namespace, name: 'goes' });
      put(api.store, namespace, 'stays', { a: '2' });
      api.store.close();
      return open();
    });
    put(api.store, namespace, 'comes', {});
    await api.until('all is told', () => informed.told.length >= 5);
    expect(informed.told.slice(0, 2)).toEqual(['add stays', 'add goes']);
    expect(informed.told.slice(2).sort()).toEqual(['add comes', 'delete goes', 'update stays']);
    expect(informed.lists).toBe(2);
    expect(informed.informer.get('stays', namespace)?.data).toEqual({ a: '2' });
  });

  it('lists anew (410) when more happened than is remembered', async () => {
    const namespace = await freshNamespace();
    const informed = await informOfConfigMaps(namespace);
    await api.restart(() => {
      api.store.batch(() => {
        for (let count = 0; count < 3 * HISTORY; count++) put(api.store, namespace, `n${count}`, {});
      });
      return api.store;
    });
    const { informer } = informed;
    await api.until('all are known', () => informer.list(namespace).length === 3 * HISTORY);
    expect(informed.told.length).toBe(3 * HISTORY);
    expect(informed.lists).toBe(2);
  });
});

describe('writers', () => {
  it('with a stale object are refused (409), and succeed when they read it again', async () => {
    const namespace = await freshNamespace();
    const name = 'shared';
    const read = () => core.readNamespacedConfigMap({ namespace, name });
    const first = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { a: '1' } } });
    await core.replaceNamespacedConfigMap({ namespace, name, body: { ...first, data: { a: '2' } } });
    const stale = core.replaceNamespacedConfigMap({ namespace, name, body: { ...first, data: { a: '3' } } });
    expect(await refusal(stale)).toBe(409);
    expect((await read()).data).toEqual({ a: '2' });
    await core.replaceNamespacedConfigMap({ namespace, name, body: { ...(await read()), data: { a: '3' } } });
    expect((await read()).data).toEqual({ a: '3' });
  });

  it('that count together lose nothing', async () => {
    const namespace = await freshNamespace();
    const name = 'counter';
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { count: '0' } } });
    const increment = async () => {
      for (;;) {
        const read = await core.readNamespacedConfigMap({ namespace, name });
        const data = { count: String(Number(read.data?.count) + 1) };
        const code = await core.replaceNamespacedConfigMap({ namespace, name, body: { ...read, data } }).then(
          () => 200,
          (error: ApiException<unknown>) => error.code,
        );
        if (code === 200) return;
        expect(code).toBe(409);
      }
    };
    const writer = async () => {
      for (let times = 0; times < 8; times++) await increment();
    };
    await Promise.all([writer(), writer(), writer(), writer()]);
    expect((await core.readNamespacedConfigMap({ namespace, name })).data).toEqual({ count: '32' });
  });

  it('apply on the server, and are told of fields that another manager owns (409)', async () => {
    const namespace = await freshNamespace();
    const objects = KubernetesObjectApi.makeApiClient(config);
    const apply = (manager: string, value: string, force = false) =>
      objects.patch(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace }, data: { a: value } } as V1ConfigMap,
        undefined,
        undefined,
        manager,
        force,
        PatchStrategy.ServerSideApply,
      );
    await apply('one', '1');
    expect(await refusal(apply('two', '2'))).toBe(409);
    await apply('two', '2', true);
    const { data, metadata } = await core.readNamespacedConfigMap({ namespace, name: 'x' });
    expect(data).toEqual({ a: '2' });
    expect(metadata?.managedFields?.map(({ manager, operation }) => [manager, operation])).toContainEqual([
      'two',
      'Apply',
    ]);
  });
});
