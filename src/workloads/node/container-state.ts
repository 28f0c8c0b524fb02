// What the node knows of a container, and the status a Pod has by it. Pure.

import { BOUND_PORTS_ANNOTATION, boundPortsAnnotation } from '../../resources/pod-ports.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { Pod } from '../../resources/types.ts';
import type { BoundPorts } from '../container-runtime.ts';
import type { PodProxy } from '../pod-proxy.ts';
import type { ContainerRole } from './container-runner.ts';

type PodStatus = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];
type Condition = NonNullable<PodStatus['conditions']>[number];

/** A container that ended. Times are milliseconds since the epoch. */
export interface Ended {
  exitCode: number;
  reason: string;
  message?: string;
  startedAt: number;
  finishedAt: number;
  containerID: string;
}

/** A container as it is now. */
export interface ContainerState {
  name: string;
  image: string;
  role: ContainerRole;
  now:
    | { is: 'waiting'; reason: string; message?: string }
    | { is: 'running'; startedAt: number; containerID: string }
    | ({ is: 'terminated' } & Ended);
  /** How its run before this one ended. */
  last?: Ended;
  restartCount: number;
  ready: boolean;
  bound: BoundPorts;
}

/** What the node knows of a pod. */
export interface PodState {
  /** '' until it has one. */
  ip: string;
  startedAt: number;
  containers: readonly ContainerState[];
  /** Those that prepare it, in their order. */
  initContainers: readonly ContainerState[];
  /** Its proxy, where it has one. */
  proxy: Pick<PodProxy, 'url' | 'listening' | 'problem'> | undefined;
  /** It is on its way out. */
  leaving: boolean;
}

/** The pod with the status and annotations that its state comes to. What others wrote into its conditions stays. */
export function withStatus(pod: Pod, state: PodState, now: number): Pod {
  const phase = phaseOf(pod, state);
  const done = phase === 'Succeeded' || phase === 'Failed';
  const containersReady = !state.leaving && !done && state.containers.every((container) => container.ready);
  const { proxy } = state;
  const ready = containersReady && proxy?.listening !== false;
  const notReady = state.containers.filter((container) => !container.ready).map(({ name }) => name);
  const because = done
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : notReady.length > 0
      ? { reason: 'ContainersNotReady', message: `containers with unready status: [${notReady.join(' ')}]` }
      : {};
  const incomplete = state.initContainers.filter((container) => !container.ready).map(({ name }) => name);
  const isInitialized = incomplete.length === 0;
  const notInitialized = {
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`,
  };
  const before = pod.status?.conditions ?? [];
  const own: [type: string, is: boolean, why: Pick<Condition, 'reason' | 'message'>][] = [
    ['PodReadyToStartContainers', !done, {}],
    ['Initialized', isInitialized, !isInitialized ? notInitialized : done && phase === 'Succeeded' ? because : {}],
    ['Ready', ready, ready ? {} : containersReady ? NO_PROXY : because],
    ['ContainersReady', containersReady, containersReady ? {} : because],
    ['PodScheduled', true, {}],
    ...(proxy === undefined ? [] : [proxyCondition(proxy)]),
  ];
  const conditions = own.map(([type, is, why]): Condition => {
    const status = is ? 'True' : 'False';
    const old = before.find((condition) => condition.type === type);
    const lastTransitionTime =
      old?.status === status && old.lastTransitionTime !== undefined ? old.lastTransitionTime : timestamp(now);
    return { type, status, lastTransitionTime, ...why };
  });
  const others = before.filter(({ type }) => !conditions.some((condition) => condition.type === type));
  const bound = new Map(state.containers.flatMap((container) => [...container.bound]));
  const ports = boundPortsAnnotation(bound);
  const { [BOUND_PORTS_ANNOTATION]: _, ...annotations } = pod.metadata.annotations ?? {};
  if (ports !== undefined) annotations[BOUND_PORTS_ANNOTATION] = ports;
  const { annotations: __, ...metadata } = pod.metadata;
  return {
    ...pod,
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    status: {
      ...pod.status,
      phase,
      conditions: [...conditions, ...others],
      hostIP: '127.0.0.1',
      hostIPs: [{ ip: '127.0.0.1' }],
      ...(state.ip === '' ? {} : { podIP: state.ip, podIPs: [{ ip: state.ip }] }),
      startTime: pod.status?.startTime ?? timestamp(state.startedAt),
      ...(state.initContainers.length === 0
        ? {}
        : { initContainerStatuses: state.initContainers.map(containerStatus) }),
      containerStatuses: state.containers.map(containerStatus),
      qosClass: qosClassOf(pod),
    },
  };
}

/** Where calls of the pod's containers go: a readiness gate in all but the pod's spec. */
const PROXY_CONDITION = 'limen.dev/Proxy';

/** As Kubernetes says it of readiness gates. */
const NO_PROXY = {
  reason: 'ReadinessGatesNotReady',
  message: `corresponding condition of pod readiness gate "${PROXY_CONDITION}" is not "True".`,
};

function proxyCondition({
  url,
  listening,
  problem,
}: NonNullable<PodState['proxy']>): [type: string, is: boolean, why: Pick<Condition, 'reason' | 'message'>] {
  const why = problem ?? (listening ? `calls to services go through ${url}` : `waiting for ${url}`);
  return [PROXY_CONDITION, listening, { reason: listening ? 'Listening' : 'NotListening', message: why }];
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
function phaseOf(pod: Pod, { containers, initContainers }: PodState): NonNullable<PodStatus['phase']> {
  const preparing = initContainers.filter(({ ready }) => !ready);
  if (preparing.some(({ role, now }) => role === 'init' && now.is === 'terminated' && !isRestarted(pod, now.exitCode)))
    return 'Failed';
  if (preparing.some(({ role }) => role === 'init')) return 'Pending';
  const ended = containers.map(({ now }) => (now.is === 'terminated' ? now : undefined));
  if (ended.length > 0 && ended.every((container) => container !== undefined)) {
    const policy = pod.spec?.restartPolicy ?? 'Always';
    const failed = ended.some((container) => container?.exitCode !== 0);
    if (policy === 'Never' || (policy === 'OnFailure' && !failed)) return failed ? 'Failed' : 'Succeeded';
  }
  return containers.some(({ now, last }) => now.is === 'waiting' && last === undefined) ? 'Pending' : 'Running';
}

function isRestarted(pod: Pod, exitCode: number): boolean {
  return exitCode !== 0 && (pod.spec?.restartPolicy ?? 'Always') !== 'Never';
}

function containerStatus({ name, image, role, now, last, restartCount, ready }: ContainerState): ContainerStatus {
  const containerID = now.is === 'waiting' ? last?.containerID : now.containerID;
  return {
    name,
    image,
    imageID: now.is === 'waiting' && last === undefined ? '' : image,
    ...(containerID === undefined ? {} : { containerID }),
    ready,
    started: now.is === 'running' && role !== 'init',
    restartCount,
    state: stateOf(now),
    lastState: last === undefined ? {} : { terminated: terminated(last) },
  };
}

function stateOf(now: ContainerState['now']): NonNullable<ContainerStatus['state']> {
  switch (now.is) {
    case 'waiting':
      return {
        waiting: { reason: now.reason, ...(now.message === undefined ? {} : { message: now.message }) },
      };
    case 'running':
      return { running: { startedAt: timestamp(now.startedAt) } };
    case 'terminated':
      return { terminated: terminated(now) };
  }
}

function terminated({ exitCode, reason, message, startedAt, finishedAt, containerID }: Ended) {
  return {
    exitCode,
    ...(exitCode > 128 ? { signal: exitCode - 128 } : {}),
    reason,
    ...(message === undefined ? {} : { message }),
    startedAt: timestamp(startedAt),
    finishedAt: timestamp(finishedAt),
    containerID,
  };
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
function qosClassOf(pod: Pod): NonNullable<PodStatus['qosClass']> {
  const containers = pod.spec?.containers ?? [];
  const declared = containers.flatMap(({ resources }) =>
    ['cpu', 'memory'].map((name) => [resources?.requests?.[name], resources?.limits?.[name]]),
  );
  if (declared.every(([request, limit]) => request === undefined && limit === undefined)) return 'BestEffort';
  const guaranteed = declared.every(([request, limit]) => limit !== undefined && (request ?? limit) === limit);
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
