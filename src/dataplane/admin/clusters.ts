// `/clusters` and `/listeners`: what the proxy balances over and listens on, as text and as JSON.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters

import { create } from '@bufbuild/protobuf';
import { type Clusters, ClustersSchema } from '../../xds/gen/envoy/admin/v3/clusters_pb.js';
import { type Listeners, ListenersSchema } from '../../xds/gen/envoy/admin/v3/listeners_pb.js';
import { SimpleMetric_Type } from '../../xds/gen/envoy/admin/v3/metrics_pb.js';
import { RoutingPriority } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { HealthStatus } from '../../xds/gen/envoy/config/core/v3/health_check_pb.js';
import type { ClusterView, HostView, ListenerView } from './view.ts';

const COUNTERS = ['cx_connect_fail', 'cx_total', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total'] as const;
const GAUGES = ['cx_active', 'rq_active'] as const;
/** In the text form both kinds stand together, sorted. */
const ALL = [...COUNTERS, ...GAUGES].sort();

/** Lines of `cluster::address::field::value`. */
export function clustersText(clusters: readonly ClusterView[]): string {
  const lines: string[] = [];
  for (const cluster of clusters) {
    const { name } = cluster;
    const breakers = thresholds(cluster);
    lines.push(`${name}::observability_name::${name}`);
    // Istio sets thresholds for the default priority only; the high one has Envoy's defaults.
    for (const [priority, values] of [
      ['default', breakers],
      ['high', ENVOY_DEFAULTS],
    ] as const)
      lines.push(
        `${name}::${priority}_priority::max_connections::${values.maxConnections}`,
        `${name}::${priority}_priority::max_pending_requests::${values.maxPendingRequests}`,
        `${name}::${priority}_priority::max_requests::${values.maxRequests}`,
        `${name}::${priority}_priority::max_retries::${values.maxRetries}`,
      );
    lines.push(`${name}::added_via_api::${cluster.addedViaApi}`);
    if (cluster.edsServiceName !== '') lines.push(`${name}::eds_service_name::${cluster.edsServiceName}`);
    for (const host of cluster.hosts) hostLines(lines, `${name}::${hostAddress(host)}`, host);
  }
  return text(lines);
}

const ENVOY_DEFAULTS = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };

/** The messages hold 32 bits; a limit that is none may be Infinity here. */
function thresholds({ circuitBreakers }: ClusterView) {
  const bounded = (limit: number) => Math.min(limit, 0xffff_ffff);
  return {
    maxConnections: bounded(circuitBreakers.maxConnections),
    maxPendingRequests: bounded(circuitBreakers.maxPendingRequests),
    maxRequests: bounded(circuitBreakers.maxRequests),
    maxRetries: bounded(circuitBreakers.maxRetries),
  };
}

function hostLines(lines: string[], prefix: string, host: HostView): void {
  for (const name of ALL) lines.push(`${prefix}::${name}::${host.stats[name]}`);
  lines.push(
    `${prefix}::hostname::${host.hostname}`,
    `${prefix}::health_flags::${healthFlags(host)}`,
    `${prefix}::weight::${host.weight}`,
    `${prefix}::region::${host.region}`,
    `${prefix}::zone::${host.zone}`,
    `${prefix}::sub_zone::${host.subZone}`,
    `${prefix}::canary::false`,
    `${prefix}::priority::${host.priority}`,
    `${prefix}::success_rate::-1`,
    `${prefix}::local_origin_success_rate::-1`,
  );
}

/** Envoy's flags in its order, each after a slash; `healthy` without any. */
function healthFlags(host: HostView): string {
  let flags = '';
  if (host.failedActiveHealthCheck) flags += '/failed_active_hc';
  if (host.failedOutlierCheck) flags += '/failed_outlier_check';
  if (host.edsHealth === 'UNHEALTHY' || host.edsHealth === 'TIMEOUT') flags += '/failed_eds_health';
  if (host.edsHealth === 'DEGRADED') flags += '/degraded_eds_health';
  if (host.edsHealth === 'DRAINING') flags += '/eds_status_draining';
  return flags === '' ? 'healthy' : flags;
}

/** The same as envoy.admin.v3.Clusters, which istioctl's `proxy-config endpoints` reads. */
export function clustersMessage(clusters: readonly ClusterView[]): Clusters {
  return create(ClustersSchema, {
    clusterStatuses: clusters.map((cluster) => ({
      name: cluster.name,
      observabilityName: cluster.name,
      edsServiceName: cluster.edsServiceName,
      addedViaApi: cluster.addedViaApi,
      circuitBreakers: {
        thresholds: [thresholds(cluster), { priority: RoutingPriority.HIGH, ...ENVOY_DEFAULTS }],
      },
      hostStatuses: cluster.hosts.map((host) => ({
        address: socketAddress(host.address, host.port),
        hostname: host.hostname,
        weight: host.weight,
        priority: host.priority,
        locality: { region: host.region, zone: host.zone, subZone: host.subZone },
        healthStatus: {
          edsHealthStatus: HealthStatus[host.edsHealth],
          failedActiveHealthCheck: host.failedActiveHealthCheck,
          failedOutlierCheck: host.failedOutlierCheck,
        },
        stats: [
          ...COUNTERS.map((name) => ({ name, value: BigInt(host.stats[name]) })),
          ...GAUGES.map((name) => ({ name, value: BigInt(host.stats[name]), type: SimpleMetric_Type.GAUGE })),
        ],
      })),
    })),
  });
}

/** Lines of `name::address:port`. */
export function listenersText(listeners: readonly ListenerView[]): string {
  return text(listeners.map(({ name, address, port }) => `${name}::${hostAddress({ address, port })}`));
}

/** The same as envoy.admin.v3.Listeners. */
export function listenersMessage(listeners: readonly ListenerView[]): Listeners {
  return create(ListenersSchema, {
    listenerStatuses: listeners.map(({ name, address, port }) => ({
      name,
      localAddress: socketAddress(address, port),
    })),
  });
}

function socketAddress(address: string, port: number) {
  return {
    address: {
      case: 'socketAddress' as const,
      value: { address, portSpecifier: { case: 'portValue' as const, value: port } },
    },
  };
}

function hostAddress({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function text(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
