// One container's life on the node: started by a runtime, watched by its probes, started anew when it ends, stopped with its pod. One that
// prepares the pod (an init container) ends once it has succeeded.

import { setTimeout as delay } from 'node:timers/promises';
import { graceSecondsOf } from '../../resources/grace-period.ts';
import type { RunningCommand } from '../../resources/pod-access.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Pod } from '../../resources/types.ts';
import {
  type BoundPorts,
  type Container,
  type ContainerRuntime,
  ImageError,
  type RunningContainer,
} from '../container-runtime.ts';
import type { Happening } from '../events.ts';
import { BackOff } from './back-off.ts';
import { ContainerLog } from './container-log.ts';
import type { ContainerState, Ended } from './container-state.ts';
import { declaredPorts } from './declared-ports.ts';
import { ContainerConfigError, environmentOf, expand } from './environment.ts';
import { runCommand } from './exec.ts';
import { connects, type Probe, type ProbeTarget, probeOnce } from './probes.ts';
import { proxyVariables } from './proxy-variables.ts';

/** What a container needs of its node. */
export interface ContainerHost {
  runtimes: readonly ContainerRuntime[];
  /** What to say where no runtime runs an image. */
  unknownImage: (image: string) => string;
  snapshot: () => Snapshot;
  /** The pod as the store has it now. */
  pod: () => Pod;
  ip: string;
  /** Of the pod's proxy, where it has one. */
  proxyUrl: string | undefined;
  clock: () => number;
  /** Something about the state has changed. */
  changed: () => void;
  event: (happening: Omit<Happening, 'about' | 'source'>) => void;
}

/**
 * What a container does for its pod: `init` runs to its end before the others start; `sidecar` is an init container that goes on beside them.
 * https://kubernetes.io/docs/concepts/workloads/pods/init-containers/
 */
export type ContainerRole = 'main' | 'init' | 'sidecar';

/** How often a port is tried until it accepts. */
const CONNECT_MS = 100;
/** How long an image that could not be had is an ErrImagePull before it is an ImagePullBackOff. */
const PULL_FAILURE_MS = 500;
/** Until a probe first succeeds it is asked this often, where its period is longer: a local process is up in a second. */
const FIRST_PROBES_MS = 1000;

/** What containers wait for while those that prepare the pod are not done. */
const INITIALIZING = { is: 'waiting', reason: 'PodInitializing' } as const;
const CREATING = { is: 'waiting', reason: 'ContainerCreating' } as const;

/** A container of a pod. */
export class ContainerRunner {
  readonly spec: Container;
  readonly #role: ContainerRole;
  readonly #host: ContainerHost;
  readonly #backOff = new BackOff();
  readonly #stopped = new AbortController();
  #now: ContainerState['now'] = CREATING;
  #last: Ended | undefined;
  #restartCount: number;
  #ready = false;
  #bound: BoundPorts = new Map();
  #running: RunningContainer | undefined;
  #environment: Record<string, string> = {};
  #log: ContainerLog;
  #previousLog: ContainerLog | undefined;
  #ended: Promise<void> | undefined;
  /** Resolves when it is first ready. */
  readonly #served = Promise.withResolvers<void>();
  /** The grace of the stop under way, milliseconds. */
  #graceMs: number | undefined;

  /** @param restartCount how often it ran before in this pod: a Limen that was started anew counts */
  constructor(spec: Container, role: ContainerRole, host: ContainerHost, restartCount: number) {
    this.spec = spec;
    this.#role = role;
    this.#host = host;
    if (role === 'main' && (host.pod().spec?.initContainers ?? []).length > 0) this.#now = INITIALIZING;
    this.#restartCount = restartCount;
    this.#log = new ContainerLog(host.clock);
  }

  /** As it is now. */
  get state(): ContainerState {
    return {
      name: this.spec.name,
      image: this.spec.image ?? '',
      role: this.#role,
      now: this.#now,
      ...(this.#last === undefined ? {} : { last: this.#last }),
      restartCount: this.#restartCount,
      ready: this.#ready,
      bound: this.#bound,
    };
  }

  /** The container where it runs. */
  get running(): RunningContainer | undefined {
    return this.#running;
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#environment;
  }

  /** The log of this run; of the one before, which may not be there. */
  log(previous: boolean): ContainerLog | undefined {
    return previous ? this.#previousLog : this.#log;
  }

  /** Whether it has come as far as it will for now: it is ready, waits for something to change, or has ended. */
  get settled(): boolean {
    return (
      this.#ready ||
      this.#now.is === 'terminated' ||
      (this.#now.is === 'waiting' && this.#now !== CREATING && this.#now !== INITIALIZING) ||
      this.#last !== undefined
    );
  }

  /** Runs it from now on. */
  start(): void {
    if (this.#now === INITIALIZING) this.#now = CREATING;
    this.#ended ??= this.#live();
  }

  /**
   * Runs one that prepares the pod, until the next may start.
   * @returns whether it has done its work; not if it failed for good or was stopped
   */
  async prepare(): Promise<boolean> {
    this.start();
    if (this.#role === 'sidecar') await Promise.race([this.#ended, this.#served.promise]);
    else await this.#ended;
    return this.#ready;
  }

  /** Ends it for good; with another grace than before, that counts. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#graceMs === undefined || graceMs < this.#graceMs) {
      this.#graceMs = graceMs;
      this.#stopped.abort();
      await this.#running?.stop(graceMs);
    }
    await this.#ended;
  }

  /** Runs a command beside it. */
  async exec(command: readonly string[], terminal: boolean): Promise<RunningCommand> {
    const running = this.#running;
    if (running === undefined) throw new Error(`container ${this.spec.name} is not running`);
    return running.exec === undefined
      ? await runCommand(command, { env: this.#environment, pid: running.pid, terminal })
      : await running.exec(command, terminal);
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const startedAt = this.#host.clock();
      let isImage = false;
      let started = false;
      try {
        this.#running = await this.#create();
        started = true;
      } catch (error) {
        isImage = error instanceof ImageError;
        const reason = isImage
          ? 'ErrImagePull'
          : error instanceof ContainerConfigError
            ? 'CreateContainerConfigError'
            : 'CreateContainerError';
        const { message } = error as Error;
        this.#become({ is: 'waiting', reason, message });
        const what = isImage ? `Failed to pull image "${this.spec.image ?? ''}": ${message}` : `Error: ${message}`;
        this.#event('Warning', 'Failed', what);
      }
      if (started) {
        const ended = await this.#watch(this.#running as RunningContainer, startedAt);
        this.#running = undefined;
        this.#ready = false;
        if (this.#isStopped || !this.#restarts(ended.exitCode)) {
          this.#log.end();
          this.#ready = this.#role === 'init' && ended.exitCode === 0;
          return this.#become({ is: 'terminated', ...ended });
        }
        this.#last = ended;
        this.#become({ is: 'terminated', ...ended });
      }
      await this.#wait(started, isImage, this.#host.clock() - startedAt);
      if (started && !this.#isStopped) {
        this.#restartCount++;
        this.#previousLog = this.#log;
        this.#log = new ContainerLog(this.#host.clock);
      }
    }
    this.#log.end();
  }

  /** Has a runtime start it. */
  async #create(): Promise<RunningContainer> {
    const { spec } = this;
    const { runtimes, ip, proxyUrl, snapshot, pod, clock } = this.#host;
    const image = spec.image ?? '';
    const runtime = await firstThatRuns(image, runtimes);
    if (runtime === undefined) throw new ImageError(this.#host.unknownImage(image));
    const own = environmentOf(spec, pod(), ip, snapshot());
    const proxied = proxyUrl !== undefined && runtime.isolated !== true;
    const env = proxied ? { ...proxyVariables(proxyUrl, own), ...own } : own;
    this.#environment = env;
    const log = this.#log;
    const running = await runtime.start({
      pod: pod(),
      spec,
      image,
      ip,
      env,
      command: (spec.command ?? []).map((word) => expand(word, env)),
      args: (spec.args ?? []).map((word) => expand(word, env)),
      restartCount: this.#restartCount,
      write: (chunk, stream) => log.write(chunk, stream),
    });
    void running.exit.then(() => log.end());
    this.#event('Normal', 'Pulled', `Container image "${image}" already present on machine`);
    this.#event('Normal', 'Created', `Created container: ${spec.name}`);
    this.#event('Normal', 'Started', `Started container ${spec.name}`);
    if (proxyUrl !== undefined && !proxied) {
      const message = `Container ${spec.name} runs with ${runtime.name}, out of reach of the pod's proxy ${proxyUrl}: its calls do not go through the mesh`;
      this.#event('Warning', 'NoProxy', message);
    }
    const id = `${runtime.name}://${pod().metadata.uid}-${spec.name}-${this.#restartCount}`;
    this.#become({ is: 'running', startedAt: clock(), containerID: id });
    return running;
  }

  /** Until it has ended. */
  async #watch(running: RunningContainer, startedAt: number): Promise<Ended> {
    const over = new AbortController();
    if (this.#isStopped) void running.stop(this.#graceMs ?? 0);
    const containerID = this.#now.is === 'running' ? this.#now.containerID : '';
    const watched = this.#follow(running, over.signal).catch((error: unknown) => {
      if (!over.signal.aborted) this.#event('Warning', 'Unhealthy', String(error));
    });
    const exitCode = await running.exit;
    over.abort();
    await watched;
    return {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      startedAt,
      finishedAt: this.#host.clock(),
      containerID,
    };
  }

  /** Readiness and probes, while it runs. */
  async #follow(running: RunningContainer, over: AbortSignal): Promise<void> {
    if (this.#role === 'init') return; // it is ready when it is done
    const { startupProbe, livenessProbe, readinessProbe } = this.spec;
    try {
      this.#bound = (await running.listening) ?? new Map();
    } catch (error) {
      if (over.aborted) return;
      this.#event('Warning', 'Unhealthy', (error as Error).message);
      return;
    }
    if (running.listening === undefined && readinessProbe === undefined) await this.#untilAccepting(over);
    if (startupProbe !== undefined && !(await this.#untilStarted(startupProbe, over, running))) return;
    await Promise.all([
      livenessProbe === undefined ? undefined : this.#whileAlive(livenessProbe, over, running),
      this.#whileReady(readinessProbe, over),
    ]);
  }

  /** Until each declared port accepts: what is ready where no probe says. */
  async #untilAccepting(over: AbortSignal): Promise<void> {
    for (const port of declaredPorts(this.spec)) {
      while (!over.aborted && (await connects(this.#host.ip, port, 1000)) !== undefined) await rest(CONNECT_MS, over);
    }
  }

  async #whileReady(probe: Probe | undefined, over: AbortSignal): Promise<void> {
    if (over.aborted) return;
    if (probe === undefined) return this.#setReady(true);
    const { initialDelaySeconds = 0, successThreshold = 1, failureThreshold = 3 } = probe;
    await rest(initialDelaySeconds * 1000, over);
    let good = 0;
    let bad = 0;
    while (!over.aborted) {
      const failure = await probeOnce(probe, this.#target);
      if (over.aborted) return;
      good = failure === undefined ? good + 1 : 0;
      bad = failure === undefined ? 0 : bad + 1;
      if (failure !== undefined) this.#event('Warning', 'Unhealthy', `Readiness probe failed: ${failure}`);
      if (good >= successThreshold) this.#setReady(true);
      else if (bad >= failureThreshold) this.#setReady(false);
      await rest(this.#ready ? periodOf(probe) : Math.min(periodOf(probe), FIRST_PROBES_MS), over);
    }
  }

  async #whileAlive(probe: Probe, over: AbortSignal, running: RunningContainer): Promise<void> {
    await rest((probe.initialDelaySeconds ?? 0) * 1000, over);
    let bad = 0;
    while (!over.aborted) {
      const failure = await probeOnce(probe, this.#target);
      if (over.aborted) return;
      bad = failure === undefined ? 0 : bad + 1;
      if (failure !== undefined) this.#event('Warning', 'Unhealthy', `Liveness probe failed: ${failure}`);
      if (bad >= (probe.failureThreshold ?? 3)) return this.#kill('liveness', running);
      await rest(periodOf(probe), over);
    }
  }

  /** Whether it has started in time; if not, it is killed. */
  async #untilStarted(probe: Probe, over: AbortSignal, running: RunningContainer): Promise<boolean> {
    await rest((probe.initialDelaySeconds ?? 0) * 1000, over);
    for (let bad = 0; !over.aborted; ) {
      const failure = await probeOnce(probe, this.#target);
      if (over.aborted) break;
      if (failure === undefined) return true;
      this.#event('Warning', 'Unhealthy', `Startup probe failed: ${failure}`);
      if (++bad >= (probe.failureThreshold ?? 3)) {
        this.#kill('startup', running);
        break;
      }
      await rest(periodOf(probe), over);
    }
    return false;
  }

  #kill(probe: string, running: RunningContainer): void {
    this.#event('Normal', 'Killing', `Container ${this.spec.name} failed ${probe} probe, will be restarted`);
    this.#setReady(false);
    void running.stop(graceSecondsOf(this.#host.pod()) * 1000);
  }

  get #target(): ProbeTarget {
    return {
      container: this.spec,
      ip: this.#host.ip,
      boundPort: (port) => this.#bound.get(port) ?? port,
      exec: async (command, timeoutMs) => {
        const running = await this.exec(command, false);
        running.stdin?.end();
        const timer = setTimeout(() => running.kill(), timeoutMs);
        let output = '';
        for (const stream of [running.stdout, running.stderr])
          stream?.on('data', (chunk: Buffer) => {
            if (output.length < 10_240) output += chunk.toString();
          });
        const code = await running.exit;
        clearTimeout(timer);
        return { code, output };
      },
    };
  }

  #restarts(exitCode: number): boolean {
    const policy = this.#host.pod().spec?.restartPolicy ?? 'Always';
    if (this.#role === 'sidecar') return true;
    if (this.#role === 'init') return exitCode !== 0 && policy !== 'Never';
    return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
  }

  /** Waits before the next try. */
  async #wait(started: boolean, isImage: boolean, ranMs: number): Promise<void> {
    let wait = this.#backOff.next(started ? ranMs : undefined);
    if (wait === 0 || this.#isStopped) return;
    const { name, namespace = '', uid = '' } = this.#host.pod().metadata;
    if (started) {
      const restarting = `restarting failed container=${this.spec.name} pod=${name}_${namespace}(${uid})`;
      this.#become({ is: 'waiting', reason: 'CrashLoopBackOff', message: `back-off ${wait / 1000}s ${restarting}` });
      this.#event(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${this.spec.name} in pod ${name}_${namespace}(${uid})`,
      );
    } else if (isImage && this.#now.is === 'waiting') {
      const { message: why = '' } = this.#now;
      // As in Kubernetes the failure itself stands there first, for whoever looks right after it.
      const first = Math.min(wait, PULL_FAILURE_MS);
      await rest(first, this.#stopped.signal);
      wait -= first;
      if (wait > 0 && !this.#isStopped) {
        const message = `Back-off pulling image "${this.spec.image ?? ''}": ErrImagePull: ${why}`;
        this.#become({ is: 'waiting', reason: 'ImagePullBackOff', message });
        this.#event('Normal', 'BackOff', `Back-off pulling image "${this.spec.image ?? ''}"`);
      }
    }
    await rest(wait, this.#stopped.signal);
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    if (ready) this.#served.resolve();
    this.#host.changed();
  }

  #become(now: ContainerState['now']): void {
    this.#now = now;
    this.#host.changed();
  }

  #event(type: Happening['type'], reason: string, message: string): void {
    if (!this.#isStopped) this.#host.event({ container: this.spec.name, type, reason, message });
  }
}

function periodOf(probe: Probe): number {
  return (probe.periodSeconds ?? 10) * 1000;
}

async function firstThatRuns(
  image: string,
  runtimes: readonly ContainerRuntime[],
): Promise<ContainerRuntime | undefined> {
  for (const runtime of runtimes) if (await runtime.canRun(image)) return runtime;
  return undefined;
}

/** Waits, or less when it is over. Does not keep the process alive. */
async function rest(ms: number, over: AbortSignal): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal: over, ref: false }).catch(() => {});
}
