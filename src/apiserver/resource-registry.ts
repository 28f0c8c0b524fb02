// Which resources there are: those of the table of kinds, and those that CustomResourceDefinitions bring.

import { KINDS, type Kind } from '../resources/kinds.ts';
import { ApiResource } from './api-resource.ts';

/** All resources by group, version and plural. */
export class ResourceRegistry {
  readonly #builtIn: readonly ApiResource[] = KINDS.flatMap(resourcesOf);
  #byPath = new Map<string, ApiResource>();
  /** By kind id: in the version objects are stored in. */
  #byId = new Map<string, ApiResource>();
  #kinds: readonly Kind[] = KINDS;

  constructor() {
    this.setCustom([]);
  }

  /** The kinds of all resources. The same array until custom ones change. */
  get kinds(): readonly Kind[] {
    return this.#kinds;
  }

  /** Makes exactly these the kinds that CustomResourceDefinitions bring. */
  setCustom(kinds: readonly Kind[]): void {
    this.#byPath = new Map();
    this.#byId = new Map();
    this.#kinds = [...KINDS, ...kinds];
    for (const resource of [...this.#builtIn, ...kinds.flatMap(resourcesOf)]) {
      const { group, version, plural, kind } = resource;
      this.#byPath.set(`${group}/${version}/${plural}`, resource);
      if (version === kind.versions[0] && resource.storedForm === undefined) this.#byId.set(resource.kindId, resource);
    }
  }

  find(group: string, version: string, plural: string): ApiResource | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** The resource of a kind, in the version objects are stored in; undefined where they are stored as another kind's. @param id its `kindId` */
  stored(id: string): ApiResource | undefined {
    return this.#byId.get(id);
  }

  /** Whether a kind is built in: a CustomResourceDefinition of it says what is so anyway. */
  isBuiltIn(group: string, plural: string, name: string): boolean {
    return this.#builtIn.some(({ kind }) => kind.group === group && kind.plural === plural && kind.name === name);
  }
}

function resourcesOf(kind: Kind): ApiResource[] {
  return kind.versions.map((version) => new ApiResource(kind, version));
}
