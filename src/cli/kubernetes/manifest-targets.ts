// Where the object of a manifest is on the server.

import type { ApiClient } from './client.ts';
import type { Manifest } from './manifests.ts';
import { DEFAULT_NAMESPACE } from './options.ts';
import { pathOf, type Resource, Resources } from './resources.ts';

/** Finds manifests' places. */
export class ManifestTargets {
  readonly #client: ApiClient;
  readonly #namespace: string | undefined;
  #resources: Resources | undefined;

  /** @param namespace `-n`: of objects that name none; others must name this one */
  constructor(client: ApiClient, namespace: string | undefined) {
    this.#client = client;
    this.#namespace = namespace;
  }

  /** @throws Error with what is wrong with the manifest */
  async find({ object }: Manifest): Promise<{ resource: Resource; path: string; name: string }> {
    const { apiVersion, kind, metadata } = object;
    this.#resources ??= await Resources.of(this.#client);
    let resource = this.#resources.ofKind(apiVersion, kind);
    if (resource === undefined) {
      // A CustomResourceDefinition that came before may have brought it.
      this.#resources = await Resources.of(this.#client);
      resource = this.#resources.ofKind(apiVersion, kind);
    }
    if (resource === undefined) throw new Error(`the server has no kind "${kind}" in "${apiVersion}"`);
    const { name } = metadata;
    if (!name) throw new Error('metadata.name is required');
    const own = metadata.namespace;
    if (resource.namespaced && own !== undefined && this.#namespace !== undefined && own !== this.#namespace)
      throw new Error(`its namespace "${own}" is not the one of -n, "${this.#namespace}"`);
    return { resource, name, path: pathOf(resource, own ?? this.#namespace ?? DEFAULT_NAMESPACE, name) };
  }
}
