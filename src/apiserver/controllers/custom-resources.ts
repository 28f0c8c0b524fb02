// CustomResourceDefinitions: each that is in order brings a kind, says so in its status, and takes its objects along when it goes.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/

import { KINDS } from '../../resources/kinds.ts';
import { groupOf, kindId } from '../../resources/object.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { ApiContext } from '../api-call.ts';
import { type CustomResourceDefinition, customKind, DEFINITION } from '../custom-resource-definition.ts';
import { isEstablished, type Names, shareNames } from '../definition-names.ts';
import { deleteObject, NO_PRECONDITIONS } from '../deletion.ts';
import { WorkQueue } from './queue.ts';

/** Its objects go before it. */
const FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/** Serves the kinds of definitions from now on. */
export class CustomResourceController {
  readonly #context: ApiContext;
  readonly #queue: WorkQueue<string>;
  readonly #unsubscribe: () => void;
  /** Kinds (by id) whose objects are being deleted with their definition: kind id → the definition's name. */
  readonly #leaving = new Map<string, string>();
  /** By definition: the names it has. */
  #names: ReadonlyMap<string, Names> = new Map();

  constructor(context: ApiContext) {
    this.#context = context;
    this.#queue = new WorkQueue(context.log, (name) => this.#reconcile(name));
    this.#serve();
    this.#unsubscribe = context.store.subscribe((_, changes) => {
      let isChanged = false;
      for (const { type, object } of changes) {
        const id = kindId(groupOf(object.apiVersion), object.kind);
        if (id === DEFINITION) {
          isChanged = true;
          // Names that it leaves may be what another one of its group waits for.
          const others = type === 'deleted' ? this.#rivalsOf(object as CustomResourceDefinition) : [object];
          for (const { metadata } of others) this.#queue.add(metadata.name);
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

  #rivalsOf({ spec }: CustomResourceDefinition): CustomResourceDefinition[] {
    return this.#definitions().filter((other) => other.spec.group === spec.group);
  }

  #isBuiltIn({ spec }: CustomResourceDefinition): boolean {
    return this.#context.registry.isBuiltIn(spec.group, spec.names.plural, spec.names.kind);
  }

  /** Makes the registry what the definitions say. */
  #serve(): void {
    const definitions = this.#definitions().filter((definition) => !this.#isBuiltIn(definition));
    this.#names = shareNames(definitions, KINDS);
    const kinds = definitions.map((definition) => {
      const { accepted, conflict } = this.#names.get(definition.metadata.name)!;
      const { plural, kind } = accepted;
      if (plural === undefined || kind === undefined) return undefined;
      if (conflict !== undefined && !isEstablished(definition)) return undefined;
      return customKind({ ...definition, spec: { ...definition.spec, names: { ...accepted, plural, kind } } });
    });
    this.#context.registry.setCustom(kinds.filter((kind) => kind !== undefined));
  }

  async #reconcile(name: string): Promise<void> {
    const { store, clock } = this.#context;
    const definition = store.snapshot.getOf(DEFINITION, '', name) as CustomResourceDefinition | undefined;
    if (definition === undefined) return;
    if (definition.metadata.deletionTimestamp !== undefined) return this.#cleanUp(definition);
    // One of a built-in kind has its names: the kind has them.
    const isBuiltIn = this.#isBuiltIn(definition);
    const names = isBuiltIn ? undefined : this.#names.get(name);
    const next = withStatus(definition, timestamp(clock()), names, isBuiltIn);
    if (next !== definition)
      await store.transact((writer) => {
        const current = writer.get({
          group: 'apiextensions.k8s.io',
          kind: 'CustomResourceDefinition',
          namespace: '',
          name,
        });
        if (current !== undefined && current.metadata.deletionTimestamp === undefined)
          writer.put(withStatus(current as CustomResourceDefinition, timestamp(clock()), names, isBuiltIn));
      });
  }

  /** Deletes the objects of a definition that is to go; when none is left, it goes. */
  async #cleanUp(definition: CustomResourceDefinition): Promise<void> {
    const { store, registry } = this.#context;
    const { group, names } = definition.spec;
    const id = kindId(group, names.kind);
    const { name } = definition.metadata;
    const stored = registry.stored(id);
    // Not those of another definition that has the name of the kind.
    const resource = stored?.plural !== names.plural || this.#isBuiltIn(definition) ? undefined : stored;
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

/**
 * A definition with the status that says whether it is served, and the finalizer of one that may have objects.
 *
 * @param names those it has; undefined for all it asks for
 * @returns the same object when it has them already
 */
export function withStatus(
  definition: CustomResourceDefinition,
  now: string,
  names: Names | undefined,
  isBuiltIn: boolean,
): CustomResourceDefinition {
  const { spec, status, metadata } = definition;
  const before = (status?.conditions ?? []) as Condition[];
  const condition = (type: string, isSo: boolean, reason: string, message: string): Condition => {
    const value = isSo ? 'True' : 'False';
    const old = before.find((each) => each.type === type && each.status === value);
    if (old !== undefined && old.reason === reason && old.message === message) return old;
    return { type, status: value, lastTransitionTime: old?.lastTransitionTime ?? now, reason, message };
  };
  const conflict = names?.conflict;
  const stored = spec.versions.find(({ storage }) => storage)?.name ?? spec.versions[0]!.name;
  const next = {
    // Kubernetes wants these two in any case.
    acceptedNames: names === undefined ? spec.names : { plural: '', kind: '', ...names.accepted },
    conditions: [
      conflict === undefined
        ? condition('NamesAccepted', true, 'NoConflicts', 'no conflicts found')
        : condition('NamesAccepted', false, conflict.reason, conflict.message),
      conflict === undefined || isEstablished(definition)
        ? condition('Established', true, 'InitialNamesAccepted', 'the initial names have been accepted')
        : condition('Established', false, 'NotAccepted', 'not all names are accepted'),
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
