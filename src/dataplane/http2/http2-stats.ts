// The counters of the HTTP/2 codec, by Envoy's names, looked up once.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats#http-2-codec-statistics

import type { Counter, Gauge, Stats } from '../stats/stats.ts';

const COUNTERS = ['goaway_sent', 'header_overflow', 'rx_messaging_error', 'rx_reset', 'trailers', 'tx_reset'] as const;
const UNDERSCORES = 'requests_rejected_with_underscores_in_headers';

/** Counters and gauges as fields. They are those of the process: every connection manager counts in the same ones. */
export type Http2Stats = Record<(typeof COUNTERS)[number] | typeof UNDERSCORES, Counter> & {
  readonly streams_active: Gauge;
};

/** Looks them up. */
export function createHttp2Stats(stats: Stats): Http2Stats {
  const fields: Record<string, unknown> = { streams_active: stats.gauge('http2.streams_active') };
  for (const name of [...COUNTERS, UNDERSCORES]) fields[name] = stats.counter(`http2.${name}`);
  return fields as Http2Stats;
}
