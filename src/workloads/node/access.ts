// Access to the pods of the node: logs, commands in containers, connections to ports. What the API server's streams lead to.

import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { type ContainerReference, type PodAccess, PodAccessError } from '../../resources/pod-access.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { ContainerRunner } from './container-runner.ts';
import type { NodePod } from './node.ts';

/** Where pods are found. */
interface Pods {
  snapshot: () => Snapshot;
  /** The containers of a pod that runs here. */
  pod: (namespace: string, name: string) => NodePod | undefined;
}

/** The container that kubectl takes where none is named. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';
const CONNECT_MS = 10_000;

/** Gives access to pods. */
export function accessTo(pods: Pods): PodAccess {
  return {
    async logs(reference, options) {
      const container = containerOf(pods, reference);
      const log = container.log(options.previous);
      if (log === undefined) {
        const which = `previous terminated container "${container.spec.name}" in pod "${reference.pod}"`;
        throw new PodAccessError('BadRequest', `${which} not found`);
      }
      const { now, last } = container.state;
      if (!options.previous && now.is === 'waiting' && last === undefined) {
        const which = `container "${container.spec.name}" in pod "${reference.pod}"`;
        const image = now.reason === 'ErrImagePull' || now.reason === 'ImagePullBackOff';
        const why = image ? 'trying and failing to pull image' : now.reason;
        throw new PodAccessError('BadRequest', `${which} is waiting to start: ${why}`);
      }
      return log.read(options);
    },

    async exec(reference, command, terminal) {
      const container = runningContainerOf(pods, reference);
      try {
        return await container.exec(command, terminal);
      } catch (error) {
        throw new PodAccessError('InternalError', (error as Error).message);
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
            new PodAccessError('InternalError', `failed to connect to ${ip}:${boundPort(port)} of pod ${pod}: ${why}`),
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
    if (object === undefined) throw new PodAccessError('NotFound', `pods "${name}" not found`);
    throw new PodAccessError('BadRequest', `pod ${name} does not have a host assigned`);
  }
  const { containers, initContainers, object } = found;
  const wanted = container ?? object.metadata.annotations?.[DEFAULT_CONTAINER] ?? containers[0]?.spec.name ?? '';
  const runner = [...containers, ...initContainers].find(({ spec }) => spec.name === wanted);
  if (runner === undefined) throw new PodAccessError('BadRequest', `container ${wanted} is not valid for pod ${name}`);
  return runner;
}

function runningContainerOf(pods: Pods, reference: ContainerReference): ContainerRunner {
  const container = containerOf(pods, reference);
  if (container.running === undefined)
    throw new PodAccessError(
      'InternalError',
      `unable to upgrade connection: container not found ("${container.spec.name}")`,
    );
  return container;
}

/** Also of a pod that a person runs and a file describes. */
function addressOf({ pod, snapshot }: Pods, namespace: string, name: string) {
  const found = pod(namespace, name);
  const object = snapshot().get('Pod', namespace, name);
  if (object === undefined) throw new PodAccessError('NotFound', `pods "${name}" not found`);
  const ip = found?.ip ?? object.status?.podIP;
  if (ip === undefined || ip === '')
    throw new PodAccessError(
      'BadRequest',
      `pod ${name} is not running. Current status=${object.status?.phase ?? 'Pending'}`,
    );
  const bound = new Map(found?.containers.flatMap(({ state }) => [...state.bound]));
  return { ip, boundPort: (port: number) => bound.get(port) ?? port };
}
