// One data plane as a child process: started early, told what to serve, watched, started anew when it dies, drained at the end.

import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import type { EnvoyFlags } from '../envoy/run.ts';
import type { ProxyFlags } from '../proxy.ts';
import type { DataPlaneMessage, DataPlaneReady } from './messages.ts';

/** What a data plane is to do. */
export interface DataPlaneTask {
  /** Its pod's name, for the log. */
  name: string;
  /** Its flags at each start; `previous` is what the last one reported, so that a restarted proxy keeps its ports. */
  flags: (previous: DataPlaneReady | undefined) => ProxyFlags | EnvoyFlags;
  /** Called at each start that got ready. */
  onReady: (ready: DataPlaneReady) => void;
  log: Logger;
}

/** A supervised data plane. */
export interface DataPlane {
  /** Resolves when it serves for the first time; rejects when it can't (a port is taken). Call once. */
  serve(task: DataPlaneTask): Promise<DataPlaneReady>;
  /** Lets requests under way finish, then ends it. Resolves when the process is gone. */
  drain(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** A proxy that lives this long counts as well again: the next restart is immediate. */
const STABLE_MS = 10_000;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/**
 * Starts a data plane's process, which loads its code and then waits for `serve`.
 * @param program the module to run: data-plane-process, or envoy-process
 */
export function startDataPlane(program: string): DataPlane {
  const first = Promise.withResolvers<DataPlaneReady>();
  first.promise.catch(() => {}); // whoever called serve() hears of it
  const ended = Promise.withResolvers<void>();
  let task: DataPlaneTask | undefined;
  let child: ChildProcess | undefined;
  let last: DataPlaneReady | undefined;
  let fatal: string | undefined;
  let ending = false;
  let backoffMs = FIRST_BACKOFF_MS;
  let restart: NodeJS.Timeout | undefined;

  const start = () => {
    const startedAt = performance.now();
    // A process group of its own: Ctrl-C reaches the supervisor alone, which drains in order.
    child = fork(program, [], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    tell();
    child.on('message', (message: DataPlaneMessage) => {
      if (message.type === 'ready') {
        last = { admin: message.admin, published: message.published };
        task?.onReady(last);
        first.resolve(last);
      } else if (message.type === 'fatal') {
        fatal = message.message;
      }
    });
    child.on('error', (error) => task?.log.error({ err: error, proxy: task.name }, 'proxy'));
    const { pid } = child;
    child.on('exit', (code, signal) => {
      child = undefined;
      // What it started (workers, an Envoy) would hold its ports.
      if (pid !== undefined) killGroup(pid);
      if (ending) return ended.resolve();
      const how = signal ?? `exit code ${code}`;
      if (last === undefined) {
        ending = true;
        first.reject(new Error(fatal ?? `the proxy ended before it was ready (${how})`));
        return ended.resolve();
      }
      if (performance.now() - startedAt > STABLE_MS) backoffMs = FIRST_BACKOFF_MS;
      task?.log.error({ proxy: task.name, how, reason: fatal, restartInMs: backoffMs }, 'proxy died, starting it anew');
      restart = setTimeout(start, backoffMs);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    });
  };
  const tell = () => {
    // A child that is gone by now says so by its exit; the failed send adds nothing.
    if (task !== undefined) child?.send(task.flags(last), () => {});
  };
  start();

  return {
    serve(given) {
      task = given;
      tell();
      return first.promise;
    },
    drain() {
      if (!ending) {
        ending = true;
        clearTimeout(restart);
        if (child === undefined) ended.resolve();
        else if (task === undefined) child.kill('SIGKILL');
        else child.kill('SIGTERM');
      }
      return ended.promise;
    },
    kill() {
      ending = true;
      clearTimeout(restart);
      if (child?.pid !== undefined) killGroup(child.pid);
    },
  };
}

/** Ends a data plane's process, which leads a process group, and all that it started. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // nothing is left of it
  }
}
