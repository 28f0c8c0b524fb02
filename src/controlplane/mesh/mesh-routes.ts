// The routes that a workload has for one host: those of the VirtualService that the mesh has for it, or none. What sidecars and gRPC clients share.

import { create } from '@bufbuild/protobuf';
import { DecoratorSchema, type Route, RouteSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { HostIndex } from '../hosts.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { applyRouteAction } from '../routes/action.ts';
import { type BuiltRoutes, httpRoutes } from '../routes/http-routes.ts';
import { routeMatch } from '../routes/match.ts';
import type { RoutedVirtualService } from '../routes/virtual-services.ts';

/** What stands in `gateways` for the workloads themselves. */
export const MESH_GATEWAY = 'mesh';

/** What the mesh has for one host and port. */
export interface MeshRoutes {
  /** Empty where no VirtualService has a route for this workload. The identical object as long as nothing changes. */
  readonly built: BuiltRoutes;
  readonly notices: readonly Notice[];
}

const NONE: BuiltRoutes = { routes: [], notices: [] };

/**
 * The VirtualServices that count for a host: of those whose hosts cover it, the ones that name it most closely, in the order in which
 * they are asked for routes.
 */
export function virtualServicesFor(hostname: string, context: PushContext, namespace: string): RoutedVirtualService[] {
  let best: RoutedVirtualService[] = [];
  let bestLength = 0;
  for (const candidate of context.virtualServices.forServer(MESH_GATEWAY, [hostname], namespace)) {
    const host = new HostIndex(candidate.hosts).mostSpecific(hostname);
    const length = host === hostname ? Number.POSITIVE_INFINITY : (host?.length ?? 0);
    if (length === 0 || length < bestLength) continue;
    if (length > bestLength) best = [];
    best.push(candidate);
    bestLength = length;
  }
  return best;
}

/** The routes for a host. One VirtualService has it: routes of several are not joined, as they are at gateways. */
export function meshRoutes(hostname: string, port: number, context: PushContext, node: ProxyNode): MeshRoutes {
  const target = { gatewayName: MESH_GATEWAY, port, isTls: false, node };
  const notices: Notice[] = [];
  let chosen: { readonly of: RoutedVirtualService; readonly built: BuiltRoutes } | undefined;
  for (const candidate of virtualServicesFor(hostname, context, node.namespace)) {
    const built = httpRoutes(candidate, target, context);
    if (chosen === undefined) {
      notices.push(...built.notices);
      if (built.routes.length > 0) chosen = { of: candidate, built };
    } else if (built.routes.length > 0) {
      const message = `${hostname} already has VirtualService ${chosen.of.namespace}/${chosen.of.name} in the mesh, where one host has one VirtualService: these routes are not used`;
      notices.push({ object: candidate.key, field: 'spec.hosts', message });
    }
  }
  return { built: chosen?.built ?? NONE, notices };
}

/** The route of a port that has none in any VirtualService: everything, straight to its cluster. */
export function defaultRoute(cluster: string, hostname: string, port: number): Route {
  const route = create(RouteSchema, { name: 'default', match: routeMatch(undefined) });
  applyRouteAction(route, { route: [{ destination: { host: hostname } }] }, '', () => cluster);
  route.decorator = create(DecoratorSchema, { operation: `${hostname}:${port}/*` });
  return route;
}
