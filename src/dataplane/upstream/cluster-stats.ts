// The counters of one cluster, by Envoy's names, looked up once.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats

import type { Counter, Gauge, Histogram, Stats } from '../stats/stats.ts';

const COUNTERS = [
  'upstream_cx_total',
  'upstream_cx_http1_total',
  'upstream_cx_connect_fail',
  'upstream_cx_connect_timeout',
  'upstream_cx_idle_timeout',
  'upstream_cx_overflow',
  'upstream_cx_max_requests',
  'upstream_cx_none_healthy',
  'upstream_cx_protocol_error',
  'upstream_cx_destroy',
  'upstream_cx_destroy_local',
  'upstream_cx_destroy_remote',
  'upstream_rq_total',
  'upstream_rq_completed',
  'upstream_rq_1xx',
  'upstream_rq_2xx',
  'upstream_rq_3xx',
  'upstream_rq_4xx',
  'upstream_rq_5xx',
  'upstream_rq_pending_total',
  'upstream_rq_pending_overflow',
  'upstream_rq_pending_failure_eject',
  'upstream_rq_active_overflow',
  'upstream_rq_cancelled',
  'upstream_rq_timeout',
  'upstream_rq_per_try_timeout',
  'upstream_rq_rx_reset',
  'upstream_rq_tx_reset',
  'upstream_rq_retry',
  'upstream_rq_retry_success',
  'upstream_rq_retry_overflow',
  'upstream_rq_retry_limit_exceeded',
  'upstream_rq_retry_backoff_exponential',
  'retry_or_shadow_abandoned',
  'membership_change',
  'update_attempt',
  'update_success',
  'update_failure',
] as const;

const GAUGES = [
  'upstream_cx_active',
  'upstream_rq_active',
  'upstream_rq_pending_active',
  'membership_total',
  'membership_healthy',
] as const;

/** Counters and gauges as fields. */
export type ClusterStats = Record<(typeof COUNTERS)[number], Counter> &
  Record<(typeof GAUGES)[number], Gauge> & {
    readonly upstream_rq_time: Histogram;
    /** Counts a final response under `upstream_rq_2xx`, `upstream_rq_200`, … */
    countResponse(status: number): void;
  };

/** All statistics of one cluster. Making them costs memory: do it when the cluster gets its first request, not when it is configured. */
export function createClusterStats(clusterName: string, stats: Stats): ClusterStats {
  const prefix = `cluster.${clusterName}.`;
  const byStatus: (Counter | undefined)[] = [];
  const fields: Record<string, unknown> = {};
  for (const name of COUNTERS) fields[name] = stats.counter(prefix + name);
  for (const name of GAUGES) fields[name] = stats.gauge(prefix + name);
  const classes: Counter[] = [];
  for (let hundreds = 1; hundreds <= 5; hundreds += 1) {
    classes[hundreds] = stats.counter(`${prefix}upstream_rq_${hundreds}xx`);
  }
  fields.upstream_rq_time = stats.histogram(`${prefix}upstream_rq_time`);
  const completed = stats.counter(`${prefix}upstream_rq_completed`);
  fields.countResponse = (status: number): void => {
    let counter = byStatus[status];
    if (counter === undefined) {
      counter = stats.counter(`${prefix}upstream_rq_${status}`);
      byStatus[status] = counter;
    }
    counter.value += 1;
    completed.value += 1;
    const ofClass = classes[(status / 100) | 0];
    if (ofClass !== undefined) ofClass.value += 1;
  };
  return fields as unknown as ClusterStats;
}
