// One upstream cluster: its configuration as numbers, its hosts, its circuit breakers, and the choice of a host.

import type { Socket, TcpNetConnectOpts } from 'node:net';
import type { Logger } from 'pino';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_LbPolicy } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, REPORTS_ONLY, reportsOnly } from '../istio-filters.ts';
import type { Stats } from '../stats/stats.ts';
import type { TimerWheel } from '../timer-wheel.ts';
import type { CompiledSecret } from '../tls/secrets.ts';
import { type ClusterStats, createClusterStats } from './cluster-stats.ts';
import type { Resolve } from './dns-lookup.ts';
import { durationMs } from './duration.ts';
import {
  DNS_CACHE_DEFAULTS,
  DynamicForwardProxy,
  dnsCacheOptions,
  originalDestinationHeader,
  parseAuthority,
} from './dynamic-forward-proxy.ts';
import type { Host } from './host.ts';
import { HttpPool } from './http-pool.ts';
import { LeastRequest, type LoadBalancer, RandomChoice, RoundRobin } from './load-balancer.ts';
import { type HttpOptions, httpProtocolOptions } from './protocol-options.ts';
import { compileTransports, sameTransports, type TransportChoice } from './transport-choice.ts';
import type { UpstreamTransport } from './transport-socket.ts';

/** What clusters need from outside. */
export interface ClusterDeps {
  readonly stats: Stats;
  readonly timers: TimerWheel;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told what of a configuration is left out, and why that is no harm. */
  readonly skipped?: (what: string, why: string) => void;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Opens a TCP connection (`net.connect`). */
  readonly connect: (options: TcpNetConnectOpts) => Socket;
  /** A secret that SDS brought; without this there are none. */
  readonly secret?: (name: string) => CompiledSecret | undefined;
  readonly resolve: Resolve;
  readonly log: Logger;
}

/** Circuit breakers of the default priority. https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking */
export interface Limits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

/** Where requests name their hosts. */
export interface RequestHosts {
  /** The header that has the name; '' for the authority. */
  readonly header: string;
  readonly hosts: DynamicForwardProxy;
}

// Tries to find a host outside `exclude` before giving the last one chosen.
const MAX_EXCLUDE_TRIES = 16;

/** A cluster with live hosts. */
export class UpstreamCluster {
  readonly name: string;
  readonly deps: ClusterDeps;
  #config: Cluster;
  #limits!: Limits;
  #transports!: TransportChoice;
  #options!: HttpOptions;
  #hosts: readonly Host[] = [];
  #balancer: LoadBalancer = new RoundRobin([], 0);
  #stats: ClusterStats | undefined = undefined;
  readonly #requestHosts: RequestHosts | undefined;
  connectTimeoutMs = 5000;
  /** 0: upstream connections are kept as long as the upstream keeps them. */
  idleTimeoutMs = 3_600_000;
  /** 0: no limit. */
  maxRequestsPerConnection = 0;
  /** Most header lines of a response. */
  maxResponseHeaders = 100;
  connectionsActive = 0;
  requestsPending = 0;
  requestsActive = 0;
  retriesActive = 0;

  /** @throws ConfigError for what cannot be served */
  constructor(config: Cluster, deps: ClusterDeps) {
    this.name = config.name;
    this.deps = deps;
    this.#config = config;
    this.configure(config);
    const options = dnsCacheOptions(config);
    const header = originalDestinationHeader(config);
    if (options === undefined && header === undefined) return;
    const hosts = new DynamicForwardProxy({
      options: options ?? DNS_CACHE_DEFAULTS,
      resolve: deps.resolve,
      now: deps.now,
      defaultPort: () => (this.#config.transportSocket === undefined ? 80 : 443),
      setHosts: (all) => this.setHosts(all),
    });
    this.#requestHosts = { header: header ?? '', hosts };
  }

  get config(): Cluster {
    return this.#config;
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** How sockets to a host are opened: with TLS where the cluster or the host has it. The only way to reach it. */
  transportOf(host: Host): UpstreamTransport {
    return this.#transports.of(host.transportMetadata);
  }

  /** Finds the host of a request where that is the one it names; undefined where `chooseHost` does. */
  get requestHosts(): RequestHosts | undefined {
    return this.#requestHosts;
  }

  /** All hosts, healthy or not. */
  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** The cluster's counters; made at the first use, since most of thousands of clusters never get a request. */
  get stats(): ClusterStats {
    let stats = this.#stats;
    if (stats === undefined) {
      stats = createClusterStats(this.name, this.deps.stats);
      stats.membership_total.value = this.#hosts.length;
      stats.membership_healthy.value = this.#hosts.filter((host) => host.healthy).length;
      this.#stats = stats;
    }
    return stats;
  }

  /** Takes a new configuration of the same cluster; hosts and connections stay. @throws ConfigError, then nothing has changed */
  configure(config: Cluster): void {
    this.prepare(config)();
  }

  /**
   * Checks a new configuration of the same cluster.
   * @returns what lets it take over
   * @throws ConfigError
   */
  prepare(config: Cluster): () => void {
    checkSupported(config, this.deps.skipped ?? (() => {}));
    const options = httpProtocolOptions(config);
    const sameTransport =
      this.#transports !== undefined &&
      sameTransports(config, this.#config) &&
      options.autoSni === this.#options.autoSni &&
      options.autoSanValidation === this.#options.autoSanValidation;
    const { connect, secret = () => undefined, skipped = () => {} } = this.deps;
    const transports = sameTransport
      ? this.#transports
      : compileTransports(config, options.autoSanValidation, { connect, secret }, skipped);
    const thresholds = config.circuitBreakers?.thresholds.find((threshold) => threshold.priority === 0);
    const limits: Limits = {
      maxConnections: thresholds?.maxConnections ?? 1024,
      maxPendingRequests: thresholds?.maxPendingRequests ?? 1024,
      maxRequests: thresholds?.maxRequests ?? 1024,
      maxRetries: thresholds?.maxRetries ?? 3,
    };
    return () => {
      this.#limits = limits;
      this.connectTimeoutMs = durationMs(config.connectTimeout, 5000);
      this.idleTimeoutMs = options.idleTimeoutMs;
      this.maxRequestsPerConnection = options.maxRequestsPerConnection;
      this.maxResponseHeaders = options.maxResponseHeaders;
      this.#options = options;
      this.#transports = transports;
      this.#config = config;
      // Connections of another transport (in the clear, or by another name) must not carry one more request.
      if (!sameTransport) for (const host of this.#hosts) host.dropPools();
      this.#rebuild();
    };
  }

  /** Replaces the set of hosts (or tells that weights or health of some changed). Pools of hosts that left are drained. */
  setHosts(hosts: readonly Host[]): void {
    const staying = new Set(hosts);
    for (const host of this.#hosts) if (!staying.has(host)) host.drainPools();
    this.#hosts = hosts;
    this.#rebuild();
    if (this.#stats !== undefined) {
      this.#stats.membership_change.value += 1;
      this.#stats.membership_total.value = hosts.length;
      this.#stats.membership_healthy.value = hosts.filter((host) => host.healthy).length;
    }
  }

  /**
   * The host for the next request or connection; undefined when there is no healthy one.
   *
   * @param exclude hosts tried before (`previous_hosts`); one of them is given when no other is found
   * @param attempts how often to choose again (`host_selection_retry_max_attempts`)
   */
  chooseHost(exclude?: ReadonlySet<Host>, attempts = MAX_EXCLUDE_TRIES): Host | undefined {
    let host = this.#balancer.choose();
    if (exclude === undefined || host === undefined) return host;
    for (let tries = 0; tries < attempts && exclude.has(host!); tries += 1) host = this.#balancer.choose();
    return host;
  }

  /**
   * The HTTP connections to a host of this cluster.
   * @param authority the host that a request asks for: with `auto_sni` each has connections of its own
   */
  poolOf(host: Host, authority = ''): HttpPool {
    // A name to ask for, or to find in the certificate: what one request's host was asked for must not serve another's.
    const { autoSni, autoSanValidation } = this.#options;
    const serverName = autoSni || autoSanValidation ? parseAuthority(authority, 0).hostname : '';
    if (serverName !== '') return host.poolFor(serverName, () => new HttpPool(this, host, serverName));
    host.pool ??= new HttpPool(this, host);
    return host.pool;
  }

  /** Finishes requests under way and closes idle connections. */
  drain(): void {
    for (const host of this.#hosts) host.drainPools();
  }

  /** Closes all connections. */
  close(): void {
    for (const host of this.#hosts) host.closePools();
  }

  #rebuild(): void {
    const eligible = eligibleHosts(this.#hosts, this.#config.commonLbConfig?.healthyPanicThreshold?.value ?? 50);
    const { random } = this.deps;
    const start = Math.floor(random() * Math.max(1, eligible.length));
    const equalWeights = eligible.every((host) => host.weight === eligible[0]!.weight);
    const { lbPolicy, lbConfig } = this.#config;
    if (lbPolicy === Cluster_LbPolicy.LEAST_REQUEST && equalWeights) {
      const choices = lbConfig.case === 'leastRequestLbConfig' ? (lbConfig.value.choiceCount ?? 2) : 2;
      this.#balancer = new LeastRequest(eligible, choices, random);
    } else if (lbPolicy === Cluster_LbPolicy.RANDOM) {
      this.#balancer = new RandomChoice(eligible, random);
    } else {
      this.#balancer = new RoundRobin(eligible, start);
    }
  }
}

/**
 * The hosts that get requests: the healthy ones of the lowest priority that has any. Where too few are healthy, all of them: a
 * health signal that condemns most of a cluster is more likely wrong than right.
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold
 */
function eligibleHosts(hosts: readonly Host[], panicThresholdPercent: number): readonly Host[] {
  const priorities = [...new Set(hosts.map((host) => host.priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    const level = hosts.filter((host) => host.priority === priority);
    const healthy = level.filter((host) => host.health === 'HEALTHY');
    const usable = healthy.length > 0 ? healthy : level.filter((host) => host.healthy);
    if (usable.length > 0 && (priorities.length > 1 || (usable.length / level.length) * 100 >= panicThresholdPercent)) {
      return usable;
    }
  }
  if (panicThresholdPercent === 0) return [];
  return hosts.filter((host) => host.priority === priorities[0]);
}

function checkSupported(config: Cluster, skipped: (what: string, why: string) => void): void {
  const where = `Cluster ${config.name}`;
  if (config.name === '') throw new ConfigError('Cluster: name: expected a name, got an empty string');
  switch (config.lbPolicy) {
    case Cluster_LbPolicy.ROUND_ROBIN:
    case Cluster_LbPolicy.LEAST_REQUEST:
    case Cluster_LbPolicy.RANDOM:
    case Cluster_LbPolicy.CLUSTER_PROVIDED:
      break;
    default:
      throw new ConfigError(
        `${where}: lb_policy: ${Cluster_LbPolicy[config.lbPolicy] ?? config.lbPolicy} is not supported; use ROUND_ROBIN, LEAST_REQUEST or RANDOM`,
      );
  }
  if (config.lbSubsetConfig !== undefined && config.lbSubsetConfig.subsetSelectors.length > 0) {
    throw new ConfigError(`${where}: lb_subset_config: not supported; use one cluster per subset`);
  }
  if (config.loadBalancingPolicy !== undefined) {
    throw new ConfigError(`${where}: load_balancing_policy: not supported; use lb_policy`);
  }
  if (config.healthChecks.length > 0) {
    throw new ConfigError(
      `${where}: health_checks: active health checking is not supported; let EDS carry health_status`,
    );
  }
  for (const { name, typedConfig } of config.filters) {
    if (!reportsOnly(name, filterType(typedConfig)))
      throw new ConfigError(`${where}: filters: upstream network filter ${name} is not supported`);
    skipped(`upstream network filter ${name}`, REPORTS_ONLY);
  }
  if (config.upstreamBindConfig !== undefined)
    throw new ConfigError(
      `${where}: upstream_bind_config: not supported; connections leave from the address that the system chooses`,
    );
  if (config.outlierDetection !== undefined)
    skipped('outlier_detection of clusters', 'left out: failing hosts are not ejected, retries avoid them');
  if (config.commonLbConfig?.localityConfigSpecifier.case === 'localityWeightedLbConfig')
    skipped('locality_weighted_lb_config of clusters', 'left out: endpoints are weighted each by itself');
}
