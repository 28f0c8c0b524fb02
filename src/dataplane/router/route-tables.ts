// All compiled route configurations of one worker, by name, kept in step with RDS and VHDS.

import type { VirtualHost } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { requireAds } from '../config/config-source.ts';
import { ConfigError } from '../connection.ts';
import { RouteTable } from './route-table.ts';

export { RouteTable } from './route-table.ts';

/** What a connection manager keeps: the table of its route_config_name, whatever it is at the moment of a request. */
export interface RouteTableHolder {
  /** undefined until RDS (and VHDS) brought it, and after it was removed: every request is answered 404. */
  current: RouteTable | undefined;
}

/** What is there of one route configuration. */
interface Entry {
  readonly holder: RouteTableHolder;
  /** The newest; it is not yet that of the table where its virtual hosts are on their way. */
  config: RouteConfiguration | undefined;
  /** Virtual hosts that came by themselves, by their name as a resource; undefined until they did. */
  virtualHosts: Map<string, VirtualHost> | undefined;
}

/** Compiles a whole route configuration. @throws ConfigError naming the field that cannot be served */
export function compileRouteConfiguration(config: RouteConfiguration): RouteTable {
  if (config.vhds !== undefined)
    throw new ConfigError(
      `RouteConfiguration ${config.name}: vhds: only where the route configuration itself comes by rds`,
    );
  return new RouteTable(config);
}

/** Route tables by name. */
export class RouteTables {
  readonly #entries = new Map<string, Entry>();

  /**
   * Swaps in a new table between two requests. One whose virtual hosts come by themselves waits for the first of them; until then the old one serves.
   * @throws ConfigError, then the old table stays
   */
  update(name: string, config: RouteConfiguration): void {
    const entry = this.#of(name);
    const { holder, virtualHosts } = entry;
    const { vhds } = config;
    if (vhds !== undefined) requireAds(vhds.configSource, `RouteConfiguration ${name}: vhds.config_source`);
    const own = vhds === undefined ? undefined : virtualHosts;
    const table = new RouteTable(config, { previous: holder.current, virtualHosts: own?.values() ?? [] });
    entry.config = config;
    entry.virtualHosts = own;
    if (vhds === undefined || own !== undefined) holder.current = table;
  }

  /**
   * Takes virtual hosts that come by themselves, all of them between two requests. Those of an unknown route configuration are forgotten.
   * @param name of the route configuration
   * @param changed by the name of the resource
   * @param anew those from before are gone, but for these
   * @returns why some can't be served, by name: they are left out, or stay as they were
   */
  updateVirtualHosts(
    name: string,
    changed: ReadonlyMap<string, VirtualHost>,
    removed: readonly string[],
    anew: boolean,
  ): ReadonlyMap<string, Error> {
    const refused = new Map<string, Error>();
    const { holder, config, virtualHosts: before } = this.#of(name);
    if (config?.vhds === undefined) return refused;
    if (!anew && before !== undefined && holder.current?.config === config) {
      const gone = [...changed.keys(), ...removed].map((each) => before.get(each)).filter((each) => each !== undefined);
      if (holder.current.replace(gone, [...changed.values()])) {
        for (const resource of removed) before.delete(resource);
        for (const [resource, virtualHost] of changed) before.set(resource, virtualHost);
        return refused;
      }
    }
    const kept = new Map(anew ? [] : before);
    for (const resource of removed) kept.delete(resource);
    // A refused one may leave its domain to another, and one that stays as it was may keep a domain from another: until nothing is refused.
    for (let previous = holder.current; ; ) {
      const virtualHosts = new Map(kept);
      const names = new Map<VirtualHost, string>();
      // Behind those that stay, so that of two with one domain the new one is refused.
      for (const [resource, virtualHost] of changed) {
        names.set(virtualHost, resource);
        if (!refused.has(resource)) virtualHosts.delete(resource);
      }
      for (const [resource, virtualHost] of changed)
        if (!refused.has(resource)) virtualHosts.set(resource, virtualHost);
      const already = refused.size;
      const table: RouteTable = new RouteTable(config, {
        previous,
        virtualHosts: virtualHosts.values(),
        refuse(virtualHost, error) {
          const resource = names.get(virtualHost);
          if (resource === undefined) throw error;
          refused.set(resource, error);
        },
      });
      if (refused.size === already) {
        this.#of(name).virtualHosts = virtualHosts;
        holder.current = table;
        return refused;
      }
      previous = table;
    }
  }

  /** Takes a table away. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.holder.current = undefined;
    entry.config = undefined;
    entry.virtualHosts = undefined;
  }

  /** The holder of a name; the same object for ever, whether or not the table is there yet. */
  get(name: string): RouteTableHolder {
    return this.#of(name).holder;
  }

  #of(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { holder: { current: undefined }, config: undefined, virtualHosts: undefined };
      this.#entries.set(name, entry);
    }
    return entry;
  }
}
