// Listeners: one for each port and address that the proxy's Gateways bind.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { TrafficDirection } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { ListenerFilterSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { type BindAddress, bindAddresses, LISTENER_METADATA } from '../bind.ts';
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
    const inputs = [port, context.mesh, JSON.stringify(node.bind), ...routed];
    return context.memo.get(`${node.id}/listener/${port.bind}:${port.number}`, inputs, () =>
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
    ...addressesOf({ address, port: port.number }, node),
    filterChains: chains,
    listenerFilters: readsHandshake ? [tlsInspector()] : [],
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerAccessLogs(context.mesh),
  });
  return { message, notices };
}

/** Where it listens: what the Gateway says, or where an Envoy on this machine is to bind it, with the Gateway's address beside. */
function addressesOf(own: BindAddress, { bind }: ProxyNode): MessageInitShape<typeof ListenerSchema> {
  if (bind === undefined) return { address: addressOf(own) };
  const [first, ...others] = bindAddresses(own, bind);
  const metadata = { filterMetadata: { [LISTENER_METADATA]: { address: own.address, port: own.port } } };
  // Nothing leads to it: known to the proxy, and bound nowhere.
  // Statistics are named after the address unless there is a name for them.
  const statPrefix = `${own.address}_${own.port}`;
  if (first === undefined) return { address: addressOf(own), bindToPort: false, statPrefix, metadata };
  return {
    address: addressOf(first),
    additionalAddresses: others.map((each) => ({ address: addressOf(each) })),
    // Two Envoys that know nothing of each other would share a published port without a word; this way the second one is refused it, and says so.
    enableReusePort: bind.reusePort === true,
    statPrefix,
    metadata,
  };
}

function tlsInspector() {
  return create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: anyPack(TlsInspectorSchema, create(TlsInspectorSchema)) },
  });
}
