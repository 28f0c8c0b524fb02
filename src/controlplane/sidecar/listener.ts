// The listener of a sidecar: an HTTP proxy, to which the workload sends its calls. Istio's sidecars have it where `proxyHttpPort` is set.

import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { FilterChainSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { addressOf } from '../endpoints.ts';
import { listenerAccessLogs } from '../listeners/access-log.ts';
import { httpConnectionManager } from '../listeners/http.ts';
import type { MeshConfig } from '../mesh-config.ts';
import type { ProxyNode } from '../node.ts';

/** The name of its RouteConfiguration, as Istio has it. */
export const HTTP_PROXY_ROUTE = 'http_proxy';

/** The port of the proxy, by the node's metadata, else by the mesh configuration; undefined where none is asked for. */
export function httpProxyPort(node: ProxyNode, mesh: MeshConfig): number | undefined {
  return node.httpProxyPort ?? mesh.proxyHttpPort;
}

/**
 * @param port of the pod, on all its addresses: programs of its containers are to reach it, wherever they run. (Istio's is on 127.0.0.1, which
 *   the containers of a pod share.)
 */
export function httpProxyListener(port: number, mesh: MeshConfig): Listener {
  const name = `0.0.0.0_${port}`;
  return create(ListenerSchema, {
    name,
    address: addressOf({ address: '0.0.0.0', port }),
    filterChains: [
      create(FilterChainSchema, {
        filters: [httpConnectionManager(`outbound_${name}`, HTTP_PROXY_ROUTE, mesh, 'sidecar')],
      }),
    ],
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerAccessLogs(mesh),
  });
}
