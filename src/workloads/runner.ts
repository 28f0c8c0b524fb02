// Deployments → running pods: starts the sample servers that the Deployments in the store ask for, and puts their Pods into the store.

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { keyOf } from '../resources/object.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import type { Deployment, Pod } from '../resources/types.ts';
import type { Store } from '../store/store.ts';
import type { SampleImage } from './images/image.ts';
import { findImage, imageNames, repositoryOf } from './images/registry.ts';
import {
  type Container,
  environmentOf,
  NODE_NAME,
  type PodPlan,
  planPods,
  podObject,
  type RunningContainer,
} from './pods.ts';
import { type ListeningServer, listen } from './process.ts';

/** What the workloads need of the world. */
export interface WorkloadDependencies {
  log: Logger;
  /** The ready endpoints of a service as `ip:port`, by a name as a pod of that namespace would say it. */
  resolve: (host: string, port: number, fromNamespace: string) => readonly string[];
  /** An address of this machine for a pod. */
  allocateIp: () => Promise<string> | string;
  /** How long a pod that is to go still serves, milliseconds: until nobody sends to it any more (1000 unless given). */
  lingerMs?: number;
}

/** Running workloads. */
export interface Workloads {
  /** Resolves when what runs is what the store asks for, as far as that is possible. */
  settled(): Promise<void>;
  /** Stops all pods. Their Pod objects stay in the store. */
  close(): Promise<void>;
}

/** A pod's way out of the store reaches the proxies by a push; this is ample for it. */
const LINGER_MS = 1_000;
/** Kubernetes' terminationGracePeriodSeconds. */
const TERMINATION_GRACE_MS = 30_000;
/** How soon a port that could not be bound is tried again. */
const RETRY_MS = 1_000;

interface RunningPod {
  plan: PodPlan;
  object: Pod;
  servers: readonly ListeningServer[];
}

/** Runs the Deployments of the store from now on. */
export function runWorkloads(store: Store, deps: WorkloadDependencies): Workloads {
  const { log } = deps;
  const running = new Map<string, RunningPod>();
  /** Pods on their way out: still finishing what is under way. */
  const leaving = new Set<Promise<void>>();
  const cutShort = new AbortController();
  /** What was last warned of, by Deployment. */
  const warned = new Map<string, string>();
  const addresses = new Map<string, string>();
  let closed = false;
  let stale = false;
  let retry: NodeJS.Timeout | undefined;
  let working: Promise<void> | undefined;

  const wake = () => {
    stale = true;
    working ??= Promise.resolve().then(work);
  };

  /** One reconciliation at a time; a change that comes meanwhile makes for another. */
  async function work(): Promise<void> {
    while (stale && !closed) {
      stale = false;
      await reconcile(store.snapshot);
    }
    working = undefined; // in the same turn as the last look at `stale`: a change after it finds nobody at work
  }

  async function reconcile(snapshot: Snapshot): Promise<void> {
    const known = new Set<string>();
    await Promise.all(
      snapshot.list('Deployment').map((deployment) => {
        known.add(deploymentId(deployment));
        return follow(deployment, snapshot).catch((error: unknown) => {
          log.error({ err: error, deployment: deploymentId(deployment) }, 'deployment');
        });
      }),
    );
    for (const [id, pod] of running) if (!known.has(planId(pod.plan))) retire(id, pod);
    for (const id of warned.keys()) if (!known.has(id)) warned.delete(id);
  }

  /** Brings the pods of one Deployment in step with it. Old pods go when the new ones serve, not before. */
  async function follow(deployment: Deployment, snapshot: Snapshot): Promise<void> {
    const id = deploymentId(deployment);
    const plans = planPods(deployment);
    const wanted = new Set(plans.map(podId));
    if (plans.some((plan) => !running.has(podId(plan)))) {
      if (hasOtherPods(deployment, snapshot, running)) return; // someone else runs it
      const images = (plans[0]?.spec.containers ?? []).map(({ image = '' }) => image);
      const unknown = images.find((image) => findImage(image) === undefined);
      if (unknown !== undefined) return warn(id, unknownImage(unknown, deployment));
      const results = await Promise.all(plans.filter((plan) => !running.has(podId(plan))).map(start));
      const failure = results.find((result) => result !== undefined);
      if (failure !== undefined) {
        warn(id, failure);
        clearTimeout(retry);
        if (!closed) retry = setTimeout(wake, RETRY_MS);
        return;
      }
    }
    if (warned.delete(id)) log.info({ deployment: id }, 'deployment runs now');
    for (const [name, pod] of running) if (planId(pod.plan) === id && !wanted.has(name)) retire(name, pod);
  }

  /** Starts a pod and puts it into the store. Returns why it could not, or undefined. */
  async function start(plan: PodPlan): Promise<string | undefined> {
    const id = podId(plan);
    const ip = addresses.get(id) ?? (await deps.allocateIp());
    addresses.set(id, ip);
    const servers: ListeningServer[] = [];
    const containers: RunningContainer[] = [];
    const bound = new Map<number, number>();
    for (const container of plan.spec.containers) {
      const image = findImage(container.image ?? '') as SampleImage;
      const env = environmentOf(container, plan, ip);
      const ports = portsOf(container, image, env);
      containers.push({ container, ports });
      for (const port of ports) {
        const server = image.createServer({
          repository: repositoryOf(container.image ?? ''),
          ip,
          port,
          podName: plan.name,
          namespace: plan.namespace,
          serviceAccount: plan.serviceAccount,
          nodeName: NODE_NAME,
          env,
          args: container.args ?? [],
          resolve: (host, servicePort) => deps.resolve(host, servicePort, plan.namespace),
          log,
        });
        try {
          const listening = await listen(server, ip, port).catch((error: NodeJS.ErrnoException) => {
            if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
            return listen(server, ip, 0);
          });
          servers.push(listening);
          bound.set(port, listening.port);
        } catch (error) {
          await Promise.all(servers.map((started) => started.close(AbortSignal.abort())));
          return bindFailure(ip, port, (error as NodeJS.ErrnoException).code ?? String(error), plan);
        }
      }
    }
    if (closed) {
      await Promise.all(servers.map((server) => server.close(cutShort.signal)));
      return undefined;
    }
    const object = podObject(plan, ip, containers, bound);
    running.set(id, { plan, object, servers });
    store.put(object);
    log.info({ pod: id, ip, ports: servers.map(({ port }) => port) }, 'pod runs');
    return undefined;
  }

  /** Takes a pod out of the store; its servers go on until nobody sends to them any more. */
  function retire(id: string, pod: RunningPod): void {
    running.delete(id);
    addresses.delete(id);
    store.delete(keyOf(pod.object));
    log.info({ pod: id }, 'pod leaves');
    const gone = leave(pod).finally(() => leaving.delete(gone));
    leaving.add(gone);
  }

  async function leave(pod: RunningPod): Promise<void> {
    const { signal } = cutShort;
    await delay(deps.lingerMs ?? LINGER_MS, undefined, { signal }).catch(() => {}); // rejects when it is cut short
    const cut = AbortSignal.any([signal, AbortSignal.timeout(TERMINATION_GRACE_MS)]);
    await Promise.all(pod.servers.map((server) => server.close(cut)));
  }

  function warn(id: string, message: string): void {
    if (warned.get(id) === message) return;
    warned.set(id, message);
    log.warn({ deployment: id }, message);
  }

  const unsubscribe = store.subscribe((_snapshot, changes) => {
    if (changes.some(({ object }) => object.kind === 'Deployment' || object.kind === 'Pod')) wake();
  });
  wake();

  return {
    async settled() {
      while (working !== undefined) await working;
    },
    async close() {
      closed = true;
      unsubscribe();
      clearTimeout(retry);
      cutShort.abort();
      await working;
      await Promise.all(
        [...running.values()].flatMap((pod) => pod.servers.map((server) => server.close(cutShort.signal))),
      );
      await Promise.all(leaving);
      running.clear();
    },
  };
}

function deploymentId({ metadata }: Deployment): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`;
}

function planId(plan: PodPlan): string {
  return `${plan.namespace}/${plan.deployment}`;
}

function podId(plan: PodPlan): string {
  return `${plan.namespace}/${plan.name}`;
}

/** Are there pods of this Deployment that came with the configuration (the built-in gateway's, or a process of one's own)? */
function hasOtherPods(
  { metadata, spec }: Deployment,
  snapshot: Snapshot,
  running: ReadonlyMap<string, RunningPod>,
): boolean {
  const selector = Object.entries(spec?.selector.matchLabels ?? {});
  if (selector.length === 0) return false;
  return snapshot
    .list('Pod')
    .some(
      (pod) =>
        pod.metadata.namespace === metadata.namespace &&
        !running.has(`${pod.metadata.namespace}/${pod.metadata.name}`) &&
        selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
    );
}

/** The TCP ports a container listens on: those it declares, or its image's own. */
function portsOf(container: Container, image: SampleImage, env: Record<string, string>): number[] {
  const declared = (container.ports ?? [])
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .map(({ containerPort }) => containerPort);
  return declared.length > 0 ? [...new Set(declared)] : [image.defaultPort(env)];
}

function unknownImage(image: string, { metadata }: Deployment): string {
  const namespace = metadata.namespace ?? 'default';
  return (
    `no pod for Deployment ${namespace}/${metadata.name}: spec.template.spec.containers names the image "${image}", and Limen ` +
    `runs its built-in sample images only (${imageNames().join(', ')}). Start the process yourself and add a Pod with the ` +
    `Deployment's labels and its address as status.podIP, or an EndpointSlice or WorkloadEntry with that address, for the Service to find it`
  );
}

function bindFailure(ip: string, port: number, code: string, plan: PodPlan): string {
  return `no pod for Deployment ${planId(plan)}: ${ip}:${port} can't be bound (${code}). Limen tries again every ${RETRY_MS / 1000} s`;
}
