// What crosses between the primary and a worker process: calls and their answers, numbered, and the worker's log.

import type { WorkerOptions } from './worker.ts';
import type { WorkerMethod } from './worker-port.ts';

/** From the primary. `start` comes first. */
export type ToWorker =
  | { readonly type: 'start'; readonly options: WorkerOptions; readonly logLevel: string }
  | { readonly type: 'call'; readonly id: number; readonly method: WorkerMethod; readonly args: readonly unknown[] };

/** From a worker. A `log` line is one JSON record of pino. */
export type FromWorker =
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly name: string; readonly message: string }
  | { readonly type: 'log'; readonly line: string };
