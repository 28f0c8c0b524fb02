// The node: starts the containers of each Pod that is bound to it, and writes into the Pod what becomes of them.

import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { graceSecondsOf } from '../../resources/grace-period.ts';
import { keyOf, type ObjectKey } from '../../resources/object.ts';
import type { Pod } from '../../resources/types.ts';
import { StoreWriteError } from '../../store/errors.ts';
import type { Store, Writer } from '../../store/store.ts';
import type { Container, ContainerRuntime } from '../container-runtime.ts';
import type { EventRecorder, Happening } from '../events.ts';
import type { PodProxy, StartPodProxy } from '../pod-proxy.ts';
import { type ContainerRole, ContainerRunner } from './container-runner.ts';
import { type PodState, withStatus } from './container-state.ts';

/** What a node needs of the world. */
export interface NodeDependencies {
  /** The node's name: Pods with this `spec.nodeName` are its. */
  name: string;
  log: Logger;
  /** In the order they are asked. */
  runtimes: readonly ContainerRuntime[];
  /** What to say where no runtime runs an image. */
  unknownImage: (image: string) => string;
  /** An address of this machine for a pod. */
  allocateIp: () => Promise<string> | string;
  /** Starts the proxies of pods; without it there are none. */
  startProxy?: StartPodProxy;
  events: EventRecorder;
  clock: () => number;
  /** How long a pod that is to go still serves, milliseconds: until nobody sends to it any more. */
  lingerMs: number;
}

/** A running node. */
export interface RunningNode {
  /** Whether all pods have come as far as they will for now, and their status is in the store. */
  readonly isSettled: boolean;
  /** The containers of a pod that runs here. */
  pod(namespace: string, name: string): NodePod | undefined;
  /** Ends all containers. Their Pods stay in the store as they are. */
  close(): Promise<void>;
}

/** A pod on the node. */
export interface NodePod {
  readonly object: Pod;
  readonly ip: string;
  readonly containers: readonly ContainerRunner[];
  /** Those that prepare the pod, in their order. */
  readonly initContainers: readonly ContainerRunner[];
}

/** How long containers have to end when Limen ends. */
const CLOSE_GRACE_MS = 1_000;
/** How soon what could not be written is tried again. */
const RETRY_MS = 1_000;

interface Entry {
  object: Pod;
  ip: string;
  startedAt: number;
  containers: ContainerRunner[];
  initContainers: ContainerRunner[];
  proxy: PodProxy | undefined;
  /** What has been said of it in the log, once each. */
  warned: Set<string>;
  /** Its way out. */
  leaving: Promise<void> | undefined;
  /** Resolves when its containers have been started. */
  started: Promise<void>;
}

/** Runs the pods of the store from now on. */
export function runNode(store: Store, deps: NodeDependencies): RunningNode {
  const { log, events, clock } = deps;
  /** By uid: a pod of the same name may come before the last one has gone. */
  const entries = new Map<string, Entry>();
  const dirty = new Set<Entry>();
  const closing = new AbortController();
  let writing: Promise<void> | undefined;
  let closed = false;

  /** Takes up a Pod, or what changed of it. */
  function notice(object: Pod): void {
    if (object.spec?.nodeName !== deps.name) return;
    const uid = object.metadata.uid ?? '';
    const known = entries.get(uid);
    if (known === undefined) {
      const entry = admit(object);
      entries.set(uid, entry);
      if (object.metadata.deletionTimestamp !== undefined) leave(entry);
      return;
    }
    const before = known.object;
    known.object = object;
    if (object.metadata.deletionTimestamp !== undefined) leave(known);
    else if (!isDeepStrictEqual(containersOf(before), containersOf(object))) void replace(known);
    else if (!isDeepStrictEqual(withStatus(object, stateOf(known), clock()), object)) change(known); // a file was saved, and it has no status
  }

  function admit(object: Pod): Entry {
    const entry: Entry = {
      object,
      ip: '',
      startedAt: clock(),
      containers: [],
      initContainers: [],
      proxy: undefined,
      warned: new Set(),
      leaving: undefined,
      started: Promise.resolve(),
    };
    entry.started = begin(entry).catch((error: unknown) => {
      log.error({ err: error, pod: podId(entry.object) }, 'pod');
    });
    return entry;
  }

  async function begin(entry: Entry): Promise<void> {
    entry.ip ||= await deps.allocateIp();
    if (closed || entry.leaving !== undefined) return;
    // It starts beside the containers, which are told where it will be.
    entry.proxy ??= await deps.startProxy?.(entry.object, entry.ip, () => change(entry));
    if (closed || entry.leaving !== undefined) return;
    const { spec: podSpec, status } = entry.object;
    const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    const event = (happening: Omit<Happening, 'about' | 'source'>) => {
      events.record({ about: entry.object, source: 'kubelet', ...happening });
      const { message } = happening;
      if (happening.type !== 'Warning' || entry.warned.has(message)) return;
      entry.warned.add(message);
      log.warn({ pod: podId(entry.object), container: happening.container }, message);
    };
    const runner = (spec: Container, role: ContainerRole) => {
      for (const message of unsupported(spec))
        event({ container: spec.name, type: 'Warning', reason: 'Unsupported', message });
      const before = statuses.find(({ name }) => name === spec.name);
      const restarts = before?.containerID === undefined ? 0 : before.restartCount + 1;
      return new ContainerRunner(
        spec,
        role,
        {
          runtimes: deps.runtimes,
          unknownImage: deps.unknownImage,
          snapshot: () => store.snapshot,
          pod: () => entry.object,
          ip: entry.ip,
          proxyUrl: entry.proxy?.url,
          clock,
          changed: () => change(entry),
          event,
        },
        restarts,
      );
    };
    entry.initContainers = (podSpec?.initContainers ?? []).map((spec) =>
      runner(spec, spec.restartPolicy === 'Always' ? 'sidecar' : 'init'),
    );
    entry.containers = (podSpec?.containers ?? []).map((spec) => runner(spec, 'main'));
    change(entry);
    void prepare(entry, entry.initContainers, entry.containers);
  }

  /** Starts the containers, after those that prepare the pod have done so one by one. */
  async function prepare(
    entry: Entry,
    initContainers: readonly ContainerRunner[],
    containers: readonly ContainerRunner[],
  ): Promise<void> {
    for (const container of initContainers) if (!(await container.prepare())) return;
    // It may be on its way out by now, or have other containers.
    if (closed || entry.leaving !== undefined || entry.containers !== containers) return;
    for (const container of containers) container.start();
    change(entry);
  }

  /** Containers of a pod that was changed in a file: Kubernetes forbids it, here the new ones take the old ones' place. */
  async function replace(entry: Entry): Promise<void> {
    const { started } = entry;
    const runners = runnersOf(entry);
    entry.started = started
      .then(() => Promise.all(runners.map((container) => container.stop(CLOSE_GRACE_MS))))
      .then(() => begin(entry))
      .catch((error: unknown) => log.error({ err: error, pod: podId(entry.object) }, 'pod'));
    await entry.started;
  }

  /** Ends a pod that is to go: first nobody is sent to it any more, then its containers are stopped, then the Pod goes. */
  function leave(entry: Entry): void {
    const graceMs = (entry.object.metadata.deletionGracePeriodSeconds ?? graceSecondsOf(entry.object)) * 1000;
    if (entry.leaving !== undefined) {
      if (graceMs === 0) for (const container of runnersOf(entry)) void container.stop(0);
      return;
    }
    for (const { spec, running } of runnersOf(entry)) {
      if (running === undefined) continue;
      const message = `Stopping container ${spec.name}`;
      events.record({
        about: entry.object,
        source: 'kubelet',
        container: spec.name,
        type: 'Normal',
        reason: 'Killing',
        message,
      });
    }
    log.info({ pod: podId(entry.object) }, 'pod leaves');
    entry.leaving = stop(entry, graceMs)
      .then(() => forget(entry))
      .catch((error: unknown) => log.error({ err: error, pod: podId(entry.object) }, 'pod'));
    change(entry);
  }

  async function stop(entry: Entry, graceMs: number): Promise<void> {
    await entry.started;
    const served = entry.containers.some(({ state }) => state.ready);
    if (served && graceMs > 0) await delay(deps.lingerMs, undefined, { signal: closing.signal }).catch(() => {});
    await stopAll(entry, closed ? CLOSE_GRACE_MS : graceMs);
    await entry.proxy?.stop(); // what containers do last may be a call
  }

  /** The Pod's containers are gone: so is the Pod, unless somebody has yet to do something about it. */
  async function forget(entry: Entry): Promise<void> {
    const uid = entry.object.metadata.uid ?? '';
    if (closed) return;
    await transact((writer) => {
      const now = writer.get(keyOf(entry.object));
      if (now?.metadata.uid !== uid) return;
      if ((now.metadata.finalizers?.length ?? 0) === 0) writer.delete(keyOf(now));
      else writer.put({ ...now, metadata: { ...now.metadata, deletionGracePeriodSeconds: 0 } }); // it goes with its last finalizer
    });
    if (podOf(keyOf(entry.object))?.metadata.uid !== uid) entries.delete(uid);
  }

  /** A Pod that is no longer in the store: its containers end as well. */
  function gone(object: Pod): void {
    const uid = object.metadata.uid ?? '';
    const entry = entries.get(uid);
    if (entry === undefined) return;
    if (entry.leaving === undefined) leave(entry);
    void entry.leaving?.then(() => entries.delete(uid));
  }

  /** Has the status of a pod written. */
  function change(entry: Entry): void {
    if (closed) return;
    dirty.add(entry);
    writing ??= Promise.resolve().then(write);
  }

  async function write(): Promise<void> {
    while (dirty.size > 0 && !closed) {
      const now = [...dirty];
      dirty.clear();
      await transact((writer) => {
        for (const entry of now) {
          const stored = writer.get(keyOf(entry.object)) as Pod | undefined;
          if (stored === undefined || stored.metadata.uid !== entry.object.metadata.uid) continue;
          writer.put(withStatus(stored, stateOf(entry), clock()));
        }
      }).then(
        () => now.forEach(tell),
        (error: unknown) => log.error({ err: error }, 'the status of pods cannot be written'),
      );
    }
    writing = undefined;
  }

  /** A change of the store that waits for a full disk to have space again, until the node is closed. */
  async function transact(change: (writer: Writer) => void): Promise<void> {
    for (let tries = 0; !closed; tries++) {
      try {
        return await store.transact(change);
      } catch (error) {
        if (!(error instanceof StoreWriteError)) throw error;
        if (tries === 0) log.error({ err: error }, 'what becomes of pods cannot be written; it is tried again');
        await delay(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      }
    }
  }

  const told = new WeakSet<Entry>();
  function tell(entry: Entry): void {
    if (told.has(entry) || entry.containers.length === 0 || !entry.containers.every(({ state }) => state.ready)) return;
    told.add(entry);
    const ports = entry.containers.flatMap(({ state }) => [...state.bound.values()]);
    log.info({ pod: podId(entry.object), ip: entry.ip, ...(ports.length > 0 ? { ports } : {}) }, 'pod runs');
  }

  function stateOf(entry: Entry): PodState {
    return {
      ip: entry.ip,
      startedAt: entry.startedAt,
      containers: entry.containers.map(({ state }) => state),
      initContainers: entry.initContainers.map(({ state }) => state),
      proxy: entry.proxy,
      leaving: entry.leaving !== undefined,
    };
  }

  const podOf = (key: ObjectKey) => store.snapshot.get('Pod', key.namespace, key.name);

  const unsubscribe = store.subscribe((_, changes) => {
    for (const { type, object } of changes) {
      if (object.kind !== 'Pod' || object.apiVersion !== 'v1') continue;
      if (type === 'deleted') gone(object as Pod);
      else notice(object as Pod);
    }
  });
  // Pods of an earlier run have no container any more: nobody may be sent to them.
  const left = store.snapshot
    .list('Pod')
    .filter((pod) => pod.spec?.nodeName === deps.name && pod.status?.podIP !== undefined);
  store.batch(() => {
    for (const pod of left) store.put(withoutReadiness(pod));
  });
  for (const pod of store.snapshot.list('Pod')) notice(pod);

  return {
    get isSettled() {
      return (
        writing === undefined &&
        [...entries.values()].every(
          ({ containers, initContainers, leaving, proxy }) =>
            leaving !== undefined ||
            (containers.length > 0 &&
              initContainers.every(({ settled }) => settled) &&
              // Those of a pod whose preparation failed are not started.
              (initContainers.some(({ state }) => !state.ready) || containers.every(({ settled }) => settled)) &&
              (proxy === undefined || proxy.listening || proxy.problem !== undefined)),
        )
      );
    },
    pod(namespace, name) {
      const uid = store.snapshot.get('Pod', namespace, name)?.metadata.uid;
      return uid === undefined ? undefined : entries.get(uid);
    },
    async close() {
      closed = true;
      unsubscribe();
      closing.abort();
      await Promise.all(
        [...entries.values()].map(async (entry) => {
          await entry.started;
          await stopAll(entry, CLOSE_GRACE_MS);
          await entry.leaving;
          await entry.proxy?.stop();
        }),
      );
      await writing;
    },
  };
}

function containersOf({ spec }: Pod) {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}

/** What a container asks for that it does not get. */
function unsupported({ name, volumeMounts = [], lifecycle }: Container): string[] {
  return [
    ...(volumeMounts.length === 0 ? [] : [`volumeMounts of container ${name} are ignored: Limen has no volumes yet`]),
    ...(lifecycle === undefined ? [] : [`lifecycle of container ${name} is ignored: Limen runs no hooks yet`]),
  ];
}

function runnersOf({ initContainers, containers }: Pick<Entry, 'initContainers' | 'containers'>): ContainerRunner[] {
  return [...initContainers, ...containers];
}

/** First the containers, then the sidecars, the last one started first. */
async function stopAll({ initContainers, containers }: Entry, graceMs: number): Promise<void> {
  await Promise.all(containers.map((container) => container.stop(graceMs)));
  for (const container of initContainers.toReversed()) await container.stop(graceMs);
}

function podId({ metadata }: Pod): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function withoutReadiness(pod: Pod): Pod {
  const conditions = pod.status?.conditions?.map((condition) =>
    condition.type === 'Ready' || condition.type === 'ContainersReady'
      ? { ...condition, status: 'False' as const }
      : condition,
  );
  return { ...pod, status: { ...pod.status, ...(conditions === undefined ? {} : { conditions }) } };
}
