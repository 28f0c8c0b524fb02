// The filter chains of one listener: one for plain HTTP, else one a server, told apart by SNI.

import { create } from '@bufbuild/protobuf';
import { hostsOverlap } from '../../resources/hosts.ts';
import { keyOf } from '../../resources/object.ts';
import {
  type Filter,
  type FilterChain,
  FilterChainMatchSchema,
  FilterChainSchema,
} from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { seconds } from '../duration.ts';
import type { MergedPort } from '../gateways/merge.ts';
import { bareHost, hostsForNamespace, isPassthrough, type MergedServer, servesHttp } from '../gateways/server.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import type { RoutedVirtualService } from '../routes/virtual-services.ts';
import { httpConnectionManager } from './http.ts';
import { concernsServer, tcpProxy } from './tcp.ts';
import { credentialNames, downstreamTls, HTTP_ALPN } from './tls.ts';

/** How long a client may take for its TLS handshake. */
const HANDSHAKE_TIMEOUT_SECONDS = 15;

/**
 * How long an Envoy that `limen up` runs waits for a Secret. It is on this machine: what has not come by then does not exist, and the ports that need
 * none should not wait for it. Limen's own proxy waits as long.
 */
const LOCAL_SECRET_SECONDS = 1;

/** What filter chains are built from, and what they report to. */
export interface ChainContext {
  readonly context: PushContext;
  readonly node: ProxyNode;
  readonly notices: Notice[];
  /** Statistics prefix of the listener. */
  readonly statPrefix: string;
}

/** All filter chains of a port; none when nothing on it can be served. */
export function filterChains(port: MergedPort, chain: ChainContext): FilterChain[] {
  if (port.plainHttp) {
    const routeName = (port.servers[0] as MergedServer).routeName;
    return [
      create(FilterChainSchema, { filters: [httpConnectionManager(chain.statPrefix, routeName, chain.context.mesh)] }),
    ];
  }
  // Two chains with one SNI, and Envoy refuses the listener: names that a server ends TLS for are not forwarded as well.
  const sniTaken = new Map<string, string>();
  const chains = new Map<MergedServer, FilterChain[]>();
  for (const merged of port.servers) {
    if (isPassthrough(merged.server)) continue;
    const own = serverChains(merged, sniTaken, chain);
    chains.set(merged, own);
    if (own.length === 0) continue;
    for (const name of merged.sniHosts.includes('*') ? ['*'] : merged.sniHosts)
      sniTaken.set(name, `ended by a server of Gateway ${merged.gatewayName}`);
  }
  return port.servers.flatMap((merged) => chains.get(merged) ?? serverChains(merged, sniTaken, chain));
}

function serverChains(merged: MergedServer, sniTaken: Map<string, string>, chain: ChainContext): FilterChain[] {
  const { server, sniHosts, routeName } = merged;
  const { tls } = server;
  const report = (field: string, message: string) =>
    chain.notices.push({ object: keyOf(merged.gateway), field: `${merged.field}.${field}`, message });
  if (tls === undefined) {
    const filter = tcpRouteFilter(merged, chain);
    if (filter === undefined) report('port', 'no VirtualService has a TCP route for it: it is not listened on');
    return filter === undefined ? [] : [create(FilterChainSchema, { filters: [filter] })];
  }
  if (tls.mode === 'AUTO_PASSTHROUGH' || tls.mode === 'ISTIO_MUTUAL') {
    report('tls.mode', `${tls.mode} is not translated by Limen yet: the server is not served`);
    return [];
  }
  if (isPassthrough(server)) return passthroughChains(merged, sniTaken, chain);
  if (credentialNames(tls).length === 0) {
    report(
      'tls.credentialName',
      'is missing (certificates from files are not translated by Limen yet): the server is not served',
    );
    return [];
  }
  const secretSeconds = chain.node.bind === undefined ? undefined : LOCAL_SECRET_SECONDS;
  let filter: Filter | undefined;
  if (servesHttp(server)) {
    filter = httpConnectionManager(server.name || chain.statPrefix, routeName, chain.context.mesh);
  } else {
    filter = tcpRouteFilter(merged, chain);
    if (filter === undefined) {
      report('port', 'no VirtualService has a TCP route for it: the server is not served');
      return [];
    }
  }
  return [
    withSni(sniHosts, {
      filters: [filter],
      transportSocket: downstreamTls(tls, servesHttp(server) ? HTTP_ALPN : [], secretSeconds),
      transportSocketConnectTimeout: seconds(HANDSHAKE_TIMEOUT_SECONDS),
    }),
  ];
}

function withSni(
  names: readonly string[],
  fields: Parameters<typeof create<typeof FilterChainSchema>>[1],
): FilterChain {
  const chain = create(FilterChainSchema, fields);
  // `*` is no condition: clients that send no name are served too.
  if (names.length > 0 && !names.includes('*')) {
    chain.filterChainMatch = create(FilterChainMatchSchema, { serverNames: [...names] });
  }
  return chain;
}

/** The VirtualServices of the server's Gateway that share a host with it. */
function boundVirtualServices(
  { hosts, gatewayName }: MergedServer,
  { context, node }: ChainContext,
): RoutedVirtualService[] {
  const bareHosts = hosts.map((host) => bareHost(host).toLowerCase());
  return context.virtualServices
    .forServer(gatewayName, bareHosts, node.namespace)
    .filter(({ namespace, hosts: own }) => {
      const serverHosts = hostsForNamespace(hosts, namespace).map((host) => host.toLowerCase());
      return own.some((host) => serverHosts.some((serverHost) => hostsOverlap(host, serverHost)));
    });
}

/** The first TCP route that concerns the server. */
function tcpRouteFilter(merged: MergedServer, chain: ChainContext): Filter | undefined {
  const port = merged.server.port.number;
  for (const virtualService of boundVirtualServices(merged, chain)) {
    for (const tcp of virtualService.tcp) {
      const matches = tcp.route.match ?? [];
      if (matches.length > 0 && !matches.some((match) => concernsServer(match, port, merged.gatewayName))) continue;
      const filter = tcpProxy(virtualService, tcp, port, chain.context, chain.node, chain.notices);
      if (filter !== undefined) return filter;
    }
  }
  return undefined;
}

/** One chain for each TLS match: the handshake is read for its SNI only, and forwarded. */
function passthroughChains(merged: MergedServer, sniTaken: Map<string, string>, chain: ChainContext): FilterChain[] {
  const { number } = merged.server.port;
  const chains: FilterChain[] = [];
  for (const virtualService of boundVirtualServices(merged, chain)) {
    for (const tls of virtualService.tls) {
      for (const [index, match] of (tls.route.match ?? []).entries()) {
        if (!concernsServer(match, number, merged.gatewayName)) continue;
        const all = [...new Set((match.sniHosts ?? []).map((name) => name.toLowerCase()))];
        const names = all.includes('*') ? ['*'] : all;
        const field = `${tls.origin.field}.match[${index}].sniHosts`;
        const duplicates = names.filter((name) => sniTaken.has(name));
        if (duplicates.length > 0) {
          const message = `${duplicates.join(', ')} on port ${number} is already ${sniTaken.get(duplicates[0] as string)}: this match is not served`;
          chain.notices.push({ object: tls.origin.object, field, message });
          continue;
        }
        const filter = tcpProxy(virtualService, tls, number, chain.context, chain.node, chain.notices);
        if (filter === undefined) continue;
        for (const name of names)
          sniTaken.set(name, `routed by VirtualService ${virtualService.namespace}/${virtualService.name}`);
        chains.push(withSni(names, { filters: [filter] }));
      }
    }
  }
  if (chains.length === 0) {
    const message = 'no VirtualService has a TLS route for it: the server is not served';
    chain.notices.push({ object: keyOf(merged.gateway), field: `${merged.field}.port`, message });
  }
  return chains;
}
