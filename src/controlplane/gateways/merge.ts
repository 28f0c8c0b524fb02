// All Gateways of one proxy as one: which servers share a port, and who gives way where they cannot.
// https://istio.io/latest/docs/reference/config/networking/gateway/ ; conflicts go to the oldest Gateway.

import { keyOf } from '../../resources/object.ts';
import type { Gateway, GatewayServer } from '../../resources/types.ts';
import type { Notice } from '../notice.ts';
import { isHttp, parseProtocol } from '../registry/protocol.ts';
import { bareHost, hostsOf, type MergedServer, routeNameOf, servesHttp, speaksTls } from './server.ts';

/** One address and port that is listened on, with its servers in order of age. */
export interface MergedPort {
  readonly number: number;
  /** An address, or '' for all. */
  readonly bind: string;
  /** Whether plain HTTP is served: then all servers share one RouteConfiguration. */
  readonly plainHttp: boolean;
  readonly servers: MergedServer[];
}

/** What one proxy is to serve. */
export interface MergedGateways {
  readonly ports: readonly MergedPort[];
  /** RouteConfiguration name → the servers whose hosts it holds. */
  readonly serversByRouteName: ReadonlyMap<string, readonly MergedServer[]>;
  readonly notices: readonly Notice[];
}

/** What has been taken on one port number so far. */
interface Taken {
  /** bind → the listener there. */
  readonly byBind: Map<string, MergedPort>;
  /** `bind host` → the server that has it, by SNI or by plain HTTP. */
  readonly hosts: Map<string, MergedServer>;
}

/**
 * Merges Gateways.
 * @param gateways those that select the proxy, oldest first
 * @param boundPorts the ports to bind for a Gateway's port number
 */
export function mergeGateways(gateways: readonly Gateway[], boundPorts: (number: number) => number[]): MergedGateways {
  const taken = new Map<number, Taken>();
  const serversByRouteName = new Map<string, MergedServer[]>();
  const notices: Notice[] = [];
  for (const gateway of gateways) {
    const object = keyOf(gateway);
    for (const [index, server] of (gateway.spec?.servers ?? []).entries()) {
      const field = `spec.servers[${index}]`;
      for (const number of boundPorts(server.port.number)) {
        let onPort = taken.get(number);
        if (onPort === undefined) {
          onPort = { byBind: new Map(), hosts: new Map() };
          taken.set(number, onPort);
        }
        const merged = describe(server, gateway, field, number);
        const { conflict, shared } = addServer(onPort, number, merged, serversByRouteName);
        if (conflict !== undefined) notices.push({ object, field, message: `is not served: ${conflict}` });
        notices.push(...shared);
      }
    }
  }
  const ports = [...taken.values()].flatMap(({ byBind }) => [...byBind.values()]);
  return { ports, serversByRouteName, notices };
}

/** One host and port in two Gateways: both authors should know. */
function sharedHost(host: string, older: MergedServer, younger: MergedServer): Notice[] {
  const tell = (of: MergedServer, message: string) => ({
    object: keyOf(of.gateway),
    field: `${of.field}.hosts`,
    message: `host ${host} on port ${of.server.port.number} is also that of Gateway ${message}`,
  });
  return [
    tell(younger, `${older.gatewayName}, which is older: its routes are tried first`),
    tell(older, `${younger.gatewayName}, which is younger: its routes are tried last`),
  ];
}

function describe(server: GatewayServer, gateway: Gateway, field: string, boundPort: number): MergedServer {
  const { name, namespace = '' } = gateway.metadata;
  const hosts = hostsOf(server, namespace);
  return {
    server,
    gateway,
    gatewayName: `${namespace}/${name}`,
    field,
    hosts,
    sniHosts: server.tls === undefined ? [] : [...new Set(hosts.map((host) => bareHost(host).toLowerCase()))].sort(),
    routeName: routeNameOf(server, gateway, boundPort),
  };
}

function addServer(
  onPort: Taken,
  number: number,
  merged: MergedServer,
  serversByRouteName: Map<string, MergedServer[]>,
): { conflict?: string; shared: Notice[] } {
  const { server, routeName } = merged;
  const bind = server.bind ?? '';
  const protocol = parseProtocol(server.port.protocol);
  const plainHttp = isHttp(protocol);
  const current = onPort.byBind.get(bind);
  if (current !== undefined) {
    const first = current.servers[0] as MergedServer;
    const other = `${first.server.port.protocol} by Gateway ${first.gatewayName}, which is older`;
    const where = `port ${server.port.number}${number === server.port.number ? '' : ` (bound as ${number})`}`;
    // Plain HTTP shares with plain HTTP, TLS with TLS; a plain TCP port is nobody else's.
    if (current.plainHttp ? !plainHttp : !speaksTls(first.server) || !speaksTls(server)) {
      return { conflict: `${where} is already ${other}; ${server.port.protocol} can't share it`, shared: [] };
    }
    if (!plainHttp && servesHttp(server) && serversByRouteName.has(routeName)) {
      return {
        conflict: `the port name '${server.port.name}' is already used by another HTTPS server of this Gateway`,
        shared: [],
      };
    }
  }
  // Two filter chains with one SNI would make Envoy refuse the whole listener.
  const duplicates = merged.sniHosts.filter((host) => onPort.hosts.has(`${bind} ${host}`));
  if (speaksTls(server) && duplicates.length > 0) {
    const owner = onPort.hosts.get(`${bind} ${duplicates[0]}`) as MergedServer;
    return {
      conflict: `host ${duplicates.join(', ')} on port ${server.port.number} already belongs to Gateway ${owner.gatewayName}, which is older`,
      shared: [],
    };
  }
  const shared: Notice[] = [];
  const names = plainHttp ? merged.hosts.map((host) => host.toLowerCase()) : merged.sniHosts;
  for (const host of names) {
    const owner = onPort.hosts.get(`${bind} ${host}`);
    if (owner === undefined) onPort.hosts.set(`${bind} ${host}`, merged);
    else if (owner.gatewayName !== merged.gatewayName) shared.push(...sharedHost(host, owner, merged));
  }
  if (current === undefined) onPort.byBind.set(bind, { number, bind, plainHttp, servers: [merged] });
  else current.servers.push(merged);
  if (routeName !== '') {
    const list = serversByRouteName.get(routeName);
    if (list === undefined) serversByRouteName.set(routeName, [merged]);
    else list.push(merged);
  }
  return { shared };
}
