// Virtual hosts as resources of their own (VHDS), kept from push to push like the tables they come from.

import { type VirtualHost, VirtualHostSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { withChanges } from '../../xds/resource-changes.ts';
import { type EncodedResource, encodeResource, virtualHostName } from '../../xds/resources.ts';
import { differences } from '../differences.ts';

/** The virtual hosts of all route configurations of one proxy. */
export class VirtualHostResources {
  #lists: ReadonlyMap<string, readonly VirtualHost[]> = new Map();
  #resources: ReadonlyMap<string, EncodedResource> = new Map();

  /**
   * @param lists by route configuration; the identical list where nothing changed
   * @returns all of them, by name; the identical map where nothing changed
   */
  update(lists: ReadonlyMap<string, readonly VirtualHost[]>): ReadonlyMap<string, EncodedResource> {
    const gone: string[] = [];
    const changed: EncodedResource[] = [];
    for (const routes of new Set([...this.#lists.keys(), ...lists.keys()])) {
      const difference = differences(this.#lists.get(routes) ?? [], lists.get(routes) ?? []);
      for (const { name } of difference.gone) gone.push(virtualHostName(routes, name));
      for (const message of difference.come)
        changed.push(encodeResource(virtualHostName(routes, message.name), VirtualHostSchema, message));
    }
    if (gone.length > 0 || changed.length > 0) this.#resources = withChanges(this.#resources, changed, gone);
    this.#lists = lists;
    return this.#resources;
  }
}
