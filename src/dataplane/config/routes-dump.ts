// A RouteConfiguration and the virtual hosts that came by themselves, shown as one, as Envoy does.

import { create } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { SetVersion } from '../../xds/set-version.ts';
import type { DynamicResource } from '../admin/view.ts';

/**
 * The route configuration with its virtual hosts, by name.
 * @returns its version stands for all of them; it is as new as the newest; the refusal is its own or the newest of one of them
 */
export function withVirtualHosts(routes: DynamicResource, virtualHosts: readonly DynamicResource[]): DynamicResource {
  if (routes.resource === undefined) return routes;
  const sorted = virtualHosts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  // Fields may stand in any order, and a list field is all that stands under its number.
  const writer = new BinaryWriter().raw(routes.resource.value);
  for (const { resource } of sorted)
    if (resource !== undefined)
      writer.tag(RouteConfigurationSchema.field.virtualHosts.number, WireType.LengthDelimited).bytes(resource.value);
  const all = [routes, ...sorted.filter(({ resource }) => resource !== undefined)];
  const refused = [routes, ...sorted.toSorted(byRefusal)].find(({ errorState }) => errorState !== undefined);
  return {
    ...routes,
    versionInfo: SetVersion.of(all.map(({ versionInfo }) => versionInfo)).toString(),
    lastUpdated: all.reduce((newest, { lastUpdated }) => Math.max(newest, lastUpdated), 0),
    resource: create(AnySchema, { typeUrl: routes.resource.typeUrl, value: writer.finish() }),
    ...(refused?.errorState === undefined ? {} : { errorState: refused.errorState }),
  };
}

/** The newest first. */
function byRefusal(a: DynamicResource, b: DynamicResource): number {
  return (b.errorState?.lastUpdateAttempt ?? 0) - (a.errorState?.lastUpdateAttempt ?? 0);
}
