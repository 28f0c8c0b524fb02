// Listeners: one for each port and address that the proxy's Gateways bind.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { TrafficDirection } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { ListenerFilterSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '../../xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { type BindAddress, LISTENER_METADATA, ownAddress } from '../bind.ts';
import { addressOf } from '../endpoints.ts';
import type { MergedGateways, MergedPort } from '../gateways/merge.ts';
import { servesHttp } from '../gateways/server.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { listenerAccessLogs } from './access-log.ts';
import { filterChains } from './filter-chains.ts';

/** A listener (and those of its published ports), or none where nothing can be served, and what is to be told about it. */
export interface BuiltListener {
  readonly messages: readonly Listener[];
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
  if (chains.length === 0) return { messages: [], notices };
  const readsHandshake = chains.some(({ filterChainMatch, transportSocket }) => filterChainMatch ?? transportSocket);
  const messages = boundAt({ name, address, port: port.number }, node).map((bound) =>
    create(ListenerSchema, {
      ...bound,
      filterChains: chains,
      listenerFilters: readsHandshake ? [tlsInspector()] : [],
      trafficDirection: TrafficDirection.OUTBOUND,
      accessLog: listenerAccessLogs(context.mesh),
    }),
  );
  return { messages, notices };
}

/** What listeners of one port differ in: name and address. */
type Bound = MessageInitShape<typeof ListenerSchema>;

/**
 * Where it listens: what the Gateway says, or where an Envoy on this machine is to bind it, with the Gateway's address beside. Each published port is a
 * listener of its own there: Envoy replaces a listener whose addresses change, and drains its connections, so that those of one port would pay for another.
 */
function boundAt(own: BindAddress & { name: string }, { bind }: ProxyNode): Bound[] {
  const { name, address, port } = own;
  if (bind === undefined) return [{ name, address: addressOf(own) }];
  // Statistics are named after the address unless there is a name for them.
  const statPrefix = `${address}_${port}`;
  // Two Envoys that know nothing of each other would share a published port without a word; this way the second one is refused it, and says so.
  const enableReusePort = bind.reusePort;
  const inPod = { address, port };
  const bound = ownAddress(own, bind);
  const itself: Bound = {
    name,
    statPrefix,
    metadata: { filterMetadata: { [LISTENER_METADATA]: inPod } },
    // Where it is not bound it is there all the same: known to the proxy, and to who looks.
    ...(bound === undefined
      ? { address: addressOf(own), bindToPort: false }
      : { address: addressOf(bound), enableReusePort }),
  };
  const published = bind.publish
    .filter(({ listenerPort }) => listenerPort === port)
    .map(
      (each): Bound => ({
        name: `${each.address}_${each.port}/${name}`,
        statPrefix,
        metadata: { filterMetadata: { [LISTENER_METADATA]: { ...inPod, published: true } } },
        address: addressOf(each),
        enableReusePort,
      }),
    );
  return [itself, ...published];
}

function tlsInspector() {
  return create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: anyPack(TlsInspectorSchema, create(TlsInspectorSchema)) },
  });
}
