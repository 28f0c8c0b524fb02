// A listener with one connection manager in this process: what tests drive. The real listener is elsewhere.

import { randomUUID } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { pino } from 'pino';
import type { NetworkFilter, TlsInfo } from '../../src/dataplane/connection.ts';
import { createHttpConnectionManager } from '../../src/dataplane/http/connection-manager.ts';
import { RouteTables } from '../../src/dataplane/router/route-tables.ts';
import type { DataplaneServices } from '../../src/dataplane/services.ts';
import { Stats } from '../../src/dataplane/stats/stats.ts';
import type { StreamInfo } from '../../src/dataplane/stream-info.ts';
import { TimerWheel } from '../../src/dataplane/timer-wheel.ts';
import { ClusterSet } from '../../src/dataplane/upstream/cluster-set.ts';
import { ClusterSchema } from '../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { FilterConfigSchema } from '../../src/xds/gen/envoy/config/route/v3/route_components_pb.js';
import { CorsPolicySchema, CorsSchema } from '../../src/xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../../src/xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '../../src/xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '../../src/xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { PreviousHostsPredicateSchema } from '../../src/xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';

const registry = createRegistry(
  RouterSchema,
  HTTPFaultSchema,
  CorsSchema,
  CorsPolicySchema,
  FilterConfigSchema,
  PreviousHostsPredicateSchema,
);

/** The filter that ends a chain. */
export const ROUTER = {
  name: 'envoy.filters.http.router',
  typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};

/** What to serve, in protobuf's JSON form. */
export interface GatewayConfig {
  /** An HttpConnectionManager; http_filters and stat_prefix are filled in. */
  readonly hcm: Record<string, unknown>;
  /** Clusters. */
  readonly clusters: readonly Record<string, unknown>[];
  /** Called with each record, where given: access log on. */
  readonly onRecord?: (info: StreamInfo) => void;
  /** Pretend that clients came over TLS. */
  readonly tls?: TlsInfo;
  readonly random?: () => number;
}

/** A running gateway. */
export interface Gateway {
  readonly port: number;
  readonly services: DataplaneServices;
  readonly filter: NetworkFilter;
  readonly stats: Stats;
  /** Of clients, our end. */
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** A STATIC cluster in JSON form. */
export function staticCluster(
  name: string,
  ports: readonly number[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name,
    type: 'STATIC',
    connectTimeout: '1s',
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: ports.map((portValue) => ({
            endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue } } },
          })),
        },
      ],
    },
    ...more,
  };
}

/** Starts listening on a free loopback port (or the one given). */
export async function startGateway(config: GatewayConfig, port = 0): Promise<Gateway> {
  const stats = new Stats();
  const timers = new TimerWheel(10);
  timers.start();
  const log = pino({ level: 'silent' });
  const now = Date.now;
  const random = config.random ?? Math.random;
  const clusters = new ClusterSet({
    stats,
    timers,
    now,
    random,
    log,
    connect: (options) => connect(options),
    resolve: async (hostname) => Promise.reject(new Error(`no DNS here for ${hostname}`)),
  });
  const { onRecord } = config;
  const services: DataplaneServices = {
    clusters,
    routes: new RouteTables(),
    stats,
    timers,
    now,
    random,
    localIp: '192.0.2.2',
    uuid: randomUUID,
    log,
    accessLogger: () => ({ log: (info) => onRecord?.(info) }),
  };
  for (const cluster of config.clusters)
    clusters.updateCluster(fromJson(ClusterSchema, cluster as JsonValue, { registry }));
  const json = {
    stat_prefix: 'test',
    server_name: 'istio-envoy',
    http_filters: [ROUTER],
    ...config.hcm,
    ...(onRecord === undefined ? {} : { access_log: [{ name: 'test' }] }),
  };
  const filter = createHttpConnectionManager(
    fromJson(HttpConnectionManagerSchema, json as JsonValue, { registry }),
    services,
    { listenerName: 'test', listenerAddress: '127.0.0.1:0' },
  );
  const server: Server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    filter.onConnection({
      socket,
      localAddress: `${socket.localAddress}:${socket.localPort}`,
      remoteAddress: `${socket.remoteAddress}:${socket.remotePort}`,
      remoteIp: socket.remoteAddress ?? '',
      serverName: '',
      alpn: '',
      tls: config.tls,
    });
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const sockets = new Set<Socket>();
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    services,
    filter,
    stats,
    sockets,
    close: async () => {
      timers.stop();
      clusters.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
