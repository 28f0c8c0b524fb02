// An immutable view of all objects at one moment: what the store hands out and the control plane translates.

import { describeKey, groupOf, keyOf, kindId, type ResourceObject } from './object.ts';
import { KIND_IDS, type KindName, type Kinds } from './types.ts';

/** Where a snapshot's objects are. What it answers never changes. */
export interface ObjectsByKind {
  /** How many objects there are, of all kinds. */
  readonly size: number;
  /** The `kindId`s that have objects. */
  kinds(): string[];
  /** The objects of a kind by `namespace/name`, or `/name` when cluster-scoped. */
  ofKind(id: string): ReadonlyMap<string, ResourceObject> | undefined;
  /** One of them. */
  get(id: string, name: string): ResourceObject | undefined;
}

/** All objects at one version of the store. Safe to keep: it never changes. */
export class Snapshot {
  /** The `resourceVersion` of the newest change in it. Grows with each change of the store. */
  readonly resourceVersion: number;
  readonly #objects: ObjectsByKind;

  /** @param resourceVersion of the newest change */
  constructor(resourceVersion: number, objects: ObjectsByKind) {
    this.resourceVersion = resourceVersion;
    this.#objects = objects;
  }

  /** A snapshot of the given objects, for tests and one-shot translations. Throws when two have one key. */
  static of(objects: Iterable<ResourceObject>): Snapshot {
    const kinds = new Map<string, Map<string, ResourceObject>>();
    let size = 0;
    for (const object of objects) {
      const id = kindId(groupOf(object.apiVersion), object.kind);
      let ofKind = kinds.get(id);
      if (ofKind === undefined) {
        ofKind = new Map();
        kinds.set(id, ofKind);
      }
      const { name, namespace = '' } = object.metadata;
      if (ofKind.has(`${namespace}/${name}`)) throw new Error(`${describeKey(keyOf(object))} stands twice`);
      ofKind.set(`${namespace}/${name}`, object);
      size++;
    }
    return new Snapshot(0, {
      size,
      kinds: () => [...kinds.keys()],
      ofKind: (id) => kinds.get(id),
      get: (id, name) => kinds.get(id)?.get(name),
    });
  }

  /** How many objects there are, of all kinds. */
  get size(): number {
    return this.#objects.size;
  }

  /** The `kindId`s that have objects. */
  kinds(): string[] {
    return this.#objects.kinds();
  }

  /** The objects of a kind that the control plane reads, in the order they were first seen. */
  list<Name extends KindName>(kind: Name): Kinds[Name][] {
    return this.listOf(KIND_IDS[kind]) as Kinds[Name][];
  }

  /** One object of such a kind, or undefined. `namespace` is '' for cluster-scoped kinds. */
  get<Name extends KindName>(kind: Name, namespace: string, name: string): Kinds[Name] | undefined {
    return this.getOf(KIND_IDS[kind], namespace, name) as Kinds[Name] | undefined;
  }

  /** The objects of any kind, by its `kindId`, in the order they were first seen. */
  listOf(id: string): ResourceObject[] {
    return [...(this.#objects.ofKind(id)?.values() ?? [])];
  }

  /** One object of any kind, by the kind's `kindId`, or undefined. `namespace` is '' for cluster-scoped kinds. */
  getOf(id: string, namespace: string, name: string): ResourceObject | undefined {
    return this.#objects.get(id, `${namespace}/${name}`);
  }
}
