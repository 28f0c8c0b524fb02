// An index of host names with wildcards that finds overlaps without comparing pairs.

/** The namespace whose DestinationRules and mesh configuration count for everyone. */
export const ROOT_NAMESPACE = 'istio-system';

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
