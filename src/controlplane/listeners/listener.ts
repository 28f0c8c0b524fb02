// Listeners: one for each port and address that the proxy's Gateways bind.

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { TrafficDirection } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { ListenerFilterSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { addressOf } from '../endpoints.ts';
import type { MergedGateways, MergedPort } from '../gateways/merge.ts';
import { servesHttp } from '../gateways/server.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { listenerAccessLogs } from './access-log.ts';
import { filterChains } from './filter-chains.ts';

/** A listener, or none where nothing can be served, and what is to be told about it. */
export interface BuiltListener {
  readonly message: Listener | undefined;
  readonly notices: readonly Notice[];
}

/** The listeners of a proxy. */
export function listenersOf(gateways: MergedGateways, context: PushContext, node: ProxyNode): BuiltListener[] {
  return gateways.ports.map((port) => {
    // HTTP listeners name their routes and nothing else; TCP ones carry routes of VirtualServices in them.
    const carriesRoutes = port.servers.some(({ server }) => !servesHttp(server));
    const routed = carriesRoutes
      ? [context.virtualServices, context.registry.byHostname, context.destinationRules]
      : [];
    return context.memo.get(`${node.id}/listener/${port.bind}:${port.number}`, [port, context.mesh, ...routed], () =>
      buildListener(port, context, node),
    );
  });
}

function buildListener(port: MergedPort, context: PushContext, node: ProxyNode): BuiltListener {
  const address = port.bind === '' ? '0.0.0.0' : port.bind;
  const name = `${address}_${port.number}`;
  const notices: Notice[] = [];
  const chains = filterChains(port, { context, node, notices, statPrefix: `outbound_${name}` });
  if (chains.length === 0) return { message: undefined, notices };
  const readsHandshake = chains.some(({ filterChainMatch, transportSocket }) => filterChainMatch ?? transportSocket);
  const message = create(ListenerSchema, {
    name,
    address: addressOf({ address, port: port.number }),
    filterChains: chains,
    listenerFilters: readsHandshake ? [tlsInspector()] : [],
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerAccessLogs(context.mesh),
  });
  return { message, notices };
}

function tlsInspector() {
  return create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: anyPack(TlsInspectorSchema, create(TlsInspectorSchema)) },
  });
}
