// The Service `kubernetes` in namespace default, by which pods find the API server, and the node: they come back when somebody deletes them.

import { keyId, keyOf, type ResourceObject } from '../../resources/object.ts';
import type { ApiContext } from '../api-call.ts';
import { WorkQueue } from './queue.ts';

/** Keeps some objects from now on. */
export class LastingObjectController {
  readonly #queue: WorkQueue<string>;
  readonly #unsubscribe: () => void;

  /** @param lasting as they are made anew */
  constructor({ store, log }: ApiContext, lasting: readonly ResourceObject[]) {
    const objects = new Map(lasting.map((object) => [keyId(keyOf(object)), object]));
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
