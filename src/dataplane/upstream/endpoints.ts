// From a ClusterLoadAssignment to hosts, keeping those that are there already.

import { HealthStatus } from '../../xds/gen/envoy/config/core/v3/health_check_pb.js';
import type { ClusterLoadAssignment } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ConfigError } from '../connection.ts';
import { Host, type HostHealth } from './host.ts';
import { sameValue, type TransportMetadata } from './transport-choice.ts';

/** One endpoint as configured: an address that may still be a name. */
export interface EndpointConfig {
  readonly address: string;
  readonly port: number;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly health: HostHealth;
  /** What it says under `envoy.transport_socket_match`, its locality's fields included. */
  readonly transportMetadata: TransportMetadata;
}

const TRANSPORT_MATCH = 'envoy.transport_socket_match';

/** All endpoints of an assignment, localities flattened. @throws ConfigError for addresses that are not sockets */
export function readEndpoints(assignment: ClusterLoadAssignment, clusterName: string): EndpointConfig[] {
  const endpoints: EndpointConfig[] = [];
  for (const locality of assignment.endpoints) {
    const ofLocality = locality.metadata?.filterMetadata[TRANSPORT_MATCH];
    for (const lbEndpoint of locality.lbEndpoints) {
      const ownMetadata = lbEndpoint.metadata?.filterMetadata[TRANSPORT_MATCH];
      const endpoint = lbEndpoint.hostIdentifier.case === 'endpoint' ? lbEndpoint.hostIdentifier.value : undefined;
      const address = endpoint?.address?.address;
      if (
        endpoint === undefined ||
        address?.case !== 'socketAddress' ||
        address.value.portSpecifier.case !== 'portValue'
      ) {
        throw new ConfigError(
          `ClusterLoadAssignment ${clusterName}: endpoint.address: expected a socket_address with a port_value, got ${address?.case ?? 'nothing'}`,
        );
      }
      endpoints.push({
        address: address.value.address,
        port: address.value.portSpecifier.value,
        hostname: endpoint.hostname,
        // Locality weights count only with locality_weighted_lb_config, which Istio's gateway does not use.
        weight: lbEndpoint.loadBalancingWeight ?? 1,
        priority: locality.priority,
        health: hostHealth(lbEndpoint.healthStatus),
        transportMetadata: ownMetadata === undefined ? ofLocality : { ...ofLocality, ...ownMetadata },
      });
    }
  }
  return endpoints;
}

/**
 * Hosts for endpoints whose addresses are IPs. A host that was there stays the same object, with its pool, and takes weight and
 * health in place.
 *
 * @returns the hosts, and whether anything differs from `previous`
 */
export function mergeHosts(
  endpoints: readonly EndpointConfig[],
  previous: readonly Host[],
): { hosts: readonly Host[]; changed: boolean } {
  const byAddress = new Map(previous.map((host) => [host.address, host]));
  const hosts = new Map<string, Host>();
  let changed = false;
  for (const endpoint of endpoints) {
    const { weight, priority, health, transportMetadata } = endpoint;
    const fresh = new Host(
      endpoint.address,
      endpoint.port,
      endpoint.hostname,
      weight,
      priority,
      health,
      transportMetadata,
    );
    if (hosts.has(fresh.address)) continue;
    const old = byAddress.get(fresh.address);
    // Connections of another transport must not carry one more request: a host that asks for another one is another host.
    if (old === undefined || old.hostname !== fresh.hostname || !sameValue(old.transportMetadata, transportMetadata)) {
      changed = true;
      hosts.set(fresh.address, fresh);
      continue;
    }
    if (old.weight !== weight || old.priority !== priority || old.health !== health) {
      changed = true;
      old.weight = weight;
      old.priority = priority;
      old.health = health;
    }
    hosts.set(old.address, old);
  }
  if (hosts.size !== previous.length) changed = true;
  return { hosts: changed ? [...hosts.values()] : previous, changed };
}

function hostHealth(status: HealthStatus): HostHealth {
  switch (status) {
    case HealthStatus.UNHEALTHY:
      return 'UNHEALTHY';
    case HealthStatus.DRAINING:
      return 'DRAINING';
    case HealthStatus.TIMEOUT:
      return 'TIMEOUT';
    case HealthStatus.DEGRADED:
      return 'DEGRADED';
    default:
      return 'HEALTHY';
  }
}
