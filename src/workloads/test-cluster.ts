// For tests: a store with workloads that run, and what a Deployment of one container looks like.

import { type Logger, pino } from 'pino';
import type { Deployment, Pod } from '../resources/types.ts';
import { Store } from '../store/store.ts';
import { type AddressPool, createAddressPool } from './addresses.ts';
import type { Container } from './container-runtime.ts';
import { sampleRuntime } from './samples/sample-runtime.ts';
import { runWorkloads, type WorkloadDependencies, type Workloads } from './workloads.ts';

/** A Deployment with one container. */
export interface Wish {
  name?: string;
  image?: string;
  replicas?: number;
  /** 0: none is declared. */
  port?: number;
  env?: Record<string, string>;
  container?: Partial<Container>;
}

/** As a user would write it, in the namespace `default`. */
export function deployment({
  name = 'app',
  image = 'limen/echo',
  replicas = 1,
  port = 8080,
  env = {},
  container = {},
}: Wish = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            {
              name,
              image,
              env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
              ...(port === 0 ? {} : { ports: [{ containerPort: port }] }),
              ...container,
            },
          ],
        },
      },
    },
  };
}

/** A store whose workloads run. */
export class TestCluster {
  readonly store: Store;
  readonly lines: { level: number; msg: string }[] = [];
  readonly log: Logger = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(JSON.parse(line)) });
  readonly #pool: AddressPool;
  #workloads: Workloads | undefined;

  private constructor(pool: AddressPool, store: Store) {
    this.#pool = pool;
    this.store = store;
  }

  static async create(store = new Store()): Promise<TestCluster> {
    return new TestCluster(await createAddressPool(`workloads test ${process.pid}`), store);
  }

  /** Begins to run what is in the store; once. */
  run(deps: Partial<WorkloadDependencies> = {}): Workloads {
    this.#workloads ??= runWorkloads(this.store, {
      log: this.log,
      runtimes: [sampleRuntime()],
      allocateIp: () => this.#pool.allocate(),
      lingerMs: 0,
      ...deps,
    });
    return this.#workloads;
  }

  /** Runs it, and waits until nothing moves any more. */
  async settle(): Promise<void> {
    await this.run().settled();
  }

  async close(): Promise<void> {
    await this.#workloads?.close();
    await this.#pool.close();
  }

  /** Pods that are not on their way out. */
  pods(): Pod[] {
    return this.store.snapshot.list('Pod').filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** The messages of warnings. */
  warnings(): string[] {
    return this.lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
  }

  /** Resolves at the first change of the store after which the condition holds. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (condition()) return resolve();
      const stop = this.store.subscribe(() => {
        if (!condition()) return;
        stop();
        resolve();
      });
    });
  }
}
