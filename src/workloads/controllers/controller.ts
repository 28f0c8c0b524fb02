// The loop that all controllers share: what a change concerns is looked at once more, and what comes out is written as one transaction.

import type { Logger } from 'pino';
import { describeKey, keyOf, type ResourceObject } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Change, Store } from '../../store/store.ts';
import type { EventRecorder, Happening } from '../events.ts';

/** What a controller wants to have done. It is done if the objects are still those it looked at. */
export type Edit =
  /** With a `resourceVersion` it replaces that version, without one it is new. */
  | { put: ResourceObject; because?: Happening }
  /** Of this version. */
  | { delete: ResourceObject; because?: Happening };

/** Keeps some objects as others ask for. */
export interface Controller {
  readonly name: string;
  /** The names (whatever the controller means by them) that a change concerns. */
  concerns(change: Change, snapshot: Snapshot): Iterable<string>;
  /** All names there are, for the start. */
  all(snapshot: Snapshot): Iterable<string>;
  /** What is to be done about one name. Nothing when all is as it should be. */
  reconcile(name: string, snapshot: Snapshot): readonly Edit[];
}

/** Running controllers. */
export interface RunningControllers {
  /** Whether nothing is left to do. */
  readonly isSettled: boolean;
  close(): Promise<void>;
}

/** How soon what could not be written is tried again. */
const RETRY_MS = 1_000;

/** Runs controllers from now on. */
export function runControllers(
  store: Store,
  controllers: readonly Controller[],
  { log, events }: { log: Logger; events: EventRecorder },
): RunningControllers {
  const waiting = new Map<Controller, Set<string>>(controllers.map((controller) => [controller, new Set()]));
  let working: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function add(controller: Controller, names: Iterable<string>): void {
    const set = waiting.get(controller) as Set<string>;
    for (const name of names) set.add(name);
    if (set.size > 0 && !closed) working ??= Promise.resolve().then(work); // whoever adds is in the middle of something
  }

  async function work(): Promise<void> {
    for (let round = take(); round.length > 0 && !closed; round = take()) {
      const { snapshot } = store;
      const edits: Edit[] = [];
      for (const [controller, name] of round) {
        try {
          edits.push(...controller.reconcile(name, snapshot));
        } catch (error) {
          log.error({ err: error, controller: controller.name, name }, 'controller');
        }
      }
      if (edits.length === 0) continue;
      try {
        const done = await store.transact((writer) =>
          edits.filter((edit) => {
            const object = 'put' in edit ? edit.put : edit.delete;
            const key = keyOf(object);
            // What changed meanwhile has been noticed as a change, and is looked at in the next round.
            if (writer.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) return false;
            if ('put' in edit) writer.put(object);
            else writer.delete(key);
            return true;
          }),
        );
        for (const { because } of done) {
          if (because === undefined) continue;
          events.record(because);
          if (because.type === 'Warning') log.warn(`${describeKey(keyOf(because.about))}: ${because.message}`);
        }
      } catch (error) {
        log.error({ err: error }, 'controllers cannot write; they try again');
        retry = setTimeout(() => {
          for (const [controller, name] of round) add(controller, [name]);
        }, RETRY_MS);
      }
    }
    working = undefined;
  }

  /** What is waiting, in the order of the controllers. */
  function take(): [Controller, string][] {
    const all = [...waiting].flatMap(([controller, names]) =>
      [...names].map((name) => [controller, name] as [Controller, string]),
    );
    for (const names of waiting.values()) names.clear();
    return all;
  }

  const unsubscribe = store.subscribe((snapshot, changes) => {
    for (const controller of controllers)
      add(
        controller,
        changes.flatMap((change) => [...controller.concerns(change, snapshot)]),
      );
  });
  for (const controller of controllers) add(controller, controller.all(store.snapshot));

  return {
    get isSettled() {
      return working === undefined;
    },
    async close() {
      closed = true;
      unsubscribe();
      clearTimeout(retry);
      await working;
    },
  };
}
