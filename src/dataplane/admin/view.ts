// What the admin endpoints need to know of a running data plane: read-only, filled by the process that owns it.

import type { Any } from '@bufbuild/protobuf/wkt';
import type { Node } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { TypeUrl } from '../../xds/resources.ts';
import type { StatsSnapshot } from '../stats/snapshot.ts';

/** The newest refused update of a resource: the reason of the last NACK. Gone once a later update was taken. */
export interface UpdateFailure {
  /** What was wrong, as sent to the control plane in `error_detail`. */
  readonly details: string;
  /** Milliseconds since the epoch. */
  readonly lastUpdateAttempt: number;
  /** The version that was refused. */
  readonly versionInfo: string;
  /** The resource that was refused, where it is known. */
  readonly failedConfiguration?: Any;
}

/** One resource that came over xDS. */
export interface DynamicResource {
  readonly name: string;
  /** The `version_info` of the response that brought it; '' where only refused updates arrived. */
  readonly versionInfo: string;
  /** When it was taken, milliseconds since the epoch. */
  readonly lastUpdated: number;
  /** The resource in use as it arrived; undefined where there is none yet. */
  readonly resource: Any | undefined;
  /**
   * `active` serves (the default); `warming` waits for what it refers to; `draining` was removed and finishes what is under way.
   */
  readonly state?: 'active' | 'warming' | 'draining';
  readonly errorState?: UpdateFailure;
}

/** A listener with the address it has. */
export interface ListenerView {
  readonly name: string;
  /** The address as configured by xDS. */
  readonly address: string;
  readonly port: number;
}

/** One host of a cluster. */
export interface HostView {
  /** IP address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** The DNS name that gave the address; '' for others. */
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** What EDS says of it. */
  readonly edsHealth: 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED' | 'UNKNOWN';
  readonly failedActiveHealthCheck: boolean;
  readonly failedOutlierCheck: boolean;
  /** Summed over the workers. Counters but for the two `…_active`, which are gauges. */
  readonly stats: HostStats;
}

/** A host's numbers by the names that `/clusters` prints, summed over the workers. */
export interface HostStats {
  readonly cx_active: number;
  readonly cx_connect_fail: number;
  readonly cx_total: number;
  readonly rq_active: number;
  readonly rq_error: number;
  readonly rq_success: number;
  readonly rq_timeout: number;
  readonly rq_total: number;
}

/** A cluster with its hosts, as the load balancer sees them now. */
export interface ClusterView {
  readonly name: string;
  /** What the EDS resource is called where the cluster's name is not it; '' otherwise. */
  readonly edsServiceName: string;
  /** False for a static cluster of the bootstrap. */
  readonly addedViaApi: boolean;
  readonly circuitBreakers: {
    readonly maxConnections: number;
    readonly maxPendingRequests: number;
    readonly maxRequests: number;
    readonly maxRetries: number;
  };
  readonly hosts: readonly HostView[];
}

/** `LIVE` serves; `INITIALIZING` waits for the first configuration; `DRAINING` fails health checks and finishes what is under way. */
export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

/** The levels of `/logging?level=`. `off` logs nothing. */
export const ADMIN_LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type AdminLogLevel = (typeof ADMIN_LOG_LEVELS)[number];

/** Everything the admin server, the status port and the Prometheus port show. All reads are of this moment. */
export interface DataplaneView {
  readonly node: Node;
  /** Limen's version, as `/server_info` and `/ready` of a proxy tell it. */
  readonly version: string;
  /** When the process started, milliseconds since the epoch. */
  readonly startTime: number;
  /** Worker processes. */
  readonly concurrency: number;
  /** `host:port` of the control plane. */
  readonly xdsAddress: string;
  /**
   * The addresses of the bootstrap, as the configuration shows them (`0.0.0.0:15021`), which need not be those they are bound to; a port
   * of 0 stands for "not served".
   */
  readonly ports: {
    readonly admin: { readonly host: string; readonly port: number };
    readonly status: { readonly host: string; readonly port: number };
    readonly prometheus: { readonly host: string; readonly port: number };
  };
  state(): ServerState;
  /** True once the first configuration serves: what `/healthz/ready` answers. False again while draining. */
  ready(): boolean;
  /** All resources of one type that came over xDS, in any order. */
  resources(typeUrl: TypeUrl): readonly DynamicResource[];
  /** Listeners that accept connections now (the static ones of the bootstrap apart). */
  listeners(): readonly ListenerView[];
  /** Clusters with hosts and their numbers, from all workers. */
  clusters(): Promise<readonly ClusterView[]>;
  /** The statistics of all workers, merged (see mergeStats). */
  stats(): Promise<StatsSnapshot>;
  /** The level now. */
  logLevel(): AdminLogLevel;
  setLogLevel(level: AdminLogLevel): void;
  /** `POST /drain_listeners`: stop accepting, finish what is under way. */
  drainListeners(): void;
  /** `POST /healthcheck/fail` (false) and `/healthcheck/ok` (true): `ready()` answers accordingly. */
  setHealthy(healthy: boolean): void;
  /** `POST /quitquitquit`: drain and end the process. Returns before it ended. */
  quit(): void;
  /** `POST /reopen_logs`: the access log files were rotated; open them anew. */
  reopenLogs(): void;
}
