// What every filter of one worker shares: the live clusters and routes, the statistics, the logs and the clock.

import type { Logger } from 'pino';
import type { AccessLog } from '../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { RouteTables } from './router/route-tables.ts';
import type { Stats } from './stats/stats.ts';
import type { AccessLogger } from './stream-info.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { ClusterSet } from './upstream/cluster-set.ts';

/** Passed to each filter when it is built. One per worker; lives as long as the worker. */
export interface DataplaneServices {
  /** Clusters by name, with their endpoints: replaced in place as CDS and EDS arrive. */
  readonly clusters: ClusterSet;
  /** Compiled RouteConfigurations by name: replaced in place as RDS arrives. */
  readonly routes: RouteTables;
  readonly stats: Stats;
  /** Builds the logger of a filter's `access_log` field. Throws ConfigError for a sink or format it does not know. */
  readonly accessLogger: (configs: readonly AccessLog[]) => AccessLogger;
  /** Told what of a configuration is left out, and why that is no harm. Said to the user once for each `what`. */
  readonly skipped?: (what: string, why: string) => void;
  readonly timers: TimerWheel;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A random UUID (v4), for x-request-id. */
  readonly uuid: () => string;
  readonly log: Logger;
  /** Uniform in [0, 1), for weighted clusters and back-off; Math.random where not given. */
  readonly random?: () => number;
  /** Our own address, which x-forwarded-for shows instead of a loopback client's; the first IPv4 interface's where not given. */
  readonly localIp?: string;
}
