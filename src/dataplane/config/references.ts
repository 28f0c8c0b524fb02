// Which other resources a listener or a cluster needs: what to subscribe to, and what to wait for.

import { fromBinary } from '@bufbuild/protobuf';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_DiscoveryType } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';

/** Names of resources that a listener refers to. */
export interface ListenerReferences {
  readonly routes: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}

const HTTP_CONNECTION_MANAGER = `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`;
const DOWNSTREAM_TLS = `type.googleapis.com/${DownstreamTlsContextSchema.typeName}`;
const UPSTREAM_TLS = `type.googleapis.com/${UpstreamTlsContextSchema.typeName}`;

/** @param listener one that was compiled: its parts can be decoded */
export function listenerReferences(listener: Listener): ListenerReferences {
  const routes = new Set<string>();
  const secrets = new Set<string>();
  const chains = listener.defaultFilterChain
    ? [...listener.filterChains, listener.defaultFilterChain]
    : listener.filterChains;
  for (const { filters, transportSocket } of chains) {
    for (const { configType } of filters) {
      if (configType.case !== 'typedConfig' || configType.value.typeUrl !== HTTP_CONNECTION_MANAGER) continue;
      const { routeSpecifier } = fromBinary(HttpConnectionManagerSchema, configType.value.value);
      if (routeSpecifier.case === 'rds') routes.add(routeSpecifier.value.routeConfigName);
    }
    if (transportSocket?.configType.case !== 'typedConfig') continue;
    const { typeUrl, value } = transportSocket.configType.value;
    if (typeUrl !== DOWNSTREAM_TLS) continue;
    for (const name of secretsOf(fromBinary(DownstreamTlsContextSchema, value).commonTlsContext)) secrets.add(name);
  }
  return { routes, secrets };
}

/** The secrets that TLS to a cluster's hosts needs. */
export function clusterSecrets({ transportSocket }: Cluster): string[] {
  if (transportSocket?.configType.case !== 'typedConfig') return [];
  const { typeUrl, value } = transportSocket.configType.value;
  return typeUrl === UPSTREAM_TLS ? secretsOf(fromBinary(UpstreamTlsContextSchema, value).commonTlsContext) : [];
}

function secretsOf(common: CommonTlsContext | undefined): string[] {
  const names = (common?.tlsCertificateSdsSecretConfigs ?? []).map(({ name }) => name);
  const validation = common?.validationContextType;
  if (validation?.case === 'validationContextSdsSecretConfig') names.push(validation.value.name);
  if (validation?.case === 'combinedValidationContext') {
    const name = validation.value.validationContextSdsSecretConfig?.name;
    if (name !== undefined) names.push(name);
  }
  return names;
}

/** The name under which EDS speaks of a cluster; undefined where its endpoints come otherwise. */
export function endpointsName(cluster: Cluster): string | undefined {
  const { clusterDiscoveryType, edsClusterConfig, name } = cluster;
  if (clusterDiscoveryType.case !== 'type' || clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS)
    return undefined;
  return edsClusterConfig?.serviceName || name;
}
