// The Service `kubernetes` in namespace default, by which pods find the API server: it comes back when somebody deletes it.

import { keyId, keyOf } from '../../resources/object.ts';
import type { ApiContext } from '../api-call.ts';
import { kubernetesService } from '../system-objects.ts';
import { WorkQueue } from './queue.ts';

/** Keeps the Service and its endpoints from now on. */
export class KubernetesServiceController {
  readonly #queue: WorkQueue<string>;
  readonly #unsubscribe: () => void;

  /** @param port of the API server */
  constructor({ store, log }: ApiContext, port: number) {
    const objects = new Map(kubernetesService(port).map((object) => [keyId(keyOf(object)), object]));
    this.#queue = new WorkQueue(log, async (id) => {
      const object = objects.get(id);
      if (object === undefined) return;
      await store.transact((writer) => {
        if (writer.get(keyOf(object)) === undefined) writer.put(object);
      });
    });
    this.#unsubscribe = store.subscribe((_, changes) => {
      for (const { type, object } of changes) {
        const id = keyId(keyOf(object));
        if (type === 'deleted' && objects.has(id)) this.#queue.add(id);
      }
    });
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.close();
  }
}
