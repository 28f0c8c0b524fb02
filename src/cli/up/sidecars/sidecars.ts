// The proxies of pods as `limen up` runs them: all in one process, which starts with the first of them and is started anew when it dies.

import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import type { Pod } from '../../../resources/types.ts';
import { BackOff } from '../../../workloads/node/back-off.ts';
import type { PodProxy } from '../../../workloads/pod-proxy.ts';
import { exitOf, stopGroup } from '../../../workloads/process-group.ts';
import type { InstanceProxy } from '../../instance.ts';
import type { ProxyFlags } from '../../proxy.ts';
import { sidecarIdOf, workloadOf } from '../gateways/pod-proxy.ts';
import { hasSidecar, type PodTemplate } from './injection.ts';
import type { FromSidecars, ToSidecars } from './messages.ts';

/** What a proxy is told by its pod; the rest (the xDS server, how much is logged) is the same for all. */
export type SidecarFlags = Required<
  Pick<ProxyFlags, 'nodeId' | 'serviceAccount' | 'metadata' | 'address' | 'adminAddress'>
>;

export interface SidecarsOptions {
  /** The module of their process. */
  readonly program: string;
  readonly complete: (flags: SidecarFlags) => ProxyFlags;
  /** A port of a pod's address that can be bound: this one, or another where it is taken. */
  readonly freePort: (ip: string, wanted: number) => Promise<number>;
  readonly log: Logger;
  /** Called whenever `proxies` has changed. */
  readonly onChange: () => void;
}

/** The pods' proxies. */
export interface Sidecars {
  /** Starts their process ahead where one of these, which are there already, will need it: it loads its code meanwhile. */
  expect(workloads: readonly (Pod | PodTemplate)[]): void;
  /** Starts that of a pod; undefined for a pod that gets none. */
  start(pod: Pod, ip: string, changed: () => void): Promise<PodProxy | undefined>;
  /** Those that serve. */
  readonly proxies: readonly InstanceProxy[];
  /** Ends all. */
  close(): Promise<void>;
}

/** Istio's ports: where sidecars take what their workloads send, and their admin interface. */
const PROXY_PORT = 15001;
const ADMIN_PORT = 15000;
/** A proxy that could not start, a port of its being taken, is tried again after this. */
const RETRY_MS = 2_000;
/** Calls between pods of one machine are few: a small space for new objects keeps the process small. */
const NODE_FLAGS = ['--max-semi-space-size=1'];
/** How long the process has to end. */
const CLOSE_GRACE_MS = 1_000;

interface Sidecar {
  readonly id: number;
  readonly pod: Pod;
  readonly ip: string;
  readonly port: number;
  readonly changed: () => void;
  /** `host:port`; undefined while it does not serve. */
  admin: string | undefined;
  listening: boolean;
  problem: string | undefined;
  /** It is told to end, and not to start any more. */
  leaving: boolean;
  readonly gone: PromiseWithResolvers<void>;
  retry: NodeJS.Timeout | undefined;
}

/** Makes ready for pods. */
export function prepareSidecars({ program, complete, freePort, log, onChange }: SidecarsOptions): Sidecars {
  const sidecars = new Map<number, Sidecar>();
  const backOff = new BackOff();
  let child: ChildProcess | undefined;
  let exit: Promise<number> = Promise.resolve(0);
  let restart: NodeJS.Timeout | undefined;
  let count = 0;
  let closed = false;

  function run(): ChildProcess {
    const started = performance.now();
    // A process group of its own: Ctrl-C reaches the supervisor alone, which ends pods in order.
    const process = fork(program, [], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: NODE_FLAGS,
    });
    child = process;
    exit = exitOf(process);
    process.on('message', hear);
    process.on('error', () => {}); // one that could not be started ends by `exit`
    void exit.then((code) => {
      if (child !== process) return;
      child = undefined;
      if (closed || sidecars.size === 0) return;
      for (const sidecar of sidecars.values()) {
        sidecar.admin = undefined;
        clearTimeout(sidecar.retry); // all are begun anew below
      }
      onChange();
      const wait = backOff.next(performance.now() - started);
      log.warn({ code, waitMs: wait }, "the process of the pods' proxies ended; it is started anew");
      restart = setTimeout(() => {
        restart = undefined;
        run();
        for (const sidecar of sidecars.values()) begin(sidecar);
      }, wait);
    });
    return process;
  }

  function begin(sidecar: Sidecar): void {
    order(sidecar).catch((error: Error) => fail(sidecar, error.message));
  }

  /** @throws Error where its address has no port left */
  async function order(sidecar: Sidecar): Promise<void> {
    const { id, pod, ip, port } = sidecar;
    const adminPort = await freePort(ip, ADMIN_PORT);
    // One that started after it was told to end would stay.
    if (sidecar.leaving) return;
    const flags = complete({
      nodeId: sidecarIdOf(pod, ip),
      serviceAccount: pod.spec?.serviceAccountName ?? 'default',
      // No labels: those that the Pod has, whenever they change.
      metadata: [`WORKLOAD_NAME=${workloadOf(pod)}`, `HTTP_PROXY_PORT=${port}`],
      address: ip,
      adminAddress: `${ip}:${adminPort}`,
    });
    send({ type: 'start', id, flags });
  }

  function send(message: ToSidecars): void {
    child?.send(message, () => {}); // one that is gone by now says so by its exit
  }

  function hear(message: FromSidecars): void {
    const sidecar = sidecars.get(message.id);
    if (sidecar === undefined) return;
    switch (message.type) {
      case 'ready':
        sidecar.admin = message.admin;
        sidecar.listening = true;
        sidecar.problem = undefined;
        break;
      case 'failed':
        fail(sidecar, message.message);
        return;
      case 'stopped':
        sidecar.gone.resolve();
        return;
    }
    sidecar.changed();
    onChange();
  }

  function fail(sidecar: Sidecar, reason: string): void {
    if (closed || sidecar.leaving) return;
    log.error({ pod: podId(sidecar.pod), reason }, "the pod's proxy does not serve; it is tried again");
    sidecar.admin = undefined;
    sidecar.problem = reason;
    sidecar.retry = setTimeout(begin, RETRY_MS, sidecar);
    sidecar.changed();
    onChange();
  }

  async function stop(sidecar: Sidecar): Promise<void> {
    sidecar.leaving = true;
    clearTimeout(sidecar.retry);
    if (child !== undefined) {
      send({ type: 'stop', id: sidecar.id });
      await Promise.race([sidecar.gone.promise, exit]);
    }
    sidecars.delete(sidecar.id);
    onChange();
    if (sidecars.size === 0 && !closed) await end();
  }

  async function end(): Promise<void> {
    clearTimeout(restart);
    restart = undefined;
    const ending = child;
    child = undefined;
    if (ending !== undefined) await stopGroup(ending, exit, CLOSE_GRACE_MS);
  }

  return {
    expect(workloads) {
      if (child === undefined && workloads.some(hasSidecar)) run();
    },
    async start(pod, ip, changed) {
      if (closed || !hasSidecar(pod)) return undefined;
      const id = ++count;
      if (child === undefined && restart === undefined) run(); // it loads its code meanwhile
      const port = await freePort(ip, PROXY_PORT);
      const sidecar: Sidecar = {
        ...{ id, pod, ip, port, changed, admin: undefined, listening: false, problem: undefined, retry: undefined },
        leaving: false,
        gone: Promise.withResolvers<void>(),
      };
      sidecars.set(id, sidecar);
      begin(sidecar);
      return {
        url: `http://${ip}:${port}`,
        get listening() {
          return sidecar.listening;
        },
        get problem() {
          return sidecar.problem;
        },
        stop: () => stop(sidecar),
      };
    },
    get proxies() {
      return [...sidecars.values()].flatMap(({ pod, ip, admin }) => {
        if (admin === undefined) return [];
        const { name, namespace = 'default' } = pod.metadata;
        return {
          workload: workloadOf(pod),
          namespace,
          pod: name,
          nodeId: sidecarIdOf(pod, ip),
          ip,
          admin,
          published: [],
        };
      });
    },
    async close() {
      closed = true;
      for (const { retry } of sidecars.values()) clearTimeout(retry);
      await end();
    },
  };
}

function podId({ metadata }: Pod): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`;
}
