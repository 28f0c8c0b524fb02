import { once } from 'node:events';
import { get, request } from 'node:http';
import { createServer } from 'node:net';
import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundPort } from '../resources/pod-ports.ts';
import type { Deployment, Pod } from '../resources/types.ts';
import { Store } from '../store/store.ts';
import { type AddressPool, createAddressPool } from './addresses.ts';
import { runWorkloads, type WorkloadDependencies, type Workloads } from './runner.ts';

let store: Store;
let pool: AddressPool;
let workloads: Workloads | undefined;
let lines: { level: number; msg: string; deployment?: string }[];
let log: Logger;

beforeEach(async () => {
  store = new Store();
  pool = await createAddressPool(`runner test ${process.pid}`);
  lines = [];
  log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
});
afterEach(async () => {
  await workloads?.close();
  workloads = undefined;
  await pool.close();
});

function run(deps: Partial<WorkloadDependencies> = {}): Workloads {
  workloads = runWorkloads(store, { log, resolve: () => [], allocateIp: () => pool.allocate(), lingerMs: 0, ...deps });
  return workloads;
}

interface Wish {
  name?: string;
  image?: string;
  replicas?: number;
  port?: number;
  env?: { name: string; value: string }[];
}
function deployment({
  name = 'app',
  image = 'limen/echo',
  replicas = 1,
  port = 8080,
  env = [],
}: Wish = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name, image, env, ...(port === 0 ? {} : { ports: [{ containerPort: port }] }) }] },
      },
    },
  };
}

const pods = () => store.snapshot.list('Pod');
const urlOf = (pod: Pod | undefined, path = '/') =>
  `http://${pod?.status?.podIP}:${pod?.spec?.containers[0]?.ports?.[0]?.containerPort}${path}`;
const warnings = () => lines.filter((line) => line.level === 40).map((line) => line.msg);
/** Resolves at the first change of the store after which `condition` holds. */
const until = (condition: () => boolean) =>
  new Promise<void>((resolve) => {
    if (condition()) return resolve();
    const stop = store.subscribe(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });

describe('a Deployment with a sample image', () => {
  it('gets a pod that listens on its own address and containerPort', async () => {
    store.put(deployment({ port: 3456 }));
    await run().settled();
    expect(pods()).toHaveLength(1);
    const answer = (await (await fetch(urlOf(pods()[0], '/x?y=1'))).json()) as { target: string; pod: string };
    expect(urlOf(pods()[0])).toMatch(/^http:\/\/127\.\d+\.\d+\.\d+:3456\/$/);
    expect(answer).toMatchObject({ target: '/x?y=1', pod: pods()[0]?.metadata.name });
  });

  it('gets it when it comes later, too', async () => {
    const { settled } = run();
    await settled();
    store.put(deployment());
    await until(() => pods().length === 1);
    expect((await fetch(urlOf(pods()[0]))).status).toBe(200);
  });

  it('listens on the image’s own port when it declares none', async () => {
    store.put(deployment({ image: 'docker.io/istioinaction/catalog:latest', port: 0 }));
    await run().settled();
    expect(urlOf(pods()[0])).toMatch(/:3000\/$/);
    expect((await fetch(urlOf(pods()[0], '/items'))).status).toBe(200);
  });

  it('gets as many pods as it has replicas, each with an address of its own', async () => {
    store.put(deployment({ replicas: 3 }));
    await run().settled();
    expect(new Set(pods().map((pod) => pod.status?.podIP)).size).toBe(3);
    for (const pod of pods()) expect((await fetch(urlOf(pod))).status).toBe(200);
  });

  it('loses its pods when it is deleted', async () => {
    store.put(deployment());
    await run().settled();
    const url = urlOf(pods()[0]);
    store.delete({ group: 'apps', kind: 'Deployment', namespace: 'default', name: 'app' });
    await workloads?.settled();
    expect(pods()).toEqual([]);
    await expect
      .poll(() =>
        fetch(url).then(
          () => 'answers',
          () => 'gone',
        ),
      )
      .toBe('gone');
  });

  it('keeps its pods when something else changes', async () => {
    store.put(deployment());
    await run().settled();
    const before = pods();
    store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    await workloads?.settled();
    expect(pods()).toEqual(before);
  });
});

describe('a change of the template', () => {
  it('replaces the pod, and there is no moment without one', async () => {
    store.put(deployment({ env: [{ name: 'ECHO_STATUS', value: '201' }] }));
    await run().settled();
    const counts = new Set<number>();
    const stop = store.subscribe(() => counts.add(pods().length));
    store.put(deployment({ env: [{ name: 'ECHO_STATUS', value: '202' }] }));
    await workloads?.settled();
    stop();
    expect(counts.has(0)).toBe(false);
    expect(pods()).toHaveLength(1);
    expect((await fetch(urlOf(pods()[0]))).status).toBe(202);
  });

  it('lets the old pod finish what it is answering', async () => {
    store.put(deployment());
    await run().settled();
    // The body never ends on its own, so the response can't be over before the pod is told to go.
    const call = request(urlOf(pods()[0]), { method: 'POST', agent: false });
    call.write('first half, ');
    await once(call, 'socket');
    await once(call.socket as NonNullable<typeof call.socket>, 'connect');
    await fetch(urlOf(pods()[0])); // the server has accepted the one before by now
    store.put(deployment({ env: [{ name: 'CHANGED', value: 'yes' }] }));
    await workloads?.settled();
    call.end('second half');
    const [response] = (await once(call, 'response')) as [AsyncIterable<Buffer>];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ body: 'first half, second half' });
  });

  it('to an image nobody knows leaves the old pod running', async () => {
    store.put(deployment());
    await run().settled();
    store.put(deployment({ image: 'limen/ehco' }));
    await workloads?.settled();
    expect(pods()).toHaveLength(1);
    expect((await fetch(urlOf(pods()[0]))).status).toBe(200);
    expect(warnings()).toHaveLength(1);
  });
});

describe('an image nobody knows', () => {
  it('is no pod, and one warning that names the Deployment, the field, what is known and what to do', async () => {
    store.put(deployment({ name: 'shop', image: 'example.com/shop:1' }));
    await run().settled();
    store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    await workloads?.settled();
    expect(pods()).toEqual([]);
    expect(warnings()).toHaveLength(1);
    for (const part of [
      'Deployment default/shop',
      'spec.template.spec.containers',
      '"example.com/shop:1"',
      'istioinaction/catalog',
      'EndpointSlice',
    ])
      expect(warnings()[0]).toContain(part);
  });

  it('needs no pod of Limen’s when the configuration has one', async () => {
    store.put(deployment({ name: 'shop', image: 'example.com/shop:1' }));
    store.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'mine', namespace: 'default', labels: { app: 'shop' } },
      status: { podIP: '127.0.0.1' },
    });
    await run().settled();
    expect(pods()).toHaveLength(1);
    expect(warnings()).toEqual([]);
  });
});

describe('a port that is taken', () => {
  it('is replaced by a free one, which the Pod tells', async () => {
    const ip = await pool.allocate();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(8080, ip, resolve));
    store.put(deployment());
    await run({ allocateIp: () => ip }).settled();
    const [pod] = pods();
    const port = boundPort(pod as Pod, 8080);
    expect(port).not.toBe(8080);
    expect((await fetch(`http://${ip}:${port}/`)).status).toBe(200);
    expect(warnings()).toEqual([]);
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('an address that cannot be bound', () => {
  it('is a warning that says what was tried', async () => {
    const ip = '192.0.2.1'; // TEST-NET-1: no machine has it
    store.put(deployment());
    await run({ allocateIp: () => ip }).settled();
    expect(pods()).toEqual([]);
    expect(warnings()).toEqual([expect.stringContaining("192.0.2.1:8080 can't be bound (EADDRNOTAVAIL)")]);
  });
});

describe('two instances', () => {
  it('run the same Deployment side by side', async () => {
    const otherPool = await createAddressPool(`runner test ${process.pid}`);
    const otherStore = new Store();
    const other = runWorkloads(otherStore, { log, resolve: () => [], allocateIp: () => otherPool.allocate() });
    try {
      store.put(deployment());
      otherStore.put(deployment());
      await run().settled();
      await other.settled();
      const [mine, theirs] = [pods()[0], otherStore.snapshot.list('Pod')[0]];
      expect(mine?.status?.podIP).not.toBe(theirs?.status?.podIP);
      for (const pod of [mine, theirs]) expect((await fetch(urlOf(pod))).status).toBe(200);
      expect(warnings()).toEqual([]);
    } finally {
      await other.close();
      await otherPool.close();
    }
  });
});

describe('the end', () => {
  it('comes at once, whoever is still connected', async () => {
    store.put(deployment());
    await run().settled();
    const call = get(urlOf(pods()[0], '/?slow=60000'), { agent: false });
    const [response] = (await once(call, 'response')) as [NodeJS.ReadableStream];
    const cut = once(response, 'error');
    response.resume();
    await workloads?.close();
    await cut;
  });
});
