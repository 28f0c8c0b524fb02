// One data plane as a child process: started early, told what to serve, watched, drained at the end.

import { type ChildProcess, fork } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Publish } from '../../dataplane/config/bind-rules.ts';
import { HEAP_FLAGS } from '../../dataplane/worker/heap-flags.ts';
import type { EnvoyFlags } from '../envoy/run.ts';
import type { ProxyFlags } from '../proxy.ts';
import type { DataPlaneMessage, DataPlaneReady, PublishMessage } from './messages.ts';

/** Where a data plane's output goes. */
export interface Output {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Takes a copy of a data plane's output. */
export type Tap = (chunk: Buffer, stream: 'stdout' | 'stderr') => void;

/** A data plane's process. */
export interface DataPlane {
  readonly pid: number | undefined;
  /**
   * Tells it what to do. Call once.
   * @returns resolves when it serves; rejects with an Error for the user when it ends before (a port is taken)
   */
  serve(flags: ProxyFlags | EnvoyFlags, tap?: Tap): Promise<DataPlaneReady>;
  /** Makes these the published ports of one that serves, whose connections go on. Resolves when they are, or when it has ended. */
  publish(ports: readonly Publish[]): Promise<void>;
  /** Its exit code, 128 + the signal's number where one ended it. Nothing of what it started is left then. */
  readonly exit: Promise<number>;
  /** Lets requests under way finish, then ends it; `graceMs` later by force (undefined: when it pleases). Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/**
 * Starts a data plane's process, which loads its code and then waits for `serve`.
 * @param program the module to run: data-plane-process, or envoy-process
 */
export function startDataPlane(program: string, output: Output = process): DataPlane {
  const ready = Promise.withResolvers<DataPlaneReady>();
  ready.promise.catch(() => {}); // whoever called serve() hears of it
  const ended = Promise.withResolvers<number>();
  let fatal: string | undefined;
  let told = false;
  /** Changes of published ports that are under way. */
  const changes: (() => void)[] = [];
  let tap: Tap | undefined;
  // A process group of its own: Ctrl-C reaches the supervisor alone, which drains in order.
  const child = fork(program, [], {
    execArgv: [...process.execArgv, ...HEAP_FLAGS],
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const { pid } = child;
  for (const name of ['stdout', 'stderr'] as const)
    forward(child[name] as Readable, output[name], (chunk) => tap?.(chunk, name));
  child.on('message', (message: DataPlaneMessage) => {
    if (message.type === 'ready') ready.resolve({ admin: message.admin, published: message.published });
    else if (message.type === 'fatal') fatal = message.message;
    else changes.shift()?.();
  });
  const end = (code: number, how: string) => {
    // What it started (workers, an Envoy) would hold its ports.
    killGroup(pid);
    ready.reject(new Error(fatal ?? `the proxy ended before it was ready (${how})`));
    ended.resolve(code);
  };
  child.on('error', (error) => {
    if (pid === undefined) end(1, error.message);
  });
  child.on('exit', (code, signal) =>
    end(signal === null ? (code ?? 1) : 128 + constants.signals[signal], signal ?? `exit code ${code}`),
  );

  return {
    pid,
    serve(flags, copy) {
      told = true;
      tap = copy;
      child.send(flags, () => {}); // a child that is gone by now says so by its exit
      return ready.promise;
    },
    async publish(ports) {
      const message: PublishMessage = { type: 'publish', publish: ports };
      const answered = new Promise<void>((resolve) => changes.push(resolve));
      child.send(message, () => {}); // a child that is gone by now says so by its exit
      await Promise.race([answered, ended.promise]);
    },
    exit: ended.promise,
    async stop(graceMs) {
      signal(child, told ? 'SIGTERM' : 'SIGKILL');
      const force = graceMs === undefined ? undefined : setTimeout(() => killGroup(pid), graceMs);
      await ended.promise;
      clearTimeout(force);
    },
    kill: () => killGroup(pid),
  };
}

/** Copies what comes, as fast as it is taken. The end of the one is not the end of the other. */
function forward(from: Readable, to: Writable, tap: (chunk: Buffer) => void): void {
  from.on('error', () => {});
  from.on('data', (chunk: Buffer) => {
    tap(chunk);
    if (to.writable && !to.write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) child.kill(name);
}

/** Ends a data plane's process, which leads a process group, and all that it started. */
function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // nothing is left of it
  }
}
