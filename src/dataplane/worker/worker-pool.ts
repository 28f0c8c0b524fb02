// All workers of a data plane as one: each call goes to every one of them, and one that dies is replaced with the full state.

import type { Logger } from 'pino';
import type { TypeUrl } from '../../xds/resources.ts';
import type { ClusterView } from '../admin/view.ts';
import type { Publish } from '../config/bind-rules.ts';
import { mergeStats, type StatsSnapshot } from '../stats/snapshot.ts';
import { mergeClusterViews } from './cluster-views.ts';
import type { Applied, ResourceChange, WorkerPort } from './worker-port.ts';
import { WorkerGoneError, type WorkerProcess } from './worker-process.ts';

/** What a pool needs. */
export interface WorkerPoolOptions {
  readonly size: number;
  /** Starts a worker process. All of them bind the same ports: 0 must have been resolved to a number before. */
  readonly start: () => WorkerProcess;
  /** Brings a new worker to the state of the others: everything accepted so far. */
  readonly restore: (worker: WorkerPort) => Promise<void>;
  readonly log: Logger;
}

/** A worker that lives this long counts as well again: its replacement starts immediately. */
const STABLE_MS = 10_000;
const MAX_BACKOFF_MS = 5_000;

/** N worker processes. */
export class WorkerPool implements WorkerPort {
  readonly #options: WorkerPoolOptions;
  readonly #workers = new Set<WorkerProcess>();
  /** What each worker is to publish; there are none before it is known. */
  #publish: readonly Publish[] | undefined;
  #ending = false;
  #backoffMs = 0;
  readonly #restarts = new Set<NodeJS.Timeout>();
  /** Changes of state and the loading of new workers happen one after the other: no worker misses a change. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** The process ids. */
  get pids(): number[] {
    return Array.from(this.#workers, (worker) => worker.pid);
  }

  publish(publish: readonly Publish[]): Promise<Publish[]> {
    return this.#inTurn(async () => {
      const isFirst = this.#publish === undefined;
      this.#publish = publish;
      const call = (worker: WorkerProcess) => worker.publish(publish);
      const [published = []] = isFirst
        ? await Promise.all(Array.from({ length: this.#options.size }, () => call(this.#add())))
        : await this.#all(call);
      return published;
    });
  }

  apply(typeUrl: TypeUrl, changed: readonly ResourceChange[], removed: readonly string[]): Promise<Applied> {
    const plain = changed.map(({ name, value }) => ({ name, value }));
    return this.#inTurn(async () => {
      const answers = await this.#all((worker) => worker.apply(typeUrl, plain, removed));
      // What one worker can't serve counts as refused, though others may serve it: the next configuration settles it.
      const refused = answers.flatMap((answer) => answer.refused);
      return {
        refused: [...new Map(refused.map((refusal) => [refusal.name, refusal])).values()],
        skipped: answers[0]?.skipped ?? [],
      };
    });
  }

  async activate(typeUrl: TypeUrl, names: readonly string[]): Promise<void> {
    await this.#inTurn(() => this.#all((worker) => worker.activate(typeUrl, names)));
  }

  async stats(): Promise<StatsSnapshot> {
    return mergeStats(await this.#all((worker) => worker.stats()));
  }

  async clusters(): Promise<readonly ClusterView[]> {
    return mergeClusterViews(await this.#all((worker) => worker.clusters()));
  }

  async setLogLevel(level: string): Promise<void> {
    await this.#all((worker) => worker.setLogLevel(level));
  }

  async reopenLogs(): Promise<void> {
    await this.#all((worker) => worker.reopenLogs());
  }

  async drain(ms: number): Promise<void> {
    this.#ending = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await this.#all((worker) => worker.drain(ms));
  }

  async close(): Promise<void> {
    this.#ending = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all(Array.from(this.#workers, (worker) => worker.close()));
  }

  #add(): WorkerProcess {
    const worker = this.#options.start();
    const startedAt = performance.now();
    this.#workers.add(worker);
    void worker.exited.then(({ code, signal }) => {
      this.#workers.delete(worker);
      if (!this.#ending) this.#replace(worker.pid, performance.now() - startedAt, code, signal);
    });
    return worker;
  }

  #replace(pid: number, livedMs: number, code: number | null, signal: string | null): void {
    if (livedMs > STABLE_MS) this.#backoffMs = 0;
    const delay = this.#backoffMs;
    this.#backoffMs = Math.min(delay === 0 ? 50 : delay * 2, MAX_BACKOFF_MS);
    this.#options.log.error({ worker: pid, code, signal, restartInMs: delay }, 'worker died, starting another');
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      void this.#inTurn(() => this.#load());
    }, delay);
    this.#restarts.add(timer);
  }

  /** Starts a worker and brings it to the state of the others. Never rejects. */
  async #load(): Promise<void> {
    if (this.#ending) return;
    const worker = this.#add();
    try {
      // One of them that can't be bound was told of when it was asked for.
      await worker.publish(this.#publish ?? []).catch(passConfigError);
      await this.#options.restore(worker);
    } catch (error) {
      if (error instanceof WorkerGoneError) return; // replaced in its turn
      // One that lives without its ports or its state must not: the next one may have more luck.
      this.#options.log.error({ err: error, worker: worker.pid }, 'new worker could not be loaded');
      worker.kill();
    }
  }

  /** Calls every worker; those that die meanwhile have no answer. */
  async #all<Answer>(call: (worker: WorkerProcess) => Promise<Answer>): Promise<Answer[]> {
    const answers = await Promise.allSettled(Array.from(this.#workers, call));
    const failed = answers.find(
      (answer) => answer.status === 'rejected' && !(answer.reason instanceof WorkerGoneError),
    ) as PromiseRejectedResult | undefined;
    if (failed !== undefined) throw failed.reason;
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function passConfigError(error: Error): void {
  if (error.name !== 'ConfigError') throw error;
}
