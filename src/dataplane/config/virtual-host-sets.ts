// Which route configurations have their virtual hosts as resources of their own (VHDS), and whether these have come: the first answer brings all of
// them, and a table of routes is none before.

import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { subscribedName, TypeUrl, virtualHostName } from '../../xds/resources.ts';
import { configSourceOf } from './config-source.ts';
import type { Reference } from './references.ts';

/** What a route configuration needs before it can serve: its virtual hosts, where they come by themselves. */
export function virtualHostsReference(routes: RouteConfiguration | undefined): Reference | undefined {
  if (routes?.vhds === undefined) return undefined;
  return { typeUrl: TypeUrl.VirtualHost, name: routes.name, ...configSourceOf(routes.vhds.configSource) };
}

/** The sets of virtual hosts of one data plane, by route configuration. */
export class VirtualHostSets {
  /** Those that are wanted, and whether they came. */
  readonly #arrived = new Map<string, boolean>();

  /** Whether the virtual hosts of a route configuration came, were it none. */
  has(routes: string): boolean {
    return this.#arrived.get(routes) === true;
  }

  /** Sets what is wanted. @returns whether that is anything new */
  want(routes: ReadonlySet<string>): boolean {
    const before = this.#arrived.size;
    for (const name of this.#arrived.keys()) if (!routes.has(name)) this.#arrived.delete(name);
    let changed = this.#arrived.size < before;
    for (const name of routes) {
      if (this.#arrived.has(name)) continue;
      this.#arrived.set(name, false);
      changed = true;
    }
    return changed;
  }

  /** Whether a virtual host is of a route configuration that is wanted. */
  wants(resource: string): boolean {
    return this.#arrived.has(subscribedName(TypeUrl.VirtualHost, resource));
  }

  /**
   * Takes note of a response.
   * @param changed names of virtual hosts
   * @param gone names of virtual hosts, and of route configurations that have none
   * @returns what goes: of sets that were not there yet, all that a worker may have of an earlier time
   */
  arrive(changed: readonly string[], gone: readonly string[]): string[] {
    const removed = new Set<string>();
    const note = (routes: string) => {
      if (this.#arrived.get(routes) === false) removed.add(virtualHostName(routes, ''));
      if (this.#arrived.has(routes)) this.#arrived.set(routes, true);
    };
    for (const name of changed) note(subscribedName(TypeUrl.VirtualHost, name));
    for (const name of gone) {
      note(this.#arrived.has(name) ? name : subscribedName(TypeUrl.VirtualHost, name));
      if (this.wants(name)) removed.add(name);
    }
    return [...removed];
  }

  /** All sets that came, to be emptied by `<route configuration>/` in a worker that has nothing yet. */
  arrived(): string[] {
    return [...this.#arrived].flatMap(([name, arrived]) => (arrived ? [name] : []));
  }
}
