// The program of a worker process: a Worker that is called through messages. Ends with the primary.

import { pino } from 'pino';
import type { FromWorker, ToWorker } from './messages.ts';
import { Worker } from './worker.ts';
import type { WorkerPort } from './worker-port.ts';

let worker: WorkerPort | undefined;

const send = (message: FromWorker) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a primary that is gone: 'disconnect' says so
};

process.on('message', (message: ToWorker) => {
  if (message.type === 'start') {
    const log = pino({ level: message.logLevel, base: null }, { write: (line) => send({ type: 'log', line }) });
    worker = new Worker(message.options, log);
    return;
  }
  if (message.type === 'call') void call(message);
});

async function call({ id, method, args }: Extract<ToWorker, { type: 'call' }>): Promise<void> {
  try {
    if (worker === undefined) throw new Error(`${method} before start`);
    const run = worker[method] as (...args: unknown[]) => Promise<unknown>;
    send({ type: 'result', id, result: await run.apply(worker, [...args]) });
  } catch (error) {
    const { name, message } = error as Error;
    send({ type: 'error', id, name, message });
  }
}

// Signals go to the primary, which tells its workers what to do; Ctrl-C reaches the whole process group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
