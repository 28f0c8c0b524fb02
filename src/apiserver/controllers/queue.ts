// Work of a controller: one piece at a time, the same piece once however often it is asked for, tried again when it fails.

import type { ApiContext } from '../api-call.ts';

const RETRY_MS = 1000;

/** Keys to be worked on. */
export class WorkQueue<Key> {
  readonly #waiting = new Set<Key>();
  readonly #work: (key: Key) => Promise<void>;
  readonly #log: ApiContext['log'];
  readonly #retries = new Set<NodeJS.Timeout>();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(log: ApiContext['log'], work: (key: Key) => Promise<void>) {
    this.#log = log;
    this.#work = work;
  }

  add(key: Key): void {
    if (this.#closed) return;
    this.#waiting.add(key);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Ends what is under way and forgets the rest. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    for (const timer of this.#retries) clearTimeout(timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // whoever adds is in the middle of something
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#work(key);
      } catch (error) {
        this.#log.error({ err: error, key: String(key) }, 'API server: controller');
        this.#retry(key);
      }
    }
    this.#running = undefined;
  }

  #retry(key: Key): void {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.add(key);
    }, RETRY_MS);
    timer.unref();
    this.#retries.add(timer);
  }
}
