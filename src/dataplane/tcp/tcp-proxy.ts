// The TCP proxy filter: each connection becomes one connection to a host of a cluster, bytes flow both ways.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/tcp_proxy_filter

import type { TcpProxy } from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { DownstreamConnection, NetworkFilter } from '../connection.ts';
import type { DataplaneServices } from '../services.ts';
import type { Counter, Gauge, Stats } from '../stats/stats.ts';
import type { AccessLogger } from '../stream-info.ts';
import { compileTcpProxy, pickCluster } from './tcp-proxy-config.ts';
import { TcpSession } from './tcp-session.ts';

/** `tcp.<stat_prefix>.…` */
export interface TcpProxyStats {
  readonly total: Counter;
  readonly active: Gauge;
  readonly noRoute: Counter;
  readonly received: Counter;
  readonly sent: Counter;
  readonly idleTimeout: Counter;
  readonly maxDuration: Counter;
}

/**
 * @param clusterFromSni the SNI names the cluster (Istio's AUTO_PASSTHROUGH)
 * @param random uniform in [0, 1), for weighted clusters
 * @throws ConfigError
 */
export function createTcpProxy(
  config: TcpProxy,
  services: DataplaneServices,
  clusterFromSni = false,
  random: () => number = Math.random,
): NetworkFilter {
  const compiled = compileTcpProxy(config, clusterFromSni);
  const logger: AccessLogger = services.accessLogger(config.accessLog);
  const stats = createStats(`tcp.${compiled.statPrefix}.`, services.stats);
  return {
    onConnection(connection: DownstreamConnection): void {
      const cluster = clusterFromSni ? connection.serverName : pickCluster(compiled, random());
      new TcpSession(connection, cluster, compiled, services, stats, logger).start();
    },
    // A byte stream has no requests that could be finished: connections go on until the drain time is over.
    drain() {},
  };
}

function createStats(prefix: string, stats: Stats): TcpProxyStats {
  return {
    total: stats.counter(`${prefix}downstream_cx_total`),
    active: stats.gauge(`${prefix}downstream_cx_active`),
    noRoute: stats.counter(`${prefix}downstream_cx_no_route`),
    received: stats.counter(`${prefix}downstream_cx_rx_bytes_total`),
    sent: stats.counter(`${prefix}downstream_cx_tx_bytes_total`),
    idleTimeout: stats.counter(`${prefix}idle_timeout`),
    maxDuration: stats.counter(`${prefix}max_downstream_connection_duration`),
  };
}
