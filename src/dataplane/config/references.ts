// Which other resources a listener or a cluster needs: what to subscribe to, where, and how long to wait for it.

import { fromBinary } from '@bufbuild/protobuf';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_DiscoveryType } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocket } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { ConfigSource } from '../../xds/gen/envoy/config/core/v3/config_source_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { SdsSecretConfig } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { TypeUrl } from '../../xds/resources.ts';
import { configSourceOf } from './config-source.ts';

/** A resource that another one needs. */
export interface Reference {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  /** Where it comes from: 'ads', or the cluster of an `api_config_source`. */
  readonly source: string;
  /** How long to wait for it: `initial_fetch_timeout` in milliseconds, Infinity where that is 0; undefined where it is not set. */
  readonly waitMs: number | undefined;
}

const HTTP_CONNECTION_MANAGER = `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`;
const DOWNSTREAM_TLS = `type.googleapis.com/${DownstreamTlsContextSchema.typeName}`;
const UPSTREAM_TLS = `type.googleapis.com/${UpstreamTlsContextSchema.typeName}`;

/** @param listener one that was compiled: its parts can be decoded */
export function listenerReferences(listener: Listener): Reference[] {
  const found = new References();
  const chains = listener.defaultFilterChain
    ? [...listener.filterChains, listener.defaultFilterChain]
    : listener.filterChains;
  for (const { filters, transportSocket } of chains) {
    for (const { configType } of filters) {
      if (configType.case !== 'typedConfig' || configType.value.typeUrl !== HTTP_CONNECTION_MANAGER) continue;
      const { routeSpecifier } = fromBinary(HttpConnectionManagerSchema, configType.value.value);
      if (routeSpecifier.case === 'rds') {
        const { routeConfigName, configSource } = routeSpecifier.value;
        found.add(TypeUrl.RouteConfiguration, routeConfigName, configSource);
      }
    }
    found.addSecrets(transportSocket);
  }
  return found.list;
}

/** @param cluster one that was compiled */
export function clusterReferences(cluster: Cluster): Reference[] {
  const found = new References();
  const endpoints = endpointsName(cluster);
  if (endpoints !== undefined) found.add(TypeUrl.ClusterLoadAssignment, endpoints, cluster.edsClusterConfig?.edsConfig);
  found.addSecrets(cluster.transportSocket);
  for (const { transportSocket } of cluster.transportSocketMatches) found.addSecrets(transportSocket);
  return found.list;
}

/** References without repetition: the filter chains of a gateway share most of them. */
class References {
  readonly list: Reference[] = [];
  readonly #known = new Set<string>();

  add(typeUrl: TypeUrl, name: string, config: ConfigSource | undefined): void {
    const { source, waitMs } = configSourceOf(config);
    const key = `${typeUrl} ${source} ${waitMs} ${name}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.list.push({ typeUrl, name, source, waitMs });
  }

  addSecrets(socket: TransportSocket | undefined): void {
    if (socket?.configType.case !== 'typedConfig') return;
    const { typeUrl, value } = socket.configType.value;
    const schema =
      typeUrl === UPSTREAM_TLS
        ? UpstreamTlsContextSchema
        : typeUrl === DOWNSTREAM_TLS
          ? DownstreamTlsContextSchema
          : undefined;
    if (schema === undefined) return;
    for (const { name, sdsConfig } of secretsOf(fromBinary(schema, value).commonTlsContext))
      this.add(TypeUrl.Secret, name, sdsConfig);
  }
}

function secretsOf(common: CommonTlsContext | undefined): SdsSecretConfig[] {
  const secrets = [...(common?.tlsCertificateSdsSecretConfigs ?? [])];
  const validation = common?.validationContextType;
  if (validation?.case === 'validationContextSdsSecretConfig') secrets.push(validation.value);
  if (validation?.case === 'combinedValidationContext') {
    const secret = validation.value.validationContextSdsSecretConfig;
    if (secret !== undefined) secrets.push(secret);
  }
  return secrets;
}

/** The name under which EDS speaks of a cluster; undefined where its endpoints come otherwise. */
function endpointsName(cluster: Cluster): string | undefined {
  const { clusterDiscoveryType, edsClusterConfig, name } = cluster;
  if (clusterDiscoveryType.case !== 'type' || clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS)
    return undefined;
  return edsClusterConfig?.serviceName || name;
}
