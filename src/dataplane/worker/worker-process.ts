// A worker in a process of its own, as the primary sees it: the same interface, each call a message and its answer.

import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { ConfigError } from '../connection.ts';
import { HEAP_FLAGS } from './heap-flags.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { WorkerOptions } from './worker.ts';
import { WORKER_METHODS, type WorkerMethod, type WorkerPort } from './worker-port.ts';

/** A running worker process. */
export interface WorkerProcess extends WorkerPort {
  readonly pid: number;
  /** Resolves when the process is gone, with how it ended. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Ends it at once. */
  kill(): void;
}

/** Calls of a worker that is gone are rejected with this. */
export class WorkerGoneError extends Error {
  override readonly name = 'WorkerGoneError';
}

const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url));

/** Starts a worker process. Its log lines go to `log`. */
export function startWorkerProcess(options: WorkerOptions, log: Logger): WorkerProcess {
  // Each worker accepts on the shared sockets by itself: no hop through the primary, and a connection goes to a worker that has time for it.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const execArgv = [...process.execArgv.filter((flag) => !HEAP_FLAGS.includes(flag)), ...HEAP_FLAGS];
  cluster.setupPrimary({ exec: PROGRAM, args: [], execArgv, serialization: 'advanced', silent: false });
  const child = cluster.fork();
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  let nextId = 1;
  const { promise: exited, resolve: onExited } = Promise.withResolvers<{
    code: number | null;
    signal: string | null;
  }>();

  const send = (message: ToWorker) => {
    if (child.isConnected()) child.send(message, undefined, () => {}); // one that is gone says so by 'exit'
  };
  child.on('message', (message: FromWorker) => {
    if (message.type === 'log') return passOn(message.line, child, log);
    const call = calls.get(message.id);
    calls.delete(message.id);
    if (message.type === 'result') call?.resolve(message.result);
    else call?.reject(message.name === 'ConfigError' ? new ConfigError(message.message) : new Error(message.message));
  });
  child.on('error', (error) => log.error({ err: error, worker: child.process.pid }, 'worker process'));
  child.on('exit', (code, signal) => {
    for (const call of calls.values()) call.reject(new WorkerGoneError('the worker process ended'));
    calls.clear();
    onExited({ code, signal });
  });
  send({ type: 'start', options, logLevel: log.level });

  const call = (method: WorkerMethod, args: readonly unknown[]): Promise<unknown> => {
    if (child.isDead()) return Promise.reject(new WorkerGoneError('the worker process ended'));
    const answer = Promise.withResolvers<unknown>();
    const id = nextId++;
    calls.set(id, answer);
    send({ type: 'call', id, method, args });
    return answer.promise;
  };
  const methods = Object.fromEntries(
    WORKER_METHODS.map((method) => [method, (...args: readonly unknown[]) => call(method, args)]),
  ) as unknown as WorkerPort;
  return {
    ...methods,
    pid: child.process.pid ?? 0,
    exited,
    async close() {
      await methods.close().catch(() => {});
      child.kill('SIGKILL');
      await exited;
    },
    kill: () => void child.process.kill('SIGKILL'),
  };
}

const LEVELS: Record<number, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
};

/** A worker's log record, written by the primary's logger. */
function passOn(line: string, child: ClusterWorker, log: Logger): void {
  const { level, time: _time, msg, ...fields } = JSON.parse(line) as { level: number; time: number; msg?: string };
  log[LEVELS[level] ?? 'error']({ ...fields, worker: child.process.pid }, msg ?? '');
}
