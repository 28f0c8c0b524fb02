// Host names as Istio compares them: short names, wildcards, subsets, and an index that finds overlaps without comparing pairs.

import { isIP } from 'node:net';

/** The cluster's DNS domain. Limen has one. */
export const DOMAIN = 'cluster.local';

/** The namespace whose DestinationRules and mesh configuration count for everyone. */
export const ROOT_NAMESPACE = 'istio-system';

/**
 * A host as it stands in an object, fully qualified: a name without a dot is a Service of the object's namespace.
 * Anything with a dot is taken as it is (`catalog.prod` too, which is Istio's well-known trap).
 * https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination
 */
export function qualifyHost(host: string, namespace: string): string {
  if (host === '' || host === '*' || host.includes('.') || isIP(host) !== 0) return host;
  return `${host}.${namespace}.svc.${DOMAIN}`;
}

/** A gateway as a VirtualService names it, as `namespace/name`; `mesh` stays `mesh`. `name.namespace.svc…` is the old spelling. */
export function qualifyGateway(gateway: string, namespace: string): string {
  if (gateway === 'mesh') return gateway;
  if (gateway.startsWith('./')) return `${namespace}/${gateway.slice(2)}`;
  if (gateway.includes('/')) return gateway;
  const [name, itsNamespace = namespace] = gateway.split('.');
  return `${itsNamespace}/${name}`;
}

/** Whether every name that `host` stands for is one that `other` stands for. Both may start with `*`. */
export function isSubsetOf(host: string, other: string): boolean {
  if (host === other) return true;
  if (!other.startsWith('*')) return false;
  const suffix = other.slice(1);
  return host.startsWith('*') ? host.length >= other.length && host.slice(1).endsWith(suffix) : host.endsWith(suffix);
}

/** Whether some name is meant by both. */
export function overlaps(a: string, b: string): boolean {
  return isSubsetOf(a, b) || isSubsetOf(b, a);
}

/**
 * A set of hosts that finds the ones overlapping a given host by looking up its suffixes, so that ten thousand
 * VirtualServices on a Gateway of ten thousand hosts cost ten thousand look-ups and not their product.
 */
export class HostIndex {
  readonly #hosts = new Set<string>();
  /** `.suffix` → the hosts below it. */
  readonly #below = new Map<string, string[]>();

  constructor(hosts: Iterable<string>) {
    for (const host of hosts) {
      if (this.#hosts.has(host)) continue;
      this.#hosts.add(host);
      for (const suffix of suffixesOf(host)) {
        const list = this.#below.get(suffix);
        if (list === undefined) this.#below.set(suffix, [host]);
        else list.push(host);
      }
    }
  }

  /** The narrower side of each overlap between `host` and a host of the set. */
  intersect(host: string): string[] {
    if (this.#hosts.has('*') && this.#hosts.size === 1) return [host];
    const found = new Set<string>();
    if (this.#hosts.has(host) || this.#widerThan(host)) found.add(host);
    if (host === '*') for (const each of this.#hosts) found.add(each);
    else if (host.startsWith('*')) for (const each of this.#below.get(host.slice(1)) ?? []) found.add(each);
    return [...found];
  }

  /** The hosts of the set that overlap `host`, as they stand in the set. */
  overlapping(host: string): string[] {
    if (host === '*') return [...this.#hosts];
    const found: string[] = [];
    if (this.#hosts.has(host)) found.push(host);
    if (this.#hosts.has('*')) found.push('*');
    for (const suffix of suffixesOf(host)) if (this.#hosts.has(`*${suffix}`)) found.push(`*${suffix}`);
    if (host.startsWith('*'))
      for (const each of this.#below.get(host.slice(1)) ?? []) if (each !== host) found.push(each);
    return found;
  }

  /** The wildcard of the set that covers `host` most closely (or `host` itself), if any. */
  mostSpecific(host: string): string | undefined {
    if (this.#hosts.has(host)) return host;
    for (const suffix of suffixesOf(host)) if (this.#hosts.has(`*${suffix}`)) return `*${suffix}`;
    return this.#hosts.has('*') ? '*' : undefined;
  }

  #widerThan(host: string): boolean {
    if (this.#hosts.has('*')) return true;
    for (const suffix of suffixesOf(host)) if (this.#hosts.has(`*${suffix}`)) return true;
    return false;
  }
}

/** `.b.c` and `.c` of `a.b.c`; of a wildcard, also its own suffix is left out: `.c` of `*.b.c`. Longest first. */
function* suffixesOf(host: string): Generator<string> {
  const from = host.startsWith('*') ? 2 : 0;
  for (let dot = host.indexOf('.', from); dot >= 0; dot = host.indexOf('.', dot + 1)) yield host.slice(dot);
}
