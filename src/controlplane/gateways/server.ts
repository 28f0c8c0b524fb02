// One server of a Gateway, and what its protocol and TLS mode make of it.

import type { Gateway, GatewayServer } from '../../resources/types.ts';
import { isHttp, parseProtocol } from '../registry/protocol.ts';

/** A server that serves, with everything that names it. */
export interface MergedServer {
  readonly server: GatewayServer;
  readonly gateway: Gateway;
  /** `namespace/name` of the Gateway: what VirtualServices bind to. */
  readonly gatewayName: string;
  /** Path of the server in the Gateway, for notices. */
  readonly field: string;
  /** `host` or `namespace/host`; `./` and `*`/`/` are resolved. */
  readonly hosts: readonly string[];
  /** Hosts without namespaces, sorted: what a TLS client may ask for. Empty without TLS. */
  readonly sniHosts: readonly string[];
  /** Name of its RouteConfiguration; '' where no HTTP is served. */
  readonly routeName: string;
}

/** Whether TLS is not ended here: the client's handshake is forwarded. */
export function isPassthrough({ tls }: GatewayServer): boolean {
  // PASSTHROUGH is the first value of the enum: what an unset mode is.
  return (
    (tls !== undefined && tls.mode === undefined) || tls?.mode === 'PASSTHROUGH' || tls?.mode === 'AUTO_PASSTHROUGH'
  );
}

/** Whether requests are served: HTTP in the clear, or HTTPS that is ended here. */
export function servesHttp(server: GatewayServer): boolean {
  const protocol = parseProtocol(server.port.protocol);
  return isHttp(protocol) || (protocol === 'HTTPS' && server.tls !== undefined && !isPassthrough(server));
}

/** Whether the connection starts with a TLS handshake (ended here or forwarded), so that servers can share a port by SNI. */
export function speaksTls(server: GatewayServer): boolean {
  return server.tls !== undefined && !isHttp(parseProtocol(server.port.protocol));
}

/**
 * The name of the server's RouteConfiguration: `http.<bound port>` for all plain servers of a port together,
 * `https.<port>.<port name>.<gateway>.<namespace>` for each HTTPS server; '' for TCP and passthrough.
 * @param boundPort the port the listener binds
 */
export function routeNameOf(server: GatewayServer, gateway: Gateway, boundPort: number): string {
  if (!servesHttp(server)) return '';
  const bind = server.bind === undefined || server.bind === '' ? '' : `.${server.bind}`;
  if (isHttp(parseProtocol(server.port.protocol))) return `http.${boundPort}${bind}`;
  const { name, namespace } = gateway.metadata;
  return `https.${server.port.number}.${server.port.name}.${name}.${namespace}${bind}`;
}

/** The server's hosts with `./host` made `namespace/host` and any-namespace prefixes dropped. */
export function hostsOf(server: GatewayServer, namespace: string): string[] {
  const hosts = server.hosts.map((host) => {
    if (host.startsWith('./')) return `${namespace}/${host.slice(2)}`;
    return host.startsWith('*/') ? host.slice(2) : host;
  });
  return hosts.includes('*') ? ['*'] : hosts;
}

/** The host without its namespace. */
export function bareHost(host: string): string {
  return host.slice(host.indexOf('/') + 1);
}

/** The hosts that VirtualServices of a namespace may use. */
export function hostsForNamespace(hosts: readonly string[], namespace: string): string[] {
  return hosts.flatMap((host) => {
    const slash = host.indexOf('/');
    if (slash < 0) return [host];
    return host.slice(0, slash) === namespace ? [host.slice(slash + 1)] : [];
  });
}
