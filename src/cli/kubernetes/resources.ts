// Which resources the server has, and which of them people mean: `vs`, `virtualservices`, `gateways.networking.istio.io`, `Gateway`.

import type { ApiClient } from './client.ts';

/** A resource in the version the server prefers, or that a manifest names. */
export interface Resource {
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
  verbs: readonly string[];
  /** All that stand for it in lower case, besides the plural. */
  names: readonly string[];
  categories: readonly string[];
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery */
interface Discovery {
  items: readonly {
    metadata: { name?: string };
    versions: readonly {
      version: string;
      resources: readonly {
        resource: string;
        responseKind: { kind: string };
        scope: 'Namespaced' | 'Cluster';
        singularResource: string;
        shortNames?: readonly string[];
        categories?: readonly string[];
        verbs: readonly string[];
      }[];
    }[];
  }[];
}

/** All resources of a server, asked for once. */
export class Resources {
  readonly #all: readonly Resource[];

  private constructor(all: readonly Resource[]) {
    this.#all = all;
  }

  static async of(client: ApiClient): Promise<Resources> {
    const found = await Promise.all([client.get('/api', AGGREGATED), client.get('/apis', AGGREGATED)]);
    return new Resources((found as Discovery[]).flatMap(resourcesIn));
  }

  /**
   * What a person names: a resource by plural, singular, short name or kind, with or without `.group` or `.version.group` behind it, or all of a
   * category (`all`, `istio-io`).
   * @throws Error for the user
   */
  named(text: string): readonly Resource[] {
    const [name = '', ...rest] = text.toLowerCase().split('.');
    const behind = rest.join('.');
    const isMeant = ({ group, version }: Resource) =>
      behind === '' || behind === group || behind === `${version}.${group}` || behind === `${version}.`;
    const found =
      this.#all.find((resource) => isMeant(resource) && resource.plural === name) ??
      this.#all.find((resource) => isMeant(resource) && resource.names.includes(name));
    if (found !== undefined) return [found];
    const category = behind === '' ? this.#all.filter(({ categories }) => categories.includes(name)) : [];
    // A category has each resource once, in its group's first version.
    const preferred = category.filter((resource) => resource === this.named(`${resource.plural}.${resource.group}`)[0]);
    if (preferred.length > 0) return preferred;
    throw new Error(`the server doesn't have a resource type "${text}"`);
  }

  /** The resource of a manifest's kind. */
  ofKind(apiVersion: string, kind: string): Resource | undefined {
    return this.#all.find((resource) => resource.kind === kind && apiVersionOf(resource) === apiVersion);
  }
}

function resourcesIn({ items }: Discovery): Resource[] {
  return items.flatMap(({ metadata: { name: group = '' }, versions }) =>
    versions.flatMap(({ version, resources }) =>
      resources.map((found) => ({
        group,
        version,
        plural: found.resource,
        kind: found.responseKind.kind,
        namespaced: found.scope === 'Namespaced',
        verbs: found.verbs,
        names: [found.singularResource, found.responseKind.kind.toLowerCase(), ...(found.shortNames ?? [])],
        categories: found.categories ?? [],
      })),
    ),
  );
}

/** `v1`, `networking.istio.io/v1` */
function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `virtualservice.networking.istio.io`, `pod`: how kubectl names what it did something to. */
export function kindName({ group, kind }: Resource): string {
  return group === '' ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
}

/** The path of a resource's objects, of one of them with a name. @param namespace undefined: of all namespaces */
export function pathOf(resource: Resource, namespace: string | undefined, name?: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const within = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const one = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}/${resource.version}${within}/${resource.plural}${one}`;
}
