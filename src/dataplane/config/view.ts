// What the admin interface sees of a data plane: the primary's configuration and state, the workers' numbers.

import type { Logger } from 'pino';
import type { Node } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TypeUrl } from '../../xds/resources.ts';
import { ADMIN_LOG_LEVELS, type AdminLogLevel, type DataplaneView, type ServerState } from '../admin/view.ts';
import { mergeStats, snapshotStats } from '../stats/snapshot.ts';
import type { Stats } from '../stats/stats.ts';
import type { WorkerPort } from '../worker/worker-port.ts';
import { endpointOf } from './bind-rules.ts';
import type { ConfigState } from './config-state.ts';

/** The primary's side of the view. `ports` are filled in as they are bound. */
export interface ViewSource {
  readonly node: Node;
  readonly version: string;
  readonly startTime: number;
  readonly concurrency: number;
  readonly xdsAddress: string;
  readonly ports: DataplaneView['ports'];
  readonly config: ConfigState;
  readonly workers: WorkerPort;
  /** The primary's own numbers. */
  readonly stats: Stats;
  readonly log: Logger;
  readonly state: () => ServerState;
  readonly drain: () => void;
  readonly quit: () => void;
  readonly now: () => number;
}

/** pino's names of the admin interface's levels. */
const PINO_LEVELS: Record<AdminLogLevel, string> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
  off: 'silent',
};

/** https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/statistics#server-related-statistics: server.state */
const STATE_NUMBERS: Record<ServerState, number> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

/** Builds the view. */
export function createView(source: ViewSource): DataplaneView {
  const { config, workers, log } = source;
  let healthy = true;
  return {
    node: source.node,
    version: source.version,
    startTime: source.startTime,
    concurrency: source.concurrency,
    xdsAddress: source.xdsAddress,
    ports: source.ports,
    state: source.state,
    ready: () => healthy && source.state() === 'LIVE',
    resources: (typeUrl) => config.dump(typeUrl),
    listeners: () =>
      config.accepted(TypeUrl.Listener).map(({ name, message }) => {
        const { host, port } = endpointOf((message as Listener).address, 'address');
        return { name, address: host, port };
      }),
    clusters: () => workers.clusters(),
    async stats() {
      const { stats, now, startTime, concurrency } = source;
      const state = source.state();
      stats.gauge('server.uptime').value = Math.floor((now() - startTime) / 1000);
      stats.gauge('server.concurrency').value = concurrency;
      stats.gauge('server.live').value = state === 'LIVE' ? 1 : 0;
      stats.gauge('server.state').value = STATE_NUMBERS[state];
      stats.gauge('listener_manager.total_listeners_active').value = config.names(TypeUrl.Listener).length;
      stats.gauge('cluster_manager.active_clusters').value = config.names(TypeUrl.Cluster).length;
      return mergeStats([snapshotStats(stats), await workers.stats()]);
    },
    logLevel: () => ADMIN_LOG_LEVELS.find((level) => PINO_LEVELS[level] === log.level) ?? 'info',
    setLogLevel(level) {
      log.level = PINO_LEVELS[level];
      settle(workers.setLogLevel(PINO_LEVELS[level]), log);
    },
    drainListeners: source.drain,
    setHealthy(value) {
      healthy = value;
    },
    quit: source.quit,
    reopenLogs: () => settle(workers.reopenLogs(), log),
  };
}

function settle(promise: Promise<void>, log: Logger): void {
  promise.catch((error: unknown) => log.error({ err: error }, 'a worker did not do as told'));
}
