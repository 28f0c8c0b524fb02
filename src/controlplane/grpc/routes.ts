// The routes of one service's port for gRPC clients: those of the VirtualService that the mesh has for it, else straight to its cluster.

import { create } from '@bufbuild/protobuf';
import { VirtualHostSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { clusterName } from '../cluster-name.ts';
import { hostNames } from '../mesh/host-names.ts';
import { defaultRoute, meshRoutes } from '../mesh/mesh-routes.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';

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
  const { built, notices } = meshRoutes(hostname, port, context, node);
  const message = context.memo.get(`${node.id}/grpc-rds/${name}`, [built], () =>
    create(RouteConfigurationSchema, {
      name,
      virtualHosts: [
        create(VirtualHostSchema, {
          name: `${hostname}:${port}`,
          domains: hostNames(hostname, node.namespace).flatMap((host) => [host, `${host}:${port}`]),
          // A VirtualService none of whose routes is for this client is as good as none.
          routes: built.routes.length > 0 ? [...built.routes] : [defaultRoute(name, hostname, port)],
        }),
      ],
    }),
  );
  return { message, notices };
}
