import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Publish } from '../../../dataplane/config/bind-rules.ts';
import type { Pod, Service } from '../../../resources/types.ts';
import { Store } from '../../../store/store.ts';
import type { ContainerToRun } from '../../../workloads/container-runtime.ts';
import type { ProxyFlags } from '../../proxy.ts';
import type { DataPlane } from '../data-plane.ts';
import type { PublishedPort } from '../publish.ts';
import { PublishedServices } from './published-services.ts';
import { GatewayRuntime } from './runtime.ts';

/** Why a data plane can't serve that never gets ready, until it is ended. */
const ENDED_MEANWHILE = 'the proxy ended before it was ready';

/** A data plane without a process. */
class FakeDataPlane implements DataPlane {
  readonly pid: number;
  flags: ProxyFlags | undefined;
  /** The published ports it was told of while it served. */
  readonly followed: (readonly Publish[])[] = [];
  /** Why it can't serve. */
  readonly failure: string | undefined;
  /** Or when requests under way are done. */
  endsWhenAsked = true;
  readonly #exit = Promise.withResolvers<number>();
  readonly exit = this.#exit.promise;

  constructor(pid: number, failure?: string) {
    this.pid = pid;
    this.failure = failure;
  }

  async serve(flags: ProxyFlags) {
    this.flags = flags;
    if (this.failure === undefined) return { admin: flags.adminAddress, published: [] };
    if (this.failure === ENDED_MEANWHILE) await this.exit;
    this.end(1);
    throw new Error(this.failure);
  }
  async publish(ports: readonly Publish[]) {
    this.followed.push(ports);
  }
  async stop() {
    if (this.endsWhenAsked) this.end(0);
    await this.exit;
  }
  kill() {
    this.end(137);
  }
  end(code: number) {
    this.#exit.resolve(code);
  }
}

let store: Store;
let started: FakeDataPlane[];
let failure: string | undefined;
/** Why there are no ports to be had. */
let noPorts: string | undefined;
/** What the control plane was told of each node. */
let publishedFor: Map<string, readonly PublishedPort[] | undefined>;
/** Errors in the log. */
let logged: string[];
/** The pods that were told to others, each time they were. */
let told: string[][];

beforeEach(() => {
  logged = [];
  told = [];
  publishedFor = new Map();
  store = new Store();
  started = [];
  failure = undefined;
  noPorts = undefined;
  store.put(service([80]));
});

function service(ports: readonly number[]): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'gateway', namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      selector: { app: 'gateway' },
      ports: ports.map((port) => ({ name: `p${port}`, port, targetPort: port + 8000 })),
    },
  };
}

function runtime({ sharePorts = true } = {}): GatewayRuntime {
  const gateways: GatewayRuntime = new GatewayRuntime({
    log: pino({ level: 'error' }, { write: (line) => void logged.push(line) }),
    startDataPlane() {
      const dataPlane = new FakeDataPlane(started.length + 1, failure);
      started.push(dataPlane);
      return dataPlane;
    },
    services: new PublishedServices({
      snapshot: () => store.snapshot,
      requested: { service: '', ports: [] },
      probe: async () => (noPorts === undefined ? undefined : 'EMFILE'),
      async anyPort() {
        throw new Error(noPorts);
      },
      reserve: async () => undefined,
      pause: async () => {},
    }),
    complete: (flags) => ({
      ...flags,
      ...{ xds: '127.0.0.1:1', workers: 1, drainTime: 0, logLevel: 'error', logFormat: 'text' },
    }),
    adminAddress: async (ip) => `${ip}:15000`,
    sharePorts,
    onPublished: (nodeId, ports) => void publishedFor.set(nodeId, ports),
    onChange: () => void told.push(gateways.proxies.map(({ pod }) => pod)),
  });
  return gateways;
}

function container(name: string, image = 'limen/proxy'): ContainerToRun {
  const spec = { name: 'istio-proxy', image, ports: [{ containerPort: 8080 }] };
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      labels: { app: 'gateway', 'pod-template-hash': '5f6d' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'gateway-5f6d', uid: 'uid', controller: true },
      ],
    },
    spec: { serviceAccountName: 'gateway-account', containers: [spec] },
  };
  return { pod, spec, image, ip: '127.1.2.3', env: {}, command: [], args: [], restartCount: 0, write: () => {} };
}

/** What the n-th process that was started publishes. */
const published = (index: number) => started[index]?.flags?.publish;

describe('a gateway’s container', () => {
  it('is a data plane with the identity of its pod', async () => {
    const gateways = runtime();
    const { pid, listening } = await gateways.start(container('gateway-5f6d-a'));
    expect(await listening).toEqual(new Map([[8080, 8080]]));
    expect(started[0]?.flags).toMatchObject({
      nodeId: 'router~127.1.2.3~gateway-5f6d-a.default~default.svc.cluster.local',
      label: ['app=gateway', 'pod-template-hash=5f6d'],
      serviceAccount: 'gateway-account',
      address: '127.1.2.3',
      publish: ['127.0.0.1:80:8080'],
      reusePort: true,
    });
    expect(pid).toBe(1);
    expect(gateways.proxies).toMatchObject([{ workload: 'gateway', pod: 'gateway-5f6d-a', admin: '127.1.2.3:15000' }]);
  });

  it('ends when its process does, with its exit code', async () => {
    const gateways = runtime();
    const { listening, exit } = await gateways.start(container('a'));
    await listening;
    started[0]?.end(139);
    expect(await exit).toBe(139);
    expect(gateways.proxies).toEqual([]);
  });

  it('that can not start tells why, to who waits for all of them too', async () => {
    failure = 'the port is taken';
    const gateways = runtime();
    const { listening, exit } = await gateways.start(container('a'));
    await expect(listening).rejects.toThrow('the port is taken');
    await expect(gateways.failed).rejects.toThrow('the port is taken');
    expect(await exit).toBe(1);
  });

  it('goes on as the process it is when its Services change, which is told of the ports they have now', async () => {
    const gateways = runtime();
    const running = await gateways.start(container('a'));
    await running.listening;
    await gateways.servicesChanged();
    expect(started[0]?.followed).toEqual([]);
    store.put(service([80, 443]));
    await gateways.servicesChanged();
    expect(started).toHaveLength(1);
    const http = { host: '127.0.0.1', hostPort: 80, listenerPort: 8080, reusePort: true };
    expect(started[0]?.followed).toEqual([[http, { ...http, hostPort: 443, listenerPort: 8443 }]]);
    expect(gateways.proxies.map(({ published }) => published.map(({ hostPort }) => hostPort))).toEqual([[80, 443]]);
    store.delete({ group: '', kind: 'Service', namespace: 'default', name: 'gateway' });
    await gateways.servicesChanged();
    expect(started[0]?.followed[1]).toEqual([]);
    started[0]?.end(3);
    expect(await running.exit).toBe(3);
  });

  it('is known to the control plane with what is published for it, before it serves, and no more when it is gone', async () => {
    const NODE = 'router~127.1.2.3~a.default~default.svc.cluster.local';
    const hostPorts = () => publishedFor.get(NODE)?.map(({ hostPort }) => hostPort);
    failure = ENDED_MEANWHILE;
    const gateways = runtime();
    const running = await gateways.start(container('a'));
    await expect.poll(hostPorts).toEqual([80]);
    await running.stop(0);
    expect(publishedFor).toEqual(new Map([[NODE, undefined]]));
    failure = undefined;
    await (await gateways.start(container('a'))).listening;
    store.put(service([443]));
    await gateways.servicesChanged();
    expect(hostPorts()).toEqual([443]);
  });

  it('that is to go before it serves goes, and that is no error', async () => {
    failure = ENDED_MEANWHILE;
    const gateways = runtime();
    const running = await gateways.start(container('a'));
    await expect.poll(() => started[0]?.flags).toBeDefined();
    const followed = gateways.servicesChanged();
    await running.stop(0);
    await followed;
    expect(logged).toEqual([]);
  });

  it('is none that others are told of from the moment it is asked to end', async () => {
    const gateways = runtime();
    const [first, second] = [await gateways.start(container('a')), await gateways.start(container('b'))];
    await Promise.all([first.listening, second.listening]);
    const [process] = started;
    if (process !== undefined) process.endsWhenAsked = false;
    const stopped = first.stop(30_000);
    expect(told.at(-1)).toEqual(['b']);
    process?.end(0);
    await stopped;
  });

  it('that all end with before it is ready says nothing but that it has ended', async () => {
    failure = ENDED_MEANWHILE;
    const gateways = runtime();
    const running = await gateways.start(container('a'));
    const order: string[] = [];
    void running.exit.then(() => order.push('ended'));
    running.listening?.catch(() => order.push('not listening'));
    await gateways.close();
    await new Promise(setImmediate);
    expect(order).toEqual([]); // the node has yet to stop its containers
    await running.stop(0);
    await expect.poll(() => order).toEqual(['ended', 'not listening']);
  });

  it('goes on with the ports it has where no others can be had', async () => {
    const gateways = runtime();
    const running = await gateways.start(container('a'));
    await running.listening;
    noPorts = 'no free port on 127.0.0.1 (EMFILE)';
    store.put(service([80, 443]));
    await gateways.servicesChanged();
    expect(logged.join()).toContain(noPorts);
    expect(gateways.proxies).toMatchObject([{ published: [{ hostPort: 80 }] }]);
  });

  it('of an image auto without the gateway template is refused', async () => {
    await expect(runtime().start(container('a', 'auto'))).rejects.toThrow('inject.istio.io/templates: gateway');
  });
});

describe('several pods of one Service', () => {
  it('all have its published ports where the platform lets them share', async () => {
    const gateways = runtime();
    for (const name of ['a', 'b']) await (await gateways.start(container(name))).listening;
    expect(published(0)).toEqual(['127.0.0.1:80:8080']);
    expect(published(1)).toEqual(['127.0.0.1:80:8080']);
  });

  it('stand by elsewhere, and one takes over when the one that has them ends', async () => {
    const gateways = runtime({ sharePorts: false });
    for (const name of ['a', 'b']) await (await gateways.start(container(name))).listening;
    expect(published(0)).toEqual(['127.0.0.1:80:8080']);
    expect(published(1)).toEqual([]);
    started[0]?.end(0);
    await expect.poll(() => gateways.proxies.flatMap((proxy) => proxy.published)).toHaveLength(1);
    expect(gateways.proxies).toMatchObject([{ pod: 'b' }]);
  });

  it('end together, and no other starts then', async () => {
    const gateways = runtime();
    for (const name of ['a', 'b']) await (await gateways.start(container(name))).listening;
    await gateways.close();
    expect(gateways.proxies).toEqual([]);
    await expect(gateways.start(container('c'))).rejects.toThrow('ending');
  });
});
