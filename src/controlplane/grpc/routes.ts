// The routes of one service's port for gRPC clients: those of the VirtualService that the mesh has for it, else straight to its cluster.

import { create } from '@bufbuild/protobuf';
import { CLUSTER_DOMAIN } from '../../resources/names.ts';
import {
  type Route,
  RouteActionSchema,
  RouteMatchSchema,
  RouteSchema,
  VirtualHostSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { clusterName } from '../cluster-name.ts';
import { HostIndex } from '../hosts.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { type BuiltRoutes, httpRoutes } from '../routes/http-routes.ts';
import { retryPolicy } from '../routes/retry.ts';
import type { RoutedVirtualService } from '../routes/virtual-services.ts';

/**
 * A RouteConfiguration with the one virtual host that the client will look for.
 * @param hostname of a service, or one that only a VirtualService has, or nobody
 */
export function routesOf(
  hostname: string,
  port: number,
  context: PushContext,
  node: ProxyNode,
): { readonly message: RouteConfiguration; readonly notices: readonly Notice[] } {
  const name = clusterName(port, '', hostname);
  const virtualService = virtualServiceFor(hostname, context, node.namespace);
  const built =
    virtualService === undefined
      ? NONE
      : httpRoutes(virtualService, { gatewayName: 'mesh', port, isTls: false, node }, context);
  return context.memo.get(`${node.id}/grpc-rds/${name}`, [built], () => ({
    message: create(RouteConfigurationSchema, {
      name,
      virtualHosts: [
        create(VirtualHostSchema, {
          name: `${hostname}:${port}`,
          domains: namesOf(hostname, node.namespace).flatMap((host) => [host, `${host}:${port}`]),
          // A VirtualService none of whose routes is for this client is as good as none.
          routes: built.routes.length > 0 ? [...built.routes] : [defaultRoute(name)],
        }),
      ],
    }),
    notices: built.notices,
  }));
}

const NONE: BuiltRoutes = { routes: [], notices: [] };

/** Of those whose hosts cover the service, the one that names it most closely; among equals the first by visibility and age. */
export function virtualServiceFor(
  hostname: string,
  context: PushContext,
  namespace: string,
): RoutedVirtualService | undefined {
  let best: RoutedVirtualService | undefined;
  let bestLength = 0;
  for (const candidate of context.virtualServices.forServer('mesh', [hostname], namespace)) {
    const host = new HostIndex(candidate.hosts).mostSpecific(hostname);
    const length = host === hostname ? Number.POSITIVE_INFINITY : (host?.length ?? 0);
    if (length <= bestLength) continue;
    best = candidate;
    bestLength = length;
  }
  return best;
}

/** The names that a workload of the namespace may call a service by. */
function namesOf(hostname: string, namespace: string): string[] {
  const names = [hostname];
  const suffix = `.svc.${CLUSTER_DOMAIN}`;
  if (!hostname.endsWith(suffix)) return names;
  const short = hostname.slice(0, -suffix.length);
  names.push(`${short}.svc`, short);
  if (short.endsWith(`.${namespace}`)) names.push(short.slice(0, -namespace.length - 1));
  return names;
}

function defaultRoute(cluster: string): Route {
  const action = create(RouteActionSchema, { clusterSpecifier: { case: 'cluster', value: cluster } });
  const policy = retryPolicy(undefined);
  if (policy !== undefined) action.retryPolicy = policy;
  return create(RouteSchema, {
    name: 'default',
    match: create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } }),
    action: { case: 'route', value: action },
  });
}
