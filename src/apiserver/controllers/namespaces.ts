// The life of namespaces: a new one gets its phase and its default ServiceAccount; one that is deleted is emptied, then goes; one that objects
// name is there, where files say the objects and not the namespace too.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/

import { kindId, type ResourceObject } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Change, Writer } from '../../store/store.ts';
import type { ApiContext } from '../api-call.ts';
import type { ApiResource } from '../api-resource.ts';
import { deleteObject, NO_PRECONDITIONS } from '../deletion.ts';
import type { NamespaceObject } from '../writes/namespace-check.ts';
import { WorkQueue } from './queue.ts';

const NAMESPACE = 'Namespace';
const DEFAULT_ACCOUNT = 'default';
/** The label by which NetworkPolicies and others select a namespace. */
const NAME_LABEL = 'kubernetes.io/metadata.name';
const DERIVED: ReadonlySet<string> = new Set(['Event', 'Endpoints', 'EndpointSlice', 'Lease']);
/** How many objects one transaction deletes: others wait for it. */
const BATCH = 500;

/** Runs the life of all namespaces from now on. */
export class NamespaceController {
  readonly #context: ApiContext;
  readonly #queue: WorkQueue<string>;
  readonly #unsubscribe: () => void;
  /** Namespaces that are being emptied. */
  readonly #terminating = new Set<string>();

  constructor(context: ApiContext) {
    this.#context = context;
    this.#queue = new WorkQueue(context.log, (name) => this.#reconcile(name));
    this.#unsubscribe = context.store.subscribe((snapshot, changes) => {
      for (const change of changes) this.#notice(change, snapshot);
    });
    const { snapshot } = context.store;
    for (const { metadata } of snapshot.listOf(NAMESPACE)) this.#queue.add(metadata.name);
    for (const object of snapshot.kinds().flatMap((id) => snapshot.listOf(id)))
      if (isWithoutNamespace(object, snapshot)) this.#queue.add(namespaceOf(object));
  }

  /** Resolves when all namespaces are as they should be. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.close();
  }

  #notice({ type, object }: Change, snapshot: Snapshot): void {
    const { name, namespace = '' } = object.metadata;
    if (object.apiVersion === 'v1' && object.kind === NAMESPACE) {
      if (type === 'deleted') this.#terminating.delete(name);
      this.#queue.add(name);
    } else if (type !== 'deleted' && isWithoutNamespace(object, snapshot)) {
      this.#queue.add(namespace);
    } else if (this.#terminating.has(namespace)) {
      this.#queue.add(namespace);
    } else if (type === 'deleted' && object.kind === 'ServiceAccount' && name === DEFAULT_ACCOUNT) {
      this.#queue.add(namespace);
    }
  }

  async #reconcile(name: string): Promise<void> {
    const { store } = this.#context;
    const namespace = store.snapshot.getOf(NAMESPACE, '', name) as NamespaceObject | undefined;
    if (namespace === undefined) {
      if (this.#contentOf(name).some(({ object }) => isOnItsOwn(object)))
        await store.transact((writer) => make(writer, name));
      return;
    }
    if (namespace.metadata.deletionTimestamp === undefined) {
      if (!isComplete(namespace) || store.snapshot.getOf('ServiceAccount', name, DEFAULT_ACCOUNT) === undefined)
        await store.transact((writer) => complete(writer, name));
      return;
    }
    this.#terminating.add(name);
    const content = this.#contentOf(name);
    if (content.length === 0) {
      await store.transact((writer) => finalize(writer, name));
      return;
    }
    // What waits for something else (a finalizer, a grace period) was marked before; its change comes back here.
    const marked = content.filter(({ object }) => object.metadata.deletionTimestamp === undefined).slice(0, BATCH);
    if (marked.length === 0) return;
    await store.transact((writer) => {
      for (const { resource, object } of marked) {
        const current = writer.get(resource.key(name, object.metadata.name));
        if (current !== undefined) deleteObject(writer, current, resource, BACKGROUND, this.#context);
      }
    });
    this.#queue.add(name);
  }

  #contentOf(name: string): { resource: ApiResource; object: ResourceObject }[] {
    const { store, registry } = this.#context;
    return registry.kinds
      .filter(({ namespaced }) => namespaced)
      .flatMap((kind) => {
        const resource = registry.stored(kindId(kind.group, kind.name));
        if (resource === undefined) return []; // found as what they are stored as
        return store.snapshot
          .listOf(resource.kindId)
          .filter(({ metadata }) => metadata.namespace === name)
          .map((object) => ({ resource, object }));
      });
  }
}

const BACKGROUND = {
  isDryRun: false,
  propagation: 'Background',
  gracePeriodSeconds: undefined,
  preconditions: NO_PRECONDITIONS,
} as const;

/**
 * Whether an object is there for its own sake. What a controller derives goes with what it was derived from, and needs no namespace till then:
 * what has an owner, Events, addresses of Services, the default ServiceAccount.
 */
function isOnItsOwn({ kind, metadata }: ResourceObject): boolean {
  if (metadata.ownerReferences !== undefined && metadata.ownerReferences.length > 0) return false;
  return !DERIVED.has(kind) && !(kind === 'ServiceAccount' && metadata.name === DEFAULT_ACCOUNT);
}

function namespaceOf({ metadata: { namespace = '' } }: ResourceObject): string {
  return namespace;
}

function isWithoutNamespace(object: ResourceObject, snapshot: Snapshot): boolean {
  const namespace = namespaceOf(object);
  return namespace !== '' && snapshot.getOf(NAMESPACE, '', namespace) === undefined && isOnItsOwn(object);
}

function make(writer: Writer, name: string): void {
  if (writer.get({ group: '', kind: NAMESPACE, namespace: '', name }) === undefined)
    writer.put({ apiVersion: 'v1', kind: NAMESPACE, metadata: { name } });
}

function isComplete({ metadata, spec, status }: NamespaceObject): boolean {
  return (
    status?.phase !== undefined && spec?.finalizers !== undefined && metadata.labels?.[NAME_LABEL] === metadata.name
  );
}

/** What an active namespace has, whoever made it: a file says of it no more than its name. */
function complete(writer: Writer, name: string): void {
  const namespace = writer.get({ group: '', kind: NAMESPACE, namespace: '', name }) as NamespaceObject | undefined;
  if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
  const { metadata, spec, status } = namespace;
  if (!isComplete(namespace))
    writer.put({
      ...namespace,
      metadata: { ...metadata, labels: { ...metadata.labels, [NAME_LABEL]: name } },
      spec: { finalizers: ['kubernetes'], ...spec },
      status: { phase: 'Active', ...status },
    });
  const account = { group: '', kind: 'ServiceAccount', namespace: name, name: DEFAULT_ACCOUNT };
  if (writer.get(account) === undefined)
    writer.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: DEFAULT_ACCOUNT, namespace: name } });
}

/** An empty namespace: its own finalizer is done. */
function finalize(writer: Writer, name: string): void {
  const key = { group: '', kind: NAMESPACE, namespace: '', name };
  const namespace = writer.get(key) as NamespaceObject | undefined;
  if (namespace === undefined) return;
  const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
  if (finalizers.length === 0 && (namespace.metadata.finalizers ?? []).length === 0) writer.delete(key);
  else writer.put({ ...namespace, spec: { ...namespace.spec, finalizers } });
}
