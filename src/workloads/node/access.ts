// Access to running pods: their logs, commands in their containers, connections to their ports. What the API server's streams lead to.

import { connect } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { PassThrough } from 'node:stream';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { RunningCommand } from '../container-runtime.ts';
import type { LogQuery } from './container-log.ts';
import type { ContainerRunner } from './container-runner.ts';
import type { NodePod } from './node.ts';

/** Which container of which pod. Without a name, the pod's only or default one. */
export interface ContainerReference {
  namespace: string;
  pod: string;
  container?: string;
}

/** Why something cannot be done with a pod, in the words of the kubelet and the API server. */
export class AccessError extends Error {
  /** A reason of Kubernetes' Status. */
  readonly reason: 'BadRequest' | 'InternalError' | 'NotFound';

  constructor(reason: AccessError['reason'], message: string) {
    super(message);
    this.name = 'AccessError';
    this.reason = reason;
  }
}

/** Where pods are found. */
export interface Pods {
  snapshot: () => Snapshot;
  /** The containers of a pod that runs here. */
  pod: (namespace: string, name: string) => NodePod | undefined;
}

/** Access to the pods of a node. Each rejects with an {@link AccessError}. */
export interface Access {
  /** What a container wrote; `previous`: in its run before this one. */
  logs(container: ContainerReference, options: LogQuery & { previous: boolean }): Promise<Readable>;
  exec(container: ContainerReference, command: readonly string[], terminal: boolean): Promise<RunningCommand>;
  /** What a container writes from now on, and its input where it has one. */
  attach(container: ContainerReference, terminal: boolean): Promise<RunningCommand>;
  /** A connection to a port of the pod. */
  connect(pod: { namespace: string; pod: string }, port: number): Promise<Duplex>;
}

/** The container that kubectl takes where none is named. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';
const CONNECT_MS = 10_000;

/** Gives access to pods. */
export function accessTo(pods: Pods): Access {
  return {
    async logs(reference, options) {
      const container = containerOf(pods, reference);
      const log = container.log(options.previous);
      if (log === undefined) {
        const which = `previous terminated container "${container.spec.name}" in pod "${reference.pod}"`;
        throw new AccessError('BadRequest', `${which} not found`);
      }
      const { now, last } = container.state;
      if (!options.previous && now.is === 'waiting' && last === undefined) {
        const which = `container "${container.spec.name}" in pod "${reference.pod}"`;
        const image = now.reason === 'ErrImagePull' || now.reason === 'ImagePullBackOff';
        const why = image ? 'trying and failing to pull image' : now.reason;
        throw new AccessError('BadRequest', `${which} is waiting to start: ${why}`);
      }
      return log.read(options);
    },

    async exec(reference, command, terminal) {
      const container = runningContainerOf(pods, reference);
      try {
        return await container.exec(command, terminal);
      } catch (error) {
        throw new AccessError('InternalError', (error as Error).message);
      }
    },

    async attach(reference, terminal) {
      const container = runningContainerOf(pods, reference);
      const { running } = container;
      const output = container.log(false)?.read({ follow: true, timestamps: false, tailLines: 0 }) ?? new PassThrough();
      return {
        ...(running?.stdin === undefined ? {} : { stdin: running.stdin }),
        stdout: output,
        ...(terminal ? {} : { stderr: new PassThrough().end() as PassThrough }),
        exit: running?.exit ?? Promise.resolve(0),
        kill: () => void output.destroy(), // who looks away ends nothing
      };
    },

    connect({ namespace, pod }, port) {
      const { ip, boundPort } = addressOf(pods, namespace, pod);
      return new Promise((resolve, reject) => {
        const socket = connect({ host: ip, port: boundPort(port), timeout: CONNECT_MS });
        const fail = (why: string) => {
          socket.destroy();
          reject(
            new AccessError('InternalError', `failed to connect to ${ip}:${boundPort(port)} of pod ${pod}: ${why}`),
          );
        };
        socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
        socket.once('timeout', () => fail('no answer'));
        socket.once('connect', () => {
          socket.removeAllListeners('error').removeAllListeners('timeout').setTimeout(0);
          resolve(socket);
        });
      });
    },
  };
}

function containerOf(
  { pod, snapshot }: Pods,
  { namespace, pod: name, container }: ContainerReference,
): ContainerRunner {
  const found = pod(namespace, name);
  if (found === undefined) {
    const object = snapshot().get('Pod', namespace, name);
    if (object === undefined) throw new AccessError('NotFound', `pods "${name}" not found`);
    throw new AccessError('BadRequest', `pod ${name} does not have a host assigned`);
  }
  const { containers, object } = found;
  const wanted = container ?? object.metadata.annotations?.[DEFAULT_CONTAINER] ?? containers[0]?.spec.name ?? '';
  const runner = containers.find(({ spec }) => spec.name === wanted);
  if (runner === undefined) throw new AccessError('BadRequest', `container ${wanted} is not valid for pod ${name}`);
  return runner;
}

function runningContainerOf(pods: Pods, reference: ContainerReference): ContainerRunner {
  const container = containerOf(pods, reference);
  if (container.running === undefined)
    throw new AccessError(
      'InternalError',
      `unable to upgrade connection: container not found ("${container.spec.name}")`,
    );
  return container;
}

/** Also of a pod that a person runs and a file describes. */
function addressOf({ pod, snapshot }: Pods, namespace: string, name: string) {
  const found = pod(namespace, name);
  const object = snapshot().get('Pod', namespace, name);
  if (object === undefined) throw new AccessError('NotFound', `pods "${name}" not found`);
  const ip = found?.ip ?? object.status?.podIP;
  if (ip === undefined || ip === '')
    throw new AccessError(
      'BadRequest',
      `pod ${name} is not running. Current status=${object.status?.phase ?? 'Pending'}`,
    );
  const bound = new Map(found?.containers.flatMap(({ state }) => [...state.bound]));
  return { ip, boundPort: (port: number) => bound.get(port) ?? port };
}
