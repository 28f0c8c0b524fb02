// Everything that runs workloads: the controllers that make pods of Deployments, and the node that runs pods.

import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { NODE_NAME } from '../resources/node.ts';
import type { PodAccess } from '../resources/pod-access.ts';
import type { Store } from '../store/store.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import { runControllers } from './controllers/controller.ts';
import { deployments } from './controllers/deployments.ts';
import { endpointSlices } from './controllers/endpoint-slices.ts';
import { replicaSets } from './controllers/replica-sets.ts';
import { scheduler } from './controllers/scheduler.ts';
import { services } from './controllers/services.ts';
import { recordEvents } from './events.ts';
import { accessTo } from './node/access.ts';
import { runNode } from './node/node.ts';
import type { StartPodProxy } from './pod-proxy.ts';
import { unknownImage } from './runtimes/unknown-image.ts';

/** What the workloads need of the world. */
export interface WorkloadDependencies {
  log: Logger;
  /** In the order they are asked whether they run an image. */
  runtimes: readonly ContainerRuntime[];
  /** An address of this machine for a pod. */
  allocateIp: () => Promise<string> | string;
  /** Starts the proxies of pods; without it there are none. */
  startProxy?: StartPodProxy;
  /** Milliseconds since the epoch. */
  clock?: () => number;
  /** How long a pod that is to go still serves, milliseconds: until nobody sends to it any more (1000 unless given). */
  lingerMs?: number;
}

/** Running workloads. */
export interface Workloads {
  /** Resolves when what runs is what the store asks for, as far as that is possible. */
  settled(): Promise<void>;
  /** Logs, commands, connections. */
  readonly access: PodAccess;
  /** Stops all pods. Their Pod objects stay in the store. */
  close(): Promise<void>;
}

/** A pod's way out of the endpoints reaches the proxies by a push; this is ample for it. */
const LINGER_MS = 1_000;
const POLL_MS = 5;

/** Runs the workloads of the store from now on. */
export function runWorkloads(store: Store, deps: WorkloadDependencies): Workloads {
  const { log, clock = Date.now, lingerMs = LINGER_MS } = deps;
  const events = recordEvents(store, {
    nodeName: NODE_NAME,
    clock,
    onError: (error) => log.error({ err: error }, 'Events cannot be written'),
  });
  const node = runNode(store, {
    name: NODE_NAME,
    log,
    runtimes: deps.runtimes,
    unknownImage,
    allocateIp: deps.allocateIp,
    ...(deps.startProxy === undefined ? {} : { startProxy: deps.startProxy }),
    events,
    clock,
    lingerMs,
  });
  const all = [deployments(clock), replicaSets(clock), scheduler(NODE_NAME, clock), services(), endpointSlices()];
  const controllers = runControllers(store, all, { log, events });

  return {
    async settled() {
      // Controllers and node hand things to each other: it is settled when neither has anything for a whole turn.
      for (let quiet = 0; quiet < 2; ) {
        quiet = controllers.isSettled && node.isSettled ? quiet + 1 : 0;
        await (quiet > 0 ? turn() : new Promise((resolve) => setTimeout(resolve, POLL_MS)));
      }
    },
    access: accessTo({ snapshot: () => store.snapshot, pod: (namespace, name) => node.pod(namespace, name) }),
    async close() {
      await controllers.close();
      await node.close();
      await events.written();
      events.close();
    },
  };
}
