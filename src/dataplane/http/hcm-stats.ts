// The counters of one HTTP connection manager, by Envoy's names, looked up once.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats

import type { Counter, Gauge, Histogram, Stats } from '../stats/stats.ts';

const COUNTERS = [
  'downstream_cx_total',
  'downstream_cx_http1_total',
  'downstream_cx_http2_total',
  'downstream_cx_destroy',
  'downstream_cx_destroy_active_rq',
  'downstream_cx_destroy_local',
  'downstream_cx_destroy_remote',
  'downstream_cx_protocol_error',
  'downstream_cx_idle_timeout',
  'downstream_cx_drain_close',
  'downstream_cx_max_duration_reached',
  'downstream_cx_max_requests_reached',
  'downstream_cx_upgrades_total',
  'downstream_rq_total',
  'downstream_rq_http1_total',
  'downstream_rq_http2_total',
  'downstream_rq_completed',
  'downstream_rq_1xx',
  'downstream_rq_2xx',
  'downstream_rq_3xx',
  'downstream_rq_4xx',
  'downstream_rq_5xx',
  'downstream_rq_rx_reset',
  'downstream_rq_tx_reset',
  'downstream_rq_too_large',
  'downstream_rq_non_relative_path',
  'downstream_rq_failed_path_normalization',
  'downstream_rq_redirected_with_normalized_path',
  'downstream_rq_header_timeout',
  'downstream_rq_timeout',
  'downstream_rq_idle_timeout',
  'downstream_rq_max_duration_reached',
  'downstream_rq_response_before_rq_complete',
  'downstream_rq_ws_on_non_ws_route',
  'no_route',
  'no_cluster',
  'rq_total',
  'rq_direct_response',
  'rq_redirect',
  'rq_reset_after_downstream_response_started',
] as const;

const GAUGES = [
  'downstream_cx_active',
  'downstream_cx_http1_active',
  'downstream_cx_http2_active',
  'downstream_cx_ssl_active',
  'downstream_cx_upgrades_active',
  'downstream_rq_active',
] as const;

/** The name of one of the counters. */
export type HcmCounter = (typeof COUNTERS)[number];

/** Counters and gauges as fields. */
export type HcmStats = Record<HcmCounter, Counter> &
  Record<(typeof GAUGES)[number], Gauge> & {
    /** `downstream_rq_1xx` … by hundreds. */
    readonly byClass: readonly (Counter | undefined)[];
    readonly downstream_rq_time: Histogram;
  };

/** @param statPrefix the connection manager's `stat_prefix` */
export function createHcmStats(statPrefix: string, stats: Stats): HcmStats {
  const prefix = `http.${statPrefix}.`;
  const fields: Record<string, unknown> = {};
  for (const name of COUNTERS) fields[name] = stats.counter(prefix + name);
  for (const name of GAUGES) fields[name] = stats.gauge(prefix + name);
  const byClass: (Counter | undefined)[] = [undefined];
  for (let hundreds = 1; hundreds <= 5; hundreds += 1) {
    byClass.push(stats.counter(`${prefix}downstream_rq_${hundreds}xx`));
  }
  fields.byClass = byClass;
  fields.downstream_rq_time = stats.histogram(`${prefix}downstream_rq_time`);
  return fields as unknown as HcmStats;
}
