// The transports of a cluster: its transport socket, or the one of `transport_socket_matches` that an endpoint's metadata asks for. By that
// Istio speaks mutual TLS to the pods that have a sidecar (`tlsMode: istio`) and plain text to the others.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#envoy-v3-api-msg-config-cluster-v3-cluster-transportsocketmatch

import { equals, type JsonObject } from '@bufbuild/protobuf';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_TransportSocketMatchSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type TransportSocket, TransportSocketSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { compileTransport, failingTransport, type TransportDeps, type UpstreamTransport } from './transport-socket.ts';

/** What an endpoint says of itself under `envoy.transport_socket_match`. */
export type TransportMetadata = JsonObject | undefined;

/** Compiled transports. Immutable. */
export interface TransportChoice {
  /** The first match whose every field the endpoint has, else the cluster's own transport socket. */
  of(metadata: TransportMetadata): UpstreamTransport;
}

/**
 * @param verifyServerName `auto_san_validation`
 * @param skipped told of a match that can't be served: connections to the endpoints that ask for it fail, the others are served
 * @throws ConfigError for a transport socket of the cluster, or TLS of a match, that can't be served
 */
export function compileTransports(
  config: Cluster,
  verifyServerName: boolean,
  deps: TransportDeps,
  skipped: (what: string, why: string) => void,
): TransportChoice {
  const where = `Cluster ${config.name}: transport_socket`;
  const own = compileTransport(config.transportSocket, where, verifyServerName, deps);
  if (config.transportSocketMatches.length === 0) return { of: () => own };
  const matches = config.transportSocketMatches.map(({ name, match, transportSocket }) => {
    const at = `${where}_matches[${name}].transport_socket`;
    return {
      fields: Object.entries(match ?? {}),
      transport: isKnown(transportSocket)
        ? compileTransport(transportSocket, at, verifyServerName, deps)
        : unknownTransport(name, transportSocket, at, skipped),
    };
  });
  return {
    of: (metadata) =>
      matches.find(({ fields }) => fields.every(([key, value]) => sameValue(metadata?.[key], value)))?.transport ?? own,
  };
}

/** Whether the transports of two versions of a cluster are the same. */
export function sameTransports(a: Cluster, b: Cluster): boolean {
  const sameSocket =
    a.transportSocket === undefined || b.transportSocket === undefined
      ? a.transportSocket === b.transportSocket
      : equals(TransportSocketSchema, a.transportSocket, b.transportSocket);
  return (
    sameSocket &&
    a.transportSocketMatches.length === b.transportSocketMatches.length &&
    a.transportSocketMatches.every((match, index) => {
      const other = b.transportSocketMatches[index];
      return other !== undefined && equals(Cluster_TransportSocketMatchSchema, match, other);
    })
  );
}

/** Whether endpoints say the same of themselves. */
export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

const KNOWN = new Set([undefined, 'envoy.transport_sockets.raw_buffer', 'envoy.transport_sockets.tls']);

function isKnown(socket: TransportSocket | undefined): boolean {
  return KNOWN.has(socket?.name);
}

/** One kind of endpoint that can't be reached (Istio's HBONE, by `internal_upstream`) must not cost the others their cluster. */
function unknownTransport(
  name: string,
  socket: TransportSocket | undefined,
  at: string,
  skipped: (what: string, why: string) => void,
): UpstreamTransport {
  const reason = `${at}: ${socket?.name} is not supported`;
  skipped(
    `transport_socket_matches ${name} (${socket?.name})`,
    'not supported: connections to the endpoints that ask for it fail',
  );
  return failingTransport(reason);
}
