// One endpoint of a cluster: its address, its health, its numbers, and the HTTP connections kept to it.

import type { HttpPool } from './http-pool.ts';
import type { TransportMetadata } from './transport-choice.ts';

/** The statistics of one host, as `/clusters` prints them. */
export interface HostStats {
  cx_active: number;
  cx_total: number;
  cx_connect_fail: number;
  rq_total: number;
  rq_active: number;
  rq_success: number;
  rq_error: number;
  rq_timeout: number;
}

// Names that one host has connections for at a time.
const MAX_SERVER_NAMES = 256;

/** Envoy's host health as EDS says it. DRAINING, UNHEALTHY and TIMEOUT hosts get no requests. */
export type HostHealth = 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED';

/** One endpoint. Lives as long as its address stays in the cluster; EDS updates change its weight and health in place. */
export class Host {
  /** `ip:port`, as logs and `/clusters` show it. */
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  /** The endpoint's `hostname`, '' where it has none: what `auto_host_rewrite` sends. */
  readonly hostname: string;
  /** Which of the cluster's transports it asks for. */
  readonly transportMetadata: TransportMetadata;
  weight: number;
  priority: number;
  health: HostHealth;
  readonly stats: HostStats = {
    cx_active: 0,
    cx_total: 0,
    cx_connect_fail: 0,
    rq_total: 0,
    rq_active: 0,
    rq_success: 0,
    rq_error: 0,
    rq_timeout: 0,
  };
  /** Made at the first HTTP request. */
  pool: HttpPool | undefined = undefined;
  /** Smooth weighted round robin: owned by the load balancer. */
  currentWeight = 0;

  constructor(
    ip: string,
    port: number,
    hostname: string,
    weight: number,
    priority: number,
    health: HostHealth,
    transportMetadata?: TransportMetadata,
  ) {
    this.transportMetadata = transportMetadata;
    this.ip = ip;
    this.port = port;
    this.hostname = hostname;
    this.address = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
    this.weight = weight;
    this.priority = priority;
    this.health = health;
  }

  #poolsByServerName: Map<string, HttpPool> | undefined;

  /** The connections that ask for a name by SNI. At most so many names have connections: they come from requests, which are anybody's. */
  poolFor(serverName: string, make: () => HttpPool): HttpPool {
    this.#poolsByServerName ??= new Map();
    const pools = this.#poolsByServerName;
    let pool = pools.get(serverName);
    if (pool === undefined) {
      const [oldest] = pools;
      if (pools.size >= MAX_SERVER_NAMES && oldest !== undefined) {
        oldest[1].drain();
        pools.delete(oldest[0]);
      }
      pool = make();
      pools.set(serverName, pool);
    }
    return pool;
  }

  /** Lets requests under way finish and closes idle connections. */
  drainPools(): void {
    this.pool?.drain();
    for (const pool of this.#poolsByServerName?.values() ?? []) pool.drain();
  }

  /** The same, and the next request makes a new connection. */
  dropPools(): void {
    this.drainPools();
    this.pool = undefined;
    this.#poolsByServerName = undefined;
  }

  /** Closes everything now. */
  closePools(): void {
    this.pool?.close();
    for (const pool of this.#poolsByServerName?.values() ?? []) pool.close();
  }

  get healthy(): boolean {
    return this.health === 'HEALTHY' || this.health === 'DEGRADED';
  }
}
