// One data plane as a child process: started, watched, started anew when it dies, drained at the end.

import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';

/** What a data plane reports over IPC once it serves. */
export interface DataPlaneReady {
  /** `host:port` of its admin interface. */
  admin: string;
  published: { host: string; port: number; listenerPort: number }[];
}

/** Messages a data plane sends to its supervisor. */
export type DataPlaneMessage = ({ type: 'ready' } & DataPlaneReady) | { type: 'fatal'; message: string };

/** How to start a data plane. */
export interface DataPlaneOptions {
  /** Its pod's name, for the log. */
  name: string;
  /** The program: `bin/limen.js`. */
  program: string;
  /** Arguments for the next start; `previous` is what the last one reported, so that a restarted proxy keeps its ports. */
  args: (previous: DataPlaneReady | undefined) => string[];
  log: Logger;
  /** Called at each start that got ready. */
  onReady: (ready: DataPlaneReady) => void;
}

/** A supervised data plane. */
export interface DataPlane {
  /** Resolves when it serves for the first time; rejects when it can't (a port is taken). */
  readonly ready: Promise<DataPlaneReady>;
  /** Lets requests under way finish, then ends it. Resolves when the process is gone. */
  drain(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** A proxy that lives this long counts as well again: the next restart is immediate. */
const STABLE_MS = 10_000;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/** Starts a data plane and keeps it running until `drain` or `kill`. */
export function superviseDataPlane(options: DataPlaneOptions): DataPlane {
  const { log, name } = options;
  const { promise, resolve, reject } = Promise.withResolvers<DataPlaneReady>();
  promise.catch(() => {}); // whoever awaits `ready` hears of it; a later failure is logged
  let child: ChildProcess | undefined;
  let last: DataPlaneReady | undefined;
  let fatal: string | undefined;
  let ending = false;
  let backoffMs = FIRST_BACKOFF_MS;
  let restart: NodeJS.Timeout | undefined;
  let gone: () => void = () => {};
  const ended = new Promise<void>((done) => {
    gone = done;
  });

  const start = () => {
    const startedAt = performance.now();
    // A process group of its own: Ctrl-C reaches the supervisor alone, which drains in order.
    child = fork(options.program, options.args(last), {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (message: DataPlaneMessage) => {
      if (message.type === 'ready') {
        last = { admin: message.admin, published: message.published };
        options.onReady(last);
        resolve(last);
      } else if (message.type === 'fatal') {
        fatal = message.message;
      }
    });
    child.on('error', (error) => log.error({ err: error, proxy: name }, 'proxy'));
    child.on('exit', (code, signal) => {
      child = undefined;
      if (ending) return gone();
      if (last === undefined) {
        ending = true;
        reject(new Error(fatal ?? `the proxy ended before it was ready (${signal ?? `exit code ${code}`})`));
        return gone();
      }
      if (performance.now() - startedAt > STABLE_MS) backoffMs = FIRST_BACKOFF_MS;
      log.error({ proxy: name, code, signal, reason: fatal, restartInMs: backoffMs }, 'proxy died, starting it anew');
      restart = setTimeout(start, backoffMs);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    });
  };
  start();

  return {
    ready: promise,
    drain() {
      if (!ending) {
        ending = true;
        clearTimeout(restart);
        if (child === undefined) gone();
        else child.kill('SIGTERM');
      }
      return ended;
    },
    kill() {
      ending = true;
      clearTimeout(restart);
      child?.kill('SIGKILL');
    },
  };
}
