// What the node makes of the proxies of pods: told to containers, waited for, ended after them.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerRuntime } from './container-runtime.ts';
import type { PodProxy } from './pod-proxy.ts';
import { deployment, TestCluster } from './test-cluster.ts';

/** A proxy that listens when it is told to. */
class FakeProxy implements PodProxy {
  readonly url: string;
  readonly #changed: () => void;
  listening = false;
  problem: string | undefined;

  constructor(ip: string, changed: () => void) {
    this.url = `http://${ip}:15001`;
    this.#changed = changed;
  }
  become(state: { listening: boolean; problem?: string }) {
    this.listening = state.listening;
    this.problem = state.problem;
    this.#changed();
  }
  async stop() {
    order.push('proxy');
  }
}

let order: string[];
let proxy: FakeProxy | undefined;
let environments: Record<string, string>[];
let cluster: TestCluster;
beforeEach(async () => {
  order = [];
  environments = [];
  proxy = undefined;
  cluster = await TestCluster.create();
});
afterEach(() => cluster.close());

/** Containers that run until they are stopped, and listen at once. */
function runtime(more: Partial<ContainerRuntime> = {}): ContainerRuntime {
  return {
    name: 'fake',
    canRun: () => true,
    async start({ env }) {
      environments.push({ ...env });
      const exit = Promise.withResolvers<number>();
      return {
        pid: undefined,
        exit: exit.promise,
        listening: Promise.resolve(new Map()),
        async stop() {
          order.push('container');
          exit.resolve(0);
        },
      };
    },
    ...more,
  };
}

function run(more?: Partial<ContainerRuntime>) {
  return cluster.run({
    runtimes: [runtime(more)],
    startProxy: async (_pod, ip, changed) => {
      proxy = new FakeProxy(ip, changed);
      return proxy;
    },
  });
}

const condition = (type: string) => cluster.pods()[0]?.status?.conditions?.find((each) => each.type === type);

describe('a pod with a proxy', () => {
  it('tells its containers where it is, what they say themselves before it', async () => {
    cluster.store.put(deployment({ env: { no_proxy: '.example' } }));
    run();
    await cluster.until(() => environments.length === 1);
    expect(environments[0]).toEqual({
      HOSTNAME: cluster.pods()[0]?.metadata.name,
      http_proxy: proxy?.url,
      HTTP_PROXY: proxy?.url,
      NODE_USE_ENV_PROXY: '1',
      no_proxy: '.example',
    });
  });

  it('is ready only once its proxy listens, and stays so', async () => {
    cluster.store.put(deployment());
    const workloads = run();
    await cluster.until(() => condition('ContainersReady')?.status === 'True');
    expect(condition('Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' });
    expect(condition('limen.dev/Proxy')).toMatchObject({ status: 'False', message: `waiting for ${proxy?.url}` });
    proxy?.become({ listening: true });
    await workloads.settled();
    expect(condition('Ready')?.status).toBe('True');
    expect(condition('limen.dev/Proxy')).toMatchObject({
      status: 'True',
      message: `calls to services go through ${proxy?.url}`,
    });
  });

  it('is not waited for where its proxy can not start, and says why', async () => {
    cluster.store.put(deployment());
    const workloads = run();
    await cluster.until(() => condition('ContainersReady')?.status === 'True');
    proxy?.become({ listening: false, problem: 'the port is taken' });
    await workloads.settled();
    expect(condition('Ready')?.status).toBe('False');
    expect(condition('limen.dev/Proxy')).toMatchObject({ status: 'False', message: 'the port is taken' });
  });

  it('leaves it out where a container can not reach it, and says so', async () => {
    cluster.store.put(deployment());
    run({ isolated: true });
    await cluster.until(() => condition('ContainersReady')?.status === 'True');
    expect(environments[0]).toEqual({ HOSTNAME: cluster.pods()[0]?.metadata.name });
    expect(cluster.warnings()).toEqual([
      `Container app runs with fake, out of reach of the pod's proxy ${proxy?.url}: its calls do not go through the mesh`,
    ]);
  });

  it('ends it after its containers', async () => {
    cluster.store.put(deployment());
    const workloads = run();
    await cluster.until(() => condition('ContainersReady')?.status === 'True');
    proxy?.become({ listening: true });
    await workloads.settled();
    cluster.store.put(deployment({ replicas: 0 }));
    await cluster.until(() => cluster.store.snapshot.list('Pod').length === 0);
    expect(order).toEqual(['container', 'proxy']);
  });
});
