// CustomResourceDefinitions: each that is in order brings a kind, says so in its status, and takes its objects along when it goes.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/

import { kindId } from '../../resources/object.ts';
import type { ApiContext } from '../api-call.ts';
import { type CustomResourceDefinition, customKind } from '../custom-resource-definition.ts';
import { deleteObject, NO_PRECONDITIONS } from '../deletion.ts';
import { seconds } from '../writes/write-object.ts';
import { WorkQueue } from './queue.ts';

export const DEFINITION = 'CustomResourceDefinition.apiextensions.k8s.io';
/** Its objects go before it. */
const FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/** Serves the kinds of definitions from now on. */
export class CustomResourceController {
  readonly #context: ApiContext;
  readonly #queue: WorkQueue<string>;
  readonly #unsubscribe: () => void;
  /** Kinds (by id) whose objects are being deleted with their definition: kind id → the definition's name. */
  readonly #leaving = new Map<string, string>();

  constructor(context: ApiContext) {
    this.#context = context;
    this.#queue = new WorkQueue(context.log, (name) => this.#reconcile(name));
    this.#serve();
    this.#unsubscribe = context.store.subscribe((_, changes) => {
      let isChanged = false;
      for (const { type, object } of changes) {
        const id = kindId(object.apiVersion.split('/')[0]!, object.kind);
        if (id === DEFINITION) {
          isChanged = true;
          if (type !== 'deleted') this.#queue.add(object.metadata.name);
        } else if (this.#leaving.has(id)) this.#queue.add(this.#leaving.get(id)!);
      }
      if (isChanged) this.#serve();
    });
    for (const { metadata } of context.store.snapshot.listOf(DEFINITION)) this.#queue.add(metadata.name);
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.close();
  }

  #definitions(): CustomResourceDefinition[] {
    return this.#context.store.snapshot.listOf(DEFINITION) as CustomResourceDefinition[];
  }

  /** Makes the registry what the definitions say. */
  #serve(): void {
    const { registry } = this.#context;
    const kinds = this.#definitions()
      .filter(({ spec }) => !registry.isBuiltIn(spec.group, spec.names.plural, spec.names.kind))
      .map(customKind);
    registry.setCustom(kinds.filter((kind) => kind !== undefined));
  }

  async #reconcile(name: string): Promise<void> {
    const { store, clock } = this.#context;
    const definition = store.snapshot.getOf(DEFINITION, '', name) as CustomResourceDefinition | undefined;
    if (definition === undefined) return;
    if (definition.metadata.deletionTimestamp !== undefined) return this.#cleanUp(definition);
    const { registry } = this.#context;
    const { group, names } = definition.spec;
    const isBuiltIn = registry.isBuiltIn(group, names.plural, names.kind);
    const next = established(definition, seconds(clock()), isBuiltIn);
    if (next !== definition)
      await store.transact((writer) => {
        const current = writer.get({
          group: 'apiextensions.k8s.io',
          kind: 'CustomResourceDefinition',
          namespace: '',
          name,
        });
        if (current !== undefined && current.metadata.deletionTimestamp === undefined)
          writer.put(established(current as CustomResourceDefinition, seconds(clock()), isBuiltIn));
      });
  }

  /** Deletes the objects of a definition that is to go; when none is left, it goes. */
  async #cleanUp(definition: CustomResourceDefinition): Promise<void> {
    const { store, registry } = this.#context;
    const { group, names } = definition.spec;
    const id = kindId(group, names.kind);
    const { name } = definition.metadata;
    const resource = registry.isBuiltIn(group, names.plural, names.kind) ? undefined : registry.stored(id);
    const objects = resource === undefined ? [] : store.snapshot.listOf(id);
    if (resource !== undefined && objects.length > 0) {
      this.#leaving.set(id, name);
      const fresh = objects.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      if (fresh.length > 0)
        await store.transact((writer) => {
          for (const { metadata } of fresh) {
            const current = writer.get(resource.key(metadata.namespace ?? '', metadata.name));
            if (current !== undefined)
              deleteObject(
                writer,
                current,
                resource,
                {
                  isDryRun: false,
                  propagation: 'Background',
                  gracePeriodSeconds: undefined,
                  preconditions: NO_PRECONDITIONS,
                },
                this.#context,
              );
          }
        });
      if (store.snapshot.listOf(id).length > 0) return;
    }
    this.#leaving.delete(id);
    await store.transact((writer) => {
      const key = { group: 'apiextensions.k8s.io', kind: 'CustomResourceDefinition', namespace: '', name };
      const current = writer.get(key);
      if (current === undefined) return;
      const finalizers = (current.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
      const { finalizers: _, ...metadata } = current.metadata;
      if (finalizers.length === 0) writer.delete(key);
      else writer.put({ ...current, metadata: { ...metadata, finalizers } });
    });
  }
}

interface Condition {
  type: string;
  status: string;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

/** A definition that is served, with the status and the finalizer of one. The same object when it has them already. */
function established(definition: CustomResourceDefinition, now: string, isBuiltIn: boolean): CustomResourceDefinition {
  const { spec, status, metadata } = definition;
  const before = (status?.conditions ?? []) as Condition[];
  const condition = (type: string, reason: string, message: string): Condition => {
    const same = before.find((each) => each.type === type && each.status === 'True');
    return same ?? { type, status: 'True', lastTransitionTime: now, reason, message };
  };
  const stored = spec.versions.find(({ storage }) => storage)?.name ?? spec.versions[0]!.name;
  const next = {
    acceptedNames: spec.names,
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    storedVersions: [...new Set([...(status?.storedVersions ?? []), stored])],
  };
  const finalizers = metadata.finalizers ?? [];
  const needsFinalizer = !isBuiltIn && !finalizers.includes(FINALIZER);
  if (!needsFinalizer && JSON.stringify(status) === JSON.stringify(next)) return definition;
  return {
    ...definition,
    metadata: needsFinalizer ? { ...metadata, finalizers: [...finalizers, FINALIZER] } : metadata,
    status: next,
  };
}
