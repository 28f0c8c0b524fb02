// The TcpProxy filter's configuration, checked: which cluster, which limits.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto

import type { Duration } from '@bufbuild/protobuf/wkt';
import type { TcpProxy } from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { ConfigError } from '../connection.ts';

/** In Limen's terms. */
export interface TcpProxyConfig {
  readonly statPrefix: string;
  /** With the weights added up: the first whose `upTo` is above a random number below `totalWeight` is taken. */
  readonly clusters: readonly { readonly name: string; readonly upTo: number }[];
  readonly totalWeight: number;
  readonly maxConnectAttempts: number;
  /** Without a byte in either direction; 0 = for ever. */
  readonly idleTimeoutMs: number;
  /** 0 = no limit. */
  readonly maxDurationMs: number;
}

/** Envoy's default `idle_timeout`. */
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

/**
 * @param clusterFromSni the cluster is named by the connection (SniCluster): none need be configured
 * @throws ConfigError naming the field
 */
export function compileTcpProxy(config: TcpProxy, clusterFromSni: boolean): TcpProxyConfig {
  const field = `TcpProxy ${config.statPrefix}`;
  if (config.tunnelingConfig !== undefined)
    throw new ConfigError(`${field}: tunneling_config: not supported, expected a plain TCP upstream`);
  if (config.onDemand !== undefined)
    throw new ConfigError(`${field}: on_demand: not supported, expected clusters that CDS brings`);
  if (config.maxConnectAttempts === 0) throw new ConfigError(`${field}: max_connect_attempts: 0, expected 1 or more`);
  const weighted =
    config.clusterSpecifier.case === 'weightedClusters'
      ? config.clusterSpecifier.value.clusters
      : config.clusterSpecifier.case === 'cluster'
        ? [{ name: config.clusterSpecifier.value, weight: 1 }]
        : [];
  let totalWeight = 0;
  const clusters: { name: string; upTo: number }[] = [];
  for (const { name, weight } of weighted) {
    if (name === '') throw new ConfigError(`${field}: a cluster without a name`);
    if (weight === 0) continue;
    totalWeight += weight;
    clusters.push({ name, upTo: totalWeight });
  }
  if (clusters.length === 0 && !clusterFromSni)
    throw new ConfigError(`${field}: expected a cluster, or weighted_clusters of which one has a weight above 0`);
  return {
    statPrefix: config.statPrefix,
    clusters,
    totalWeight,
    maxConnectAttempts: config.maxConnectAttempts ?? 1,
    idleTimeoutMs: milliseconds(config.idleTimeout, DEFAULT_IDLE_TIMEOUT_MS),
    maxDurationMs: milliseconds(config.maxDownstreamConnectionDuration, 0),
  };
}

/** @param random uniform in [0, 1) */
export function pickCluster({ clusters, totalWeight }: TcpProxyConfig, random: number): string {
  const at = random * totalWeight;
  return clusters.find(({ upTo }) => at < upTo)?.name ?? '';
}

function milliseconds(duration: Duration | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
