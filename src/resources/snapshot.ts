// An immutable view of all objects at one moment: what the store hands out and the control plane translates.

import { describeKey, type ResourceObject } from './object.ts';
import type { KindName, Kinds } from './types.ts';

/** All objects at one revision. Safe to keep: it never changes. */
export class Snapshot {
  /** Grows by one with each change of the store. */
  readonly revision: number;
  readonly #kinds: ReadonlyMap<string, ReadonlyMap<string, ResourceObject>>;

  /**
   * @param revision the store's revision
   * @param kinds kind → (`namespace/name`, or `/name` when cluster-scoped) → object; must not change afterwards
   */
  constructor(revision: number, kinds: ReadonlyMap<string, ReadonlyMap<string, ResourceObject>>) {
    this.revision = revision;
    this.#kinds = kinds;
  }

  /** A snapshot of the given objects, for tests and one-shot translations. Throws when two have one key. */
  static of(objects: Iterable<ResourceObject>): Snapshot {
    const kinds = new Map<string, Map<string, ResourceObject>>();
    for (const object of objects) {
      let ofKind = kinds.get(object.kind);
      if (ofKind === undefined) {
        ofKind = new Map();
        kinds.set(object.kind, ofKind);
      }
      const { name, namespace = '' } = object.metadata;
      if (ofKind.has(`${namespace}/${name}`))
        throw new Error(`${describeKey({ kind: object.kind, namespace, name })} stands twice`);
      ofKind.set(`${namespace}/${name}`, object);
    }
    return new Snapshot(0, kinds);
  }

  /** How many objects there are, of all kinds. */
  get size(): number {
    let size = 0;
    for (const ofKind of this.#kinds.values()) size += ofKind.size;
    return size;
  }

  /** The objects of a kind, in the order they were first seen. */
  list<Name extends KindName>(kind: Name): Kinds[Name][] {
    return [...(this.#kinds.get(kind)?.values() ?? [])] as ResourceObject[] as Kinds[Name][];
  }

  /** One object, or undefined. `namespace` is '' for cluster-scoped kinds. */
  get<Name extends KindName>(kind: Name, namespace: string, name: string): Kinds[Name] | undefined {
    return this.#kinds.get(kind)?.get(`${namespace}/${name}`) as ResourceObject as Kinds[Name] | undefined;
  }
}
