// The TCP proxy of a gateway's listener.

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { type Filter, FilterSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  type TcpProxy,
  TcpProxy_WeightedCluster_ClusterWeightSchema,
  TcpProxy_WeightedClusterSchema,
  TcpProxySchema,
} from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { resolveDestination } from '../routes/destination.ts';
import type { L4Match, L4RouteSpec } from '../routes/http-route.ts';
import type { Origin, RoutedVirtualService } from '../routes/virtual-services.ts';
import { accessLogs } from './access-log.ts';

/** Whether a TCP or TLS match concerns a server: its port and Gateway. */
export function concernsServer({ port, gateways }: L4Match, serverPort: number, gatewayName: string): boolean {
  if (port && port !== serverPort) return false;
  return gateways === undefined || gateways.length === 0 || gateways.includes(gatewayName);
}

/**
 * The network filter that forwards bytes to the destinations of a TCP or TLS route; undefined when it has none.
 * @param listenPort the Gateway's port: the port of a service with several when the destination names none
 */
export function tcpProxy(
  { namespace, name }: RoutedVirtualService,
  { route, origin }: { route: L4RouteSpec; origin: Origin },
  listenPort: number,
  context: PushContext,
  node: ProxyNode,
  notices: Notice[],
): Filter | undefined {
  const destinations = route.route ?? [];
  const clusters = destinations.flatMap(({ destination, weight }, index) => {
    if (destinations.length > 1 && !weight) return [];
    const { cluster, problem } = resolveDestination(destination, namespace, node, listenPort, context);
    if (problem !== undefined) {
      const message = problem.message.replace('requests are answered 503', 'connections are closed');
      notices.push({ ...origin, field: `${origin.field}.route[${index}].destination.${problem.field}`, message });
    }
    return [{ cluster, weight: weight ?? 0 }];
  });
  const [first] = clusters;
  if (first === undefined) return undefined;
  const proxy = create(TcpProxySchema, {
    statPrefix: destinations.length === 1 ? first.cluster : `${name}.${namespace}`,
    clusterSpecifier:
      destinations.length === 1 ? { case: 'cluster', value: first.cluster } : weightedClusters(clusters),
    accessLog: accessLogs(context.mesh),
  });
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: { case: 'typedConfig', value: anyPack(TcpProxySchema, proxy) },
  });
}

function weightedClusters(clusters: readonly { cluster: string; weight: number }[]): TcpProxy['clusterSpecifier'] {
  const value = create(TcpProxy_WeightedClusterSchema, {
    clusters: clusters.map(({ cluster, weight }) =>
      create(TcpProxy_WeightedCluster_ClusterWeightSchema, { name: cluster, weight }),
    ),
  });
  return { case: 'weightedClusters', value };
}
