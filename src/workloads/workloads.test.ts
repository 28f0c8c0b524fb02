import { once } from 'node:events';
import { get, request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyOf } from '../resources/object.ts';
import { boundPort } from '../resources/pod-ports.ts';
import type { Deployment, Pod } from '../resources/types.ts';
import { Store } from '../store/store.ts';
import { createDisk } from '../store/test-disk.ts';
import { replicaSetsOf } from './controllers/kinds.ts';
import { commandRuntime } from './runtimes/command-runtime.ts';
import { sampleRuntime } from './samples/sample-runtime.ts';
import { deployment, TestCluster } from './test-cluster.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await TestCluster.create();
});
afterEach(() => cluster.close());

const pods = () => cluster.pods();
const first = () => pods()[0] as Pod;
const app = () => cluster.store.snapshot.get('Deployment', 'default', 'app') as Deployment;
const urlOf = (pod: Pod, path = '/', port = pod.spec?.containers[0]?.ports?.[0]?.containerPort ?? 0) =>
  `http://${pod.status?.podIP}:${boundPort(pod, port)}${path}`;
const statusOf = async (pod: Pod, path?: string) => (await fetch(urlOf(pod, path))).status;
const containerOf = (pod: Pod) => pod.status?.containerStatuses?.[0];
/** `reason message` of the Events about objects of a kind. */
const events = (kind: string) =>
  cluster.store.snapshot
    .listOf('Event')
    .map((object) => object as unknown as { involvedObject: { kind: string }; reason: string; message: string })
    .filter(({ involvedObject }) => involvedObject.kind === kind)
    .map(({ reason, message }) => `${reason} ${message}`);

describe('a Deployment with a sample image', () => {
  it('gets a ReplicaSet and a pod that listens on its own address and containerPort', async () => {
    cluster.store.put(deployment({ port: 3456 }));
    await cluster.settle();
    expect(pods()).toHaveLength(1);
    expect(urlOf(first())).toMatch(/^http:\/\/127\.\d+\.\d+\.\d+:3456\/$/);
    expect(await (await fetch(urlOf(first(), '/x?y=1'))).json()).toMatchObject({
      target: '/x?y=1',
      pod: first().metadata.name,
    });
    const [set] = replicaSetsOf(cluster.store.snapshot);
    const hash = set?.metadata.labels?.['pod-template-hash'];
    expect(set?.metadata.name).toBe(`app-${hash}`);
    expect(hash).toMatch(/^[4-9b-f]{10}$/);
    expect(first().metadata.name).toMatch(new RegExp(`^app-${hash}-[bcdfghjklmnpqrstvwxz2456789]{5}$`));
    expect(first().metadata.labels).toEqual({ app: 'app', 'pod-template-hash': hash });
    expect(first().metadata.ownerReferences).toMatchObject([
      { kind: 'ReplicaSet', name: `app-${hash}`, uid: set?.metadata.uid, controller: true },
    ]);
  });

  it('says in its status how far it is, and in each pod’s', async () => {
    cluster.store.put(deployment({ replicas: 2 }));
    await cluster.settle();
    expect(app().status).toMatchObject({
      observedGeneration: 1,
      replicas: 2,
      updatedReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      conditions: [
        { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' },
        { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
      ],
    });
    expect(first().spec?.nodeName).toBe('limen');
    expect(first().status).toMatchObject({ phase: 'Running', hostIP: '127.0.0.1' });
    expect(first().status?.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    expect(containerOf(first())).toMatchObject({ ready: true, restartCount: 0, state: { running: {} } });
  });

  it('tells what happened in Events', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const { name } = first().metadata;
    const set = name.slice(0, -6);
    expect(events('Deployment')).toEqual([`ScalingReplicaSet Scaled up replica set ${set} from 0 to 1`]);
    expect(events('ReplicaSet')).toEqual([`SuccessfulCreate Created pod: ${name}`]);
    expect(events('Pod')).toEqual([
      `Scheduled Successfully assigned default/${name} to limen`,
      'Pulled Container image "limen/echo" already present on machine',
      'Created Created container: app',
      'Started Started container app',
    ]);
  });

  it('gets its pod when it comes later, too', async () => {
    await cluster.settle();
    cluster.store.put(deployment());
    await cluster.settle();
    expect(await statusOf(first())).toBe(200);
  });

  it('listens on the image’s own port when it declares none', async () => {
    cluster.store.put(deployment({ image: 'docker.io/istioinaction/catalog:latest', port: 0 }));
    await cluster.settle();
    expect((await fetch(urlOf(first(), '/items', 3000))).status).toBe(200);
  });

  it('gets as many pods as it has replicas, each with an address of its own; and fewer again', async () => {
    cluster.store.put(deployment({ replicas: 3 }));
    await cluster.settle();
    expect(new Set(pods().map((pod) => pod.status?.podIP)).size).toBe(3);
    for (const pod of pods()) expect(await statusOf(pod)).toBe(200);
    cluster.store.put({ ...app(), spec: { ...deployment().spec, replicas: 1 } as never });
    await cluster.settle();
    expect(pods()).toHaveLength(1);
  });

  it('gets a new pod in place of one that is deleted', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const { name } = first().metadata;
    cluster.store.delete({ group: '', kind: 'Pod', namespace: 'default', name });
    await cluster.settle();
    expect(pods()).toHaveLength(1);
    expect(first().metadata.name).not.toBe(name);
  });

  it('loses its pods when it is deleted, and they are gone', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const url = urlOf(first());
    cluster.store.delete({ group: 'apps', kind: 'Deployment', namespace: 'default', name: 'app' });
    await cluster.until(() => cluster.store.snapshot.list('Pod').length === 0);
    expect(replicaSetsOf(cluster.store.snapshot)).toEqual([]);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('keeps its pods when something else changes', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const before = pods();
    cluster.store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    await cluster.settle();
    expect(pods()).toEqual(before);
  });
});

describe('a change of the template', () => {
  it('replaces the pods, and at no moment are there fewer that serve', async () => {
    cluster.store.put(deployment({ env: { ECHO_STATUS: '201' }, replicas: 2 }));
    await cluster.settle();
    const counts = new Set<number>();
    const stop = cluster.store.subscribe(() => counts.add(app().status?.availableReplicas ?? 0));
    cluster.store.put({
      ...deployment({ env: { ECHO_STATUS: '202' }, replicas: 2 }),
      status: app().status,
    } as Deployment);
    await cluster.until(() => app().status?.updatedReplicas === 2 && app().status?.replicas === 2);
    await cluster.settle();
    stop();
    expect([...counts].filter((count) => count < 2)).toEqual([]);
    expect(pods()).toHaveLength(2);
    for (const pod of pods()) expect(await statusOf(pod)).toBe(202);
    expect(app().metadata.annotations).toMatchObject({ 'deployment.kubernetes.io/revision': '2' });
  });

  it('and back again runs the first ReplicaSet', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const [set] = replicaSetsOf(cluster.store.snapshot);
    cluster.store.put(deployment({ env: { CHANGED: 'yes' } }));
    await cluster.settle();
    cluster.store.put(deployment());
    await cluster.settle();
    expect(replicaSetsOf(cluster.store.snapshot)).toHaveLength(2);
    expect(first().metadata.name).toContain(set?.metadata.name);
  });

  it('lets the old pod finish what it is answering', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    // The body never ends on its own, so the response can't be over before the pod is told to go.
    const call = request(urlOf(first()), { method: 'POST', agent: false });
    call.write('first half, ');
    await once(call, 'socket');
    await once(call.socket as NonNullable<typeof call.socket>, 'connect');
    await fetch(urlOf(first())); // the server has accepted the one before by now
    cluster.store.put(deployment({ env: { CHANGED: 'yes' } }));
    await cluster.settle();
    expect(pods()).toHaveLength(1);
    call.end('second half');
    const [response] = (await once(call, 'response')) as [AsyncIterable<Buffer>];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ body: 'first half, second half' });
  });

  it('to an image nobody knows leaves the old pod running', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const old = first();
    cluster.store.put(deployment({ image: 'limen/ehco' }));
    await cluster.settle();
    expect(pods()).toHaveLength(2);
    expect(await statusOf(old)).toBe(200);
  });
});

describe('the node', () => {
  const node = (spec: object) =>
    cluster.store.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'limen' }, spec });
  const scheduled = () => first().status?.conditions?.find(({ type }) => type === 'PodScheduled');

  it('that is cordoned gets no pods: they wait, and say why, until it is not', async () => {
    node({ unschedulable: true });
    cluster.store.put(deployment());
    await cluster.settle();
    const message =
      '0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    expect(first().status?.phase).toBe('Pending');
    expect(scheduled()).toMatchObject({ status: 'False', reason: 'Unschedulable', message });
    await cluster.until(() => events('Pod').includes(`FailedScheduling ${message}`));
    expect(cluster.warnings()).toEqual([`Pod default/${first().metadata.name}: ${message}`]);
    node({});
    await cluster.until(() => containerOf(first())?.ready === true);
    expect(scheduled()).toEqual({ type: 'PodScheduled', status: 'True', lastTransitionTime: expect.any(String) });
  });

  it('that is tainted NoExecute drives its pods out', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const { uid, name } = first().metadata;
    node({ taints: [{ key: 'maintenance', effect: 'NoExecute' }] });
    await cluster.until(
      () => pods().some(({ metadata }) => metadata.uid !== uid) && !pods().some(({ metadata }) => metadata.uid === uid),
    );
    await cluster.until(() => events('Pod').includes(`TaintManagerEviction Marking for deletion Pod default/${name}`));
    expect(first().spec?.nodeName).toBeUndefined();
  });
});

describe('an image nobody knows', () => {
  it('is a pod that waits, and says what is known and how to map it; in the log, once', async () => {
    cluster.store.put(deployment({ image: 'example.com/shop:1' }));
    await cluster.settle();
    await cluster.until(() => containerOf(first())?.state?.waiting?.reason === 'ImagePullBackOff');
    expect(first().status?.phase).toBe('Pending');
    const message = containerOf(first())?.state?.waiting?.message ?? '';
    for (const part of ['"example.com/shop:1"', 'istioinaction/catalog', "--image 'example.com/shop=", 'limen.yaml'])
      expect(message).toContain(part);
    await cluster.until(() => containerOf(first())?.state?.waiting?.reason === 'ErrImagePull');
    expect(cluster.warnings()).toEqual([expect.stringContaining('Failed to pull image "example.com/shop:1"')]);
    expect(app().status).toMatchObject({ unavailableReplicas: 1 });
  });

  it('needs no pod of Limen’s when the configuration has one that somebody runs', async () => {
    cluster.store.put(deployment({ image: 'example.com/shop:1' }));
    cluster.store.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'mine', namespace: 'default', labels: { app: 'app' } },
      status: { podIP: '127.0.0.1' },
    });
    await cluster.settle();
    expect(pods().map(({ metadata }) => metadata.name)).toEqual(['mine']);
    expect(cluster.warnings()).toEqual([]);
  });
});

describe('a port that is taken', () => {
  it('is replaced by a free one, which Pod and EndpointSlice tell', async () => {
    const ip = '127.0.0.1';
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, ip, resolve));
    const { port } = other.address() as { port: number };
    cluster.run({ allocateIp: () => ip });
    cluster.store.put(deployment({ port }));
    cluster.store.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'app', namespace: 'default' },
      spec: { selector: { app: 'app' }, ports: [{ port: 80, targetPort: port }] },
    } as never);
    await cluster.settle();
    const bound = boundPort(first(), port);
    expect(bound).not.toBe(port);
    expect(await statusOf(first())).toBe(200);
    const [slice] = cluster.store.snapshot.list('EndpointSlice');
    expect(slice).toMatchObject({
      ports: [{ port: bound }],
      endpoints: [{ addresses: [ip], conditions: { ready: true }, targetRef: { name: first().metadata.name } }],
    });
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('a container that ends', () => {
  it('is started anew, with its last end in the Pod, its last log, and a back-off when it ends again', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const { name } = first().metadata;
    for (const count of [1, 2]) {
      const pid = await leaderOf(name);
      process.kill(pid, 'SIGKILL');
      await cluster.until(() => containerOf(first())?.restartCount === count && containerOf(first())?.ready === true);
    }
    expect(first().metadata.name).toBe(name);
    expect(containerOf(first())).toMatchObject({
      state: { running: {} },
      lastState: { terminated: { exitCode: 137, reason: 'Error' } },
    });
    expect(events('Pod').some((event) => event.startsWith('BackOff Back-off restarting failed container app'))).toBe(
      true,
    );
    expect(await statusOf(first())).toBe(200);
    const previous = await cluster
      .run()
      .access.logs({ namespace: 'default', pod: name }, { follow: false, previous: true, timestamps: false });
    expect(await textOf(previous)).toMatch(/^limen\/echo listens on 127\.[\d.]+:8080\n$/);
  });
});

describe('a pod that is to go', () => {
  it('waits for a finalizer when its containers have ended, and for nothing else any more', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const pod = first();
    const pid = await leaderOf(pod.metadata.name);
    const leaving = { finalizers: ['example.com/hold'], deletionTimestamp: '2025-01-31T09:00:00Z' };
    cluster.store.put({ ...pod, metadata: { ...pod.metadata, ...leaving, deletionGracePeriodSeconds: 30 } });
    const now = () => cluster.store.snapshot.get('Pod', 'default', pod.metadata.name)?.metadata;
    await cluster.until(() => now()?.deletionGracePeriodSeconds === 0);
    expect(now()?.finalizers).toEqual(['example.com/hold']);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

describe('the end', () => {
  it('comes soon, whoever is still connected, and leaves no process', async () => {
    cluster.store.put(deployment());
    await cluster.settle();
    const pid = await leaderOf(first().metadata.name);
    const call = get(urlOf(first(), '/?slow=60000'), { agent: false });
    const [response] = (await once(call, 'response')) as [NodeJS.ReadableStream];
    const cut = once(response, 'error');
    response.resume();
    await cluster.close();
    await cut;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

/** The process that leads a pod's container, as `ps` in it tells. */
async function leaderOf(pod: string): Promise<number> {
  const ps = await cluster.run().access.exec({ namespace: 'default', pod }, ['ps', '-eo', 'pid,args'], false);
  const lines = (await textOf(ps.stdout)).trim().split('\n');
  const leader = lines.find((line) => line.includes('limen/echo'));
  return Number(leader?.trim().split(' ')[0]);
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('containers that prepare a pod', () => {
  const SCRIPTS: Record<string, string> = {
    'test/first': 'echo first done',
    'test/second': 'echo second done',
    'test/failing': 'echo cannot; exit 3',
    'test/beside': 'echo beside; exec sleep 1000',
  };
  const run = () =>
    cluster.run({
      runtimes: [
        commandRuntime(() => Object.entries(SCRIPTS).map(([name, command]) => ({ name, command, directory: '/' })), {}),
        sampleRuntime(),
      ],
    });
  const pod = (initContainers: object[], spec: object = {}): Pod =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'prepared', namespace: 'default' },
      spec: { initContainers, containers: [{ name: 'main', image: 'limen/echo' }], ...spec },
    }) as Pod;
  const status = () => first().status;
  const times = (list: 'containerStatuses' | 'initContainerStatuses') =>
    status()?.[list]?.map(({ name, ready, state }) => ({ name, ready, state: Object.keys(state ?? {})[0] }));
  const logOf = async (container: string, previous = false) => {
    const log = await run().access.logs(
      { namespace: 'default', pod: 'prepared', container },
      { follow: false, timestamps: false, previous },
    );
    return (await log.toArray()).join('');
  };
  const initialized = () => status()?.conditions?.find(({ type }) => type === 'Initialized');

  it('run one after the other to their end, before the others start', async () => {
    run();
    cluster.store.put(
      pod([
        { name: 'one', image: 'test/first' },
        { name: 'two', image: 'test/second' },
      ]),
    );
    await cluster.until(() => status()?.phase === 'Running');
    await cluster.settle();
    expect(times('initContainerStatuses')).toEqual([
      { name: 'one', ready: true, state: 'terminated' },
      { name: 'two', ready: true, state: 'terminated' },
    ]);
    expect(times('containerStatuses')).toEqual([{ name: 'main', ready: true, state: 'running' }]);
    expect(initialized()).toMatchObject({ status: 'True' });
    expect(await logOf('two')).toBe('second done\n');
  });

  it('are started anew when they fail, and the others wait', async () => {
    run();
    cluster.store.put(
      pod([
        { name: 'one', image: 'test/failing' },
        { name: 'two', image: 'test/second' },
      ]),
    );
    await cluster.until(() => (status()?.initContainerStatuses?.[0]?.restartCount ?? 0) > 0);
    expect(status()?.phase).toBe('Pending');
    expect(initialized()).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [one two]',
    });
    expect(status()?.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(await logOf('one', true)).toBe('cannot\n');
  });

  it('that fail in a pod that is never restarted fail the pod', async () => {
    run();
    cluster.store.put(pod([{ name: 'one', image: 'test/failing' }], { restartPolicy: 'Never' }));
    await cluster.until(() => status()?.phase === 'Failed');
    expect(status()?.initContainerStatuses?.[0]).toMatchObject({
      restartCount: 0,
      state: { terminated: { exitCode: 3 } },
    });
    expect(status()?.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
  });

  it('and are to be restarted always stay beside the others', async () => {
    run();
    const sidecar = { name: 'beside', image: 'test/beside', restartPolicy: 'Always' };
    cluster.store.put(pod([sidecar, { name: 'one', image: 'test/first' }]));
    await cluster.until(() => status()?.phase === 'Running' && status()?.containerStatuses?.[0]?.ready === true);
    expect(times('initContainerStatuses')).toEqual([
      { name: 'beside', ready: true, state: 'running' },
      { name: 'one', ready: true, state: 'terminated' },
    ]);
  });
});

it('a pod that wants what Limen does not do is told so, and runs', async () => {
  const container = {
    lifecycle: { preStop: { exec: { command: ['true'] } } },
    volumeMounts: [{ name: 'a', mountPath: '/a' }],
  };
  cluster.store.put(deployment({ container }));
  await cluster.settle();
  expect(first().status?.phase).toBe('Running');
  const told = [
    'volumeMounts of container app are ignored: Limen has no volumes yet',
    'lifecycle of container app is ignored: Limen runs no hooks yet',
  ];
  expect(cluster.warnings()).toEqual(told);
  expect(events('Pod')).toEqual(expect.arrayContaining(told.map((text) => `Unsupported ${text}`)));
});

describe('on a full disk', () => {
  it('pods come and go, and what becomes of them is written when there is space again', async () => {
    const { disk, persistence } = createDisk();
    await cluster.close();
    cluster = await TestCluster.create(new Store({}, persistence));
    cluster.store.put(deployment());
    cluster.run();
    await cluster.until(() => first()?.spec?.nodeName !== undefined);
    disk.isFull = true;
    await expect.poll(() => disk.refusals, { timeout: 15_000 }).toBeGreaterThan(1);
    expect(first().status?.phase).not.toBe('Running');
    disk.isFull = false;
    await cluster.settle();
    expect(first().status?.phase).toBe('Running');
    const { name } = first().metadata;
    await cluster.store.transact((writer) => writer.delete(keyOf(app())));
    await cluster.until(
      () => cluster.store.snapshot.get('Pod', 'default', name)?.metadata.deletionTimestamp !== undefined,
    );
    const before = disk.refusals;
    disk.isFull = true;
    await expect.poll(() => disk.refusals, { timeout: 15_000 }).toBeGreaterThan(before + 1);
    expect(cluster.store.snapshot.get('Pod', 'default', name)).toBeDefined();
    disk.isFull = false;
    await cluster.until(() => cluster.store.snapshot.get('Pod', 'default', name) === undefined);
  });
});
