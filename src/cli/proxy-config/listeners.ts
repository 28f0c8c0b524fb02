// `limen proxy-config listeners`: which addresses a proxy listens on, and which filter chain leads where.

import { type BindAddress, LISTENER_METADATA } from '../../controlplane/bind.ts';
import type { Address } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import type {
  Filter,
  FilterChain,
  FilterChainMatch,
} from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHost } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type TcpProxy,
  TcpProxySchema,
} from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Row } from '../table.ts';
import { compareText, describeMatch } from './describe.ts';
import { unpack } from './dump.ts';
import type { ListenerType } from './options.ts';

/** Which listeners to show; what is undefined does not filter. */
export interface ListenerFilter {
  address?: string | undefined;
  port?: number | undefined;
  type?: ListenerType | undefined;
}

/** How a table of listeners looks. */
export interface ListenerTable {
  /** A line a filter chain with match and destination, else a line a listener with its type. */
  verbose: boolean;
  /** A first column `listener/NAME`, as `proxy-config all` has. */
  named?: boolean;
}

/** istiod's cluster for traffic that goes nowhere: a filter chain to it is not one that serves TCP. */
const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';

/** Lists of application protocols that istiod matches on, and istioctl's names for them. */
const APPLICATION_PROTOCOLS: Readonly<Record<string, string>> = {
  'http/1.0,http/1.1,h2c': 'App: HTTP',
  'istio,istio-http/1.0,istio-http/1.1,istio-h2': 'App: Istio HTTP Plain',
  'http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2': 'App: HTTP TLS',
  'istio-peer-exchange,istio': 'App: TCP TLS',
};

/** The listeners that a filter lets through, in their order. */
export function filterListeners(listeners: readonly Listener[], filter: ListenerFilter): Listener[] {
  return listeners.filter(
    (listener) =>
      (filter.address === undefined || addressesOf(listener).some((address) => equalFold(address, filter.address))) &&
      (filter.port === undefined || portOf(listener) === filter.port) &&
      (filter.type === undefined || typeOf(listener) === filter.type),
  );
}

/** The table, header first: by port, address and type; the filter chains of a listener by destination, descending. */
export function listenerRows(listeners: readonly Listener[], { verbose, named = false }: ListenerTable): Row[] {
  const name = (text: string) => (named ? [text] : []);
  const rows: Row[] = [[...name('NAME'), 'ADDRESSES', 'PORT', ...(verbose ? ['MATCH', 'DESTINATION'] : ['TYPE'])]];
  for (const listener of listeners.toSorted(compareListeners)) {
    const start = [...name(`listener/${listener.name}`), addressesOf(listener).join(','), String(portOf(listener))];
    if (!verbose) {
      rows.push([...start, typeOf(listener)]);
      continue;
    }
    const chains = chainsOf(listener).map((chain) => ({
      match: describeChainMatch(chain.filterChainMatch),
      destination: destinationOf(chain),
    }));
    chains.sort((a, b) => compareText(b.destination, a.destination));
    for (const { match, destination } of chains) rows.push([...start, match, destination]);
  }
  return rows;
}

function compareListeners(a: Listener, b: Listener): number {
  return (
    portOf(a) - portOf(b) ||
    compareText(addressesOf(a).join(), addressesOf(b).join()) ||
    compareText(typeOf(a), typeOf(b))
  );
}

function equalFold(a: string, b: string | undefined): boolean {
  return a.toLowerCase() === b?.toLowerCase();
}

/**
 * Where a listener listens; a dual-stack one has more than one address. For an Envoy on this machine the control plane says where to bind instead of
 * the pod's address, which then stands beside: that is the one to show, as any data plane has it.
 */
function addressesOf(listener: Listener): string[] {
  const inPod = addressInPod(listener);
  if (inPod !== undefined) return [inPod.address];
  const all = [listener.address, ...listener.additionalAddresses.map((additional) => additional.address)];
  return all.map((address) => addressText(address)).filter((address) => address !== '');
}

function addressText(address: Address | undefined): string {
  switch (address?.address.case) {
    case 'socketAddress':
      return address.address.value.address;
    case 'pipe':
      return `unix://${address.address.value.path}`;
    default:
      return ''; // an internal listener has a name only
  }
}

function portOf(listener: Listener): number {
  const inPod = addressInPod(listener);
  if (inPod !== undefined) return inPod.port;
  const address = listener.address?.address;
  if (address?.case !== 'socketAddress') return 0;
  const port = address.value.portSpecifier;
  return port.case === 'portValue' ? port.value : 0;
}

function addressInPod({ metadata }: Listener): BindAddress | undefined {
  const { address, port } = metadata?.filterMetadata[LISTENER_METADATA] ?? {};
  return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined;
}

function chainsOf(listener: Listener): FilterChain[] {
  return listener.defaultFilterChain === undefined
    ? listener.filterChains
    : [...listener.filterChains, listener.defaultFilterChain];
}

function typeOf(listener: Listener): ListenerType {
  const filters = chainsOf(listener).flatMap((chain) => chain.filters);
  const http = filters.some((filter) => filterConfig(filter)?.kind === 'http');
  const tcp = filters.some((filter) => filterConfig(filter)?.kind === 'tcp');
  if (http) return tcp ? 'HTTP+TCP' : 'HTTP';
  return tcp ? 'TCP' : 'UNKNOWN';
}

/** A filter that ends a chain: what it is and where it leads. Undefined for any other filter. */
function filterConfig(filter: Filter): { kind: 'http' | 'tcp'; destination: string } | undefined {
  const typedConfig = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
  const http = unpack(HttpConnectionManagerSchema, typedConfig);
  if (http !== undefined) {
    const { routeSpecifier } = http;
    if (routeSpecifier.case === 'routeConfig') return { kind: 'http', destination: inlineRoutes(routeSpecifier.value) };
    const name = routeSpecifier.case === 'rds' ? routeSpecifier.value.routeConfigName : '';
    return { kind: 'http', destination: name === '' ? 'HTTP' : `Route: ${name}` };
  }
  const tcp = unpack(TcpProxySchema, typedConfig);
  if (tcp === undefined) return undefined;
  const clusters = clustersOfTcpProxy(tcp);
  return clusters.includes(BLACK_HOLE_CLUSTER)
    ? undefined
    : { kind: 'tcp', destination: clusterText(clusters.join(', ')) };
}

function clustersOfTcpProxy({ clusterSpecifier }: TcpProxy): string[] {
  if (clusterSpecifier.case === 'cluster') return [clusterSpecifier.value];
  return clusterSpecifier.case === 'weightedClusters' ? clusterSpecifier.value.clusters.map(({ name }) => name) : [];
}

/** `PassthroughCluster` says what it is by itself. */
function clusterText(cluster: string): string {
  return cluster.includes('Cluster') ? cluster : `Cluster: ${cluster}`;
}

function destinationOf(chain: FilterChain): string {
  for (const filter of chain.filters) {
    const config = filterConfig(filter);
    if (config !== undefined) return config.destination;
  }
  return 'Non-HTTP/Non-TCP';
}

function describeChainMatch(match: FilterChainMatch | undefined): string {
  const parts: string[] = [];
  if (match !== undefined) {
    if (match.serverNames.length > 0) parts.push(`SNI: ${match.serverNames.join(',')}`);
    if (match.transportProtocol !== '') parts.push(`Trans: ${match.transportProtocol}`);
    const protocols = match.applicationProtocols.join(',');
    if (protocols !== '') parts.push(APPLICATION_PROTOCOLS[protocols] ?? `App: ${protocols}`);
    const port = match.destinationPort === undefined ? '' : `:${match.destinationPort}`;
    const ranges = match.prefixRanges.map((range) => `${range.addressPrefix}/${range.prefixLen ?? 0}`);
    if (ranges.length > 0 || port !== '') parts.push(`Addr: ${ranges.join(',') || '*'}${port}`);
  }
  return parts.length === 0 ? 'ALL' : parts.join('; ');
}

/** Routes that stand in the listener itself. Where they send everything to one cluster, that cluster says more. */
function inlineRoutes(routes: RouteConfiguration): string {
  const [only, ...others] = routes.virtualHosts;
  if (only !== undefined && others.length === 0) {
    const cluster = matchAllCluster(only);
    if (cluster !== undefined) return clusterText(cluster);
  }
  const hosts = routes.virtualHosts.map((host) => {
    const matches = host.routes.map((route) => describeMatch(route.match)).join(', ');
    return isAnyHost(host) ? matches : `${host.domains.join('/')} ${matches}`;
  });
  return `Inline Route: ${hosts.join('; ')}`;
}

function isAnyHost({ domains }: VirtualHost): boolean {
  return domains.length === 1 && domains[0] === '*';
}

function matchAllCluster(host: VirtualHost): string | undefined {
  const [route, ...others] = host.routes;
  if (route === undefined || others.length > 0 || !isAnyHost(host)) return undefined;
  const path = route.match?.pathSpecifier;
  if (path?.case !== 'prefix' || path.value !== '/' || route.action.case !== 'route') return undefined;
  const { clusterSpecifier } = route.action.value;
  return clusterSpecifier.case === 'cluster' ? clusterSpecifier.value : undefined;
}
