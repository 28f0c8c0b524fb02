// All compiled route configurations of one worker, by name, kept in step with RDS.

import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { RouteTable } from './route-table.ts';

export { RouteTable } from './route-table.ts';

/** What a connection manager keeps: the table of its route_config_name, whatever it is at the moment of a request. */
export interface RouteTableHolder {
  /** undefined until RDS brought it, and after it was removed: every request is answered 404. */
  current: RouteTable | undefined;
}

/** Compiles a whole route configuration. @throws ConfigError naming the field that cannot be served */
export function compileRouteConfiguration(config: RouteConfiguration, previous?: RouteTable): RouteTable {
  return new RouteTable(config, previous);
}

/** Route tables by name. */
export class RouteTables {
  readonly #holders = new Map<string, RouteTableHolder>();

  /** Swaps in a new table between two requests. @throws ConfigError, then the old table stays */
  update(name: string, config: RouteConfiguration): void {
    const holder = this.get(name);
    holder.current = compileRouteConfiguration(config, holder.current);
  }

  /** Takes a table away. */
  remove(name: string): void {
    const holder = this.#holders.get(name);
    if (holder !== undefined) holder.current = undefined;
  }

  /** The holder of a name; the same object for ever, whether or not the table is there yet. */
  get(name: string): RouteTableHolder {
    let holder = this.#holders.get(name);
    if (holder === undefined) {
      holder = { current: undefined };
      this.#holders.set(name, holder);
    }
    return holder;
  }
}
