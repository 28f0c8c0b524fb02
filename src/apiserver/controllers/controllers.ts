// What runs beside the API: it keeps namespaces, owned objects and CustomResourceDefinitions as they should be.

import type { ResourceObject } from '../../resources/object.ts';
import type { ApiContext } from '../api-call.ts';
import { CustomResourceController } from './custom-resources.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { LastingObjectController } from './lasting-objects.ts';
import { NamespaceController } from './namespaces.ts';

/** Running controllers. */
export interface Controllers {
  /** Resolves when all is as it should be. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts all controllers; resolves when they have looked at everything once.
 * @param lasting objects that come back when they are deleted
 */
export async function startControllers(context: ApiContext, lasting: readonly ResourceObject[]): Promise<Controllers> {
  // Custom resources first: the others ask which kinds there are.
  const all = [
    new CustomResourceController(context),
    new NamespaceController(context),
    new GarbageCollector(context),
    new LastingObjectController(context, lasting),
  ];
  const controllers: Controllers = {
    async idle() {
      for (const controller of all) await controller.idle();
    },
    async close() {
      for (const controller of all) await controller.close();
    },
  };
  await controllers.idle();
  return controllers;
}
