// Where a listener of a pod is bound on this machine: the pod's own address, and ports of the machine that are published for it.

import type { Address } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import { SocketAddress_Protocol } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import { ConfigError } from '../connection.ts';
import { type Endpoint, formatEndpoint } from './endpoint.ts';

/** A port of this machine behind which a listener's port is served. */
export interface Publish {
  /** The IP address to bind. */
  readonly host: string;
  /** 0 = any free port. */
  readonly hostPort: number;
  /** The port the listener has in its configuration. */
  readonly listenerPort: number;
  /**
   * Shared with other data planes that say so too (SO_REUSEPORT): the kernel gives each of them its part of the connections. Bound once there is a
   * listener for it, since until then the others serve.
   */
  readonly reusePort?: boolean;
}

/**
 * How xDS addresses (a pod's `0.0.0.0:8080`) become sockets of this machine. Local to the data plane: configuration dumps show what xDS said.
 * With neither part, a listener is bound where xDS says.
 */
export interface BindRules {
  /** The pod's own IP: replaces the wildcard addresses `0.0.0.0` and `::`. */
  readonly address?: string | undefined;
  /** Bound at once (shared ones: from their first listener on) and as long as they are wanted, whether or not a listener is there; a wildcard listener without `address` is reachable through these alone. */
  readonly publish: readonly Publish[];
}

/**
 * The address of a listener as its configuration says it.
 * @param field where it stands, for the error
 * @throws ConfigError for what is not a TCP address with a port
 */
export function endpointOf(address: Address | undefined, field: string): Endpoint {
  const socket = address?.address.case === 'socketAddress' ? address.address.value : undefined;
  if (socket?.portSpecifier.case !== 'portValue' || socket.protocol !== SocketAddress_Protocol.TCP)
    throw new ConfigError(`${field}: expected a socket_address with protocol TCP and a port_value`);
  const port = socket.portSpecifier.value;
  if (port < 1 || port > 65535) throw new ConfigError(`${field}: port_value ${port}, expected 1 to 65535`);
  return { host: socket.address, port };
}

/** Binds on every address of the machine. */
function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}

/** The address to bind for a listener's own endpoint, or undefined where only published ports lead to it. */
export function bindEndpoint(endpoint: Endpoint, rules: BindRules): Endpoint | undefined {
  if (!isWildcard(endpoint.host)) return endpoint;
  if (rules.address !== undefined) return { host: rules.address, port: endpoint.port };
  return rules.publish.length > 0 ? undefined : endpoint;
}

/**
 * The local address of connections of a listener, whatever socket they came through.
 * @returns undefined where only the accepted socket knows (a wildcard without `address`)
 */
export function localAddress(endpoint: Endpoint, rules: BindRules): string | undefined {
  if (!isWildcard(endpoint.host)) return formatEndpoint(endpoint);
  return rules.address === undefined ? undefined : formatEndpoint({ host: rules.address, port: endpoint.port });
}
