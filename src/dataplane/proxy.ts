// One data plane: takes its configuration from an xDS server, serves it with one worker in this process or several in their own.

import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { AdsClient, type AdsClientOptions } from '../xds/client.ts';
import type { Node } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { TypeUrl, VHDS_FEATURE } from '../xds/resources.ts';
import type { ClientTls } from '../xds/tls.ts';
import { startAdmin } from './admin/admin-server.ts';
import type { RunningEndpoint } from './admin/http-endpoint.ts';
import { bound, isOwnPort, PROMETHEUS_PORT, PublishedEndpoints, STATUS_PORT } from './admin/published-endpoints.ts';
import { type StatusView, startPrometheusServer, startStatusServer } from './admin/status-server.ts';
import type { DataplaneView, ServerState } from './admin/view.ts';
import type { BindRules, Publish } from './config/bind-rules.ts';
import { Configuration } from './config/configuration.ts';
import { createView } from './config/view.ts';
import { Port } from './listener/port.ts';
import { prometheusText } from './stats/prometheus.ts';
import { Stats } from './stats/stats.ts';
import { Worker, type WorkerOptions } from './worker/worker.ts';
import { WorkerPool } from './worker/worker-pool.ts';
import type { WorkerPort } from './worker/worker-port.ts';
import { startWorkerProcess } from './worker/worker-process.ts';

/** How to start a data plane. */
export interface ProxyOptions {
  /** `host:port` of the xDS server. */
  readonly xds: string;
  /** Default: plain text. */
  readonly xdsTls?: ClientTls;
  /** Default: incremental, and state of the world where the server does not know that. */
  readonly xdsVariant?: 'delta' | 'state of the world';
  /**
   * Where secrets are asked for that come from elsewhere than ADS: cluster name → `unix:PATH` or `host:port`. Istio's `sds-grpc` is the agent's socket, with
   * the workload's certificate (`default`) and the mesh's CA (`ROOTCA`).
   */
  readonly secretServers?: Readonly<Record<string, string>>;
  readonly node: Node;
  /** 1: this process carries the traffic itself; more: as many processes of their own. */
  readonly workers: number;
  readonly bind: BindRules;
  /** A loopback address; port 0 = any free one. */
  readonly admin: { readonly host: string; readonly port: number };
  /** How long `drain` lets requests under way go on, at most. Default 5. */
  readonly drainSeconds?: number;
  /** How long connections of a replaced filter chain may go on. Default 45: the drain time of Istio's gateways. */
  readonly updateDrainSeconds?: number;
  /** As `/server_info` tells it. */
  readonly version?: string;
  readonly log: Logger;
}

/** A data plane at work. */
export interface RunningProxy {
  readonly adminPort: number;
  /** The published ports, with the numbers that were chosen for 0. */
  readonly published: readonly Publish[];
  /** Resolves once the first configuration serves. */
  readonly ready: Promise<void>;
  /**
   * Makes these the published ports: what is new is bound for the listeners there are, what is gone accepts no more, what stays keeps its socket
   * and its connections. Each has a number. One that can't be bound costs only itself, and is told in the log.
   */
  publish(publish: readonly Publish[]): Promise<void>;
  /** Process ids of the workers; this process's own where there is one worker. */
  workerPids(): number[];
  /** Stops accepting, lets requests under way finish, then closes. */
  drain(): Promise<void>;
  /** Ends everything now. */
  close(): Promise<void>;
  /** Resolves when it was closed, by whomever (`POST /quitquitquit`). */
  readonly closed: Promise<void>;
}

const DEFAULT_DRAIN_SECONDS = 5;
const DEFAULT_UPDATE_DRAIN_SECONDS = 45;

/**
 * Starts a data plane. Published ports are bound and the admin interface answers when it returns; listeners follow with the configuration.
 * @throws ConfigError when a published port or the admin port can't be bound: what, where, what to do
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { log, bind } = options;
  const features = options.xdsVariant === 'state of the world' ? [] : [VHDS_FEATURE];
  const node: Node = { ...options.node, clientFeatures: [...options.node.clientFeatures, ...features] };
  const startTime = Date.now();
  const drainMs = (options.drainSeconds ?? DEFAULT_DRAIN_SECONDS) * 1000;
  const updateDrainMs = (options.updateDrainSeconds ?? DEFAULT_UPDATE_DRAIN_SECONDS) * 1000;
  const workerOptions: WorkerOptions = {
    address: bind.address,
    ticketSecret: randomBytes(32),
    updateDrainMs,
  };
  const workers: WorkerPort & { readonly pids?: number[] } =
    options.workers > 1
      ? new WorkerPool({
          size: options.workers,
          start: () => startWorkerProcess(workerOptions, log),
          restore: (worker) => configuration.restore(worker),
          log,
        })
      : new Worker(workerOptions, log);
  const configuration = new Configuration({
    workers,
    subscribe: (typeUrl, names, source) => (secretServers.get(source) ?? ads).subscribe(typeUrl, names),
    secretSources: new Set(Object.keys(options.secretServers ?? {})),
    keepUnusedMs: updateDrainMs,
    now: Date.now,
    log,
  });
  const stats = new Stats();
  const onResponse: AdsClientOptions['onResponse'] = async (typeUrl, resources, version, removed) => {
    const prefix = UPDATE_STATS[typeUrl];
    stats.counter(`${prefix}.update_attempt`).value += 1;
    try {
      await configuration.apply(typeUrl, resources, version, removed);
      stats.counter(`${prefix}.update_success`).value += 1;
    } catch (error) {
      stats.counter(`${prefix}.update_rejected`).value += 1;
      throw error;
    }
  };
  const secretServers = new Map(
    Object.entries(options.secretServers ?? {}).map(([cluster, target]) => [
      cluster,
      new AdsClient({ target, service: 'secrets', node, log, onResponse }),
    ]),
  );
  const ads = new AdsClient({
    target: options.xds,
    ...(options.xdsTls === undefined ? {} : { tls: options.xdsTls }),
    ...(options.xdsVariant === undefined ? {} : { variant: options.xdsVariant }),
    node,
    log,
    onResponse,
    onConnectionChange(connected) {
      stats.gauge('control_plane.connected_state').value = connected ? 1 : 0;
    },
  });

  const closeClients = async () => {
    await Promise.all([ads, ...secretServers.values()].map((client) => client.close()));
  };
  let phase: ServerState = 'INITIALIZING';
  const closed = Promise.withResolvers<void>();
  const endpoints: RunningEndpoint[] = [];
  let closing: Promise<void> | undefined;
  let draining: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      phase = 'DRAINING';
      configuration.close();
      await closeClients();
      await Promise.all([workers.close(), ownPublished.close(), ...endpoints.map((endpoint) => endpoint.close())]);
      closed.resolve();
    })();
    return closing;
  };
  const drainListeners = () => {
    phase = 'DRAINING';
    draining ??= closeClients().then(() => workers.drain(drainMs));
    return draining;
  };
  const drain = async () => {
    await drainListeners();
    await close();
  };

  const own = bind.address ?? '0.0.0.0';
  const ports = {
    // The number is filled in below, as it is bound; nothing reads it before.
    admin: { host: options.admin.host, port: options.admin.port },
    // As a pod has them, like the addresses of listeners: where they are really bound is this machine's affair.
    status: { host: '0.0.0.0', port: STATUS_PORT },
    prometheus: { host: '0.0.0.0', port: PROMETHEUS_PORT },
  };
  const view: DataplaneView = createView({
    node,
    version: options.version ?? '',
    startTime,
    concurrency: options.workers,
    xdsAddress: options.xds,
    ports,
    config: configuration.state,
    workers,
    stats,
    log,
    state: () => phase,
    drain: () => void drainListeners(),
    quit: () => void drain(),
    now: Date.now,
  });

  const statusView: StatusView = { ready: view.ready, metrics: async () => prometheusText(await view.stats()) };
  const ownPublished = new PublishedEndpoints(statusView, log);
  let isReady = false;
  /** Who shares a port of these answers there once it serves: until then the others say that all is well. */
  const publishOwn = () =>
    ownPublished.follow(publish.filter(isOwnPort).filter(({ reusePort }) => isReady || !reusePort));
  let publish = bind.publish;
  const logUnserved = (error: Error) => log.error({ reason: error.message }, 'published port is not served');

  try {
    const forWorkers = publish.filter((each) => !isOwnPort(each));
    const published = [
      ...(await workers.publish(options.workers > 1 ? await chooseNumbers(forWorkers) : forWorkers)),
      ...(await publishOwn()),
      ...publish.filter((each) => isOwnPort(each) && each.reusePort),
    ];
    const admin = await bound(options.admin, (at) => startAdmin(view, { ...at, log }));
    endpoints.push(admin);
    ports.admin.port = admin.port;
    if (bind.address !== undefined || bind.publish.length === 0) {
      for (const [name, start, port] of [
        ['status', startStatusServer, STATUS_PORT],
        ['prometheus', startPrometheusServer, PROMETHEUS_PORT],
      ] as const) {
        try {
          endpoints.push(await bound({ host: own, port }, (at) => start(statusView, { ...at, log })));
        } catch (error) {
          // Nice to have: the gateway serves without it.
          log.warn({ port, reason: (error as Error).message }, `${name} port is not served`);
        }
      }
    }
    const ready = configuration.ready.then(async () => {
      if (phase === 'INITIALIZING') phase = 'LIVE';
      isReady = true;
      await publishOwn().catch(logUnserved);
    });
    ads.subscribe(TypeUrl.Cluster, '*');
    ads.subscribe(TypeUrl.Listener, '*');
    for (const client of [ads, ...secretServers.values()]) client.start();
    return {
      adminPort: admin.port,
      published,
      ready,
      async publish(wanted) {
        publish = wanted;
        const forWorkers = wanted.filter((each) => !isOwnPort(each));
        await Promise.all([workers.publish(forWorkers).catch(logUnserved), publishOwn().catch(logUnserved)]);
      },
      workerPids: () => workers.pids ?? [process.pid],
      drain,
      close,
      closed: closed.promise,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Envoy's names of the counters of updates. */
const UPDATE_STATS: Record<TypeUrl, string> = {
  [TypeUrl.Listener]: 'listener_manager.lds',
  [TypeUrl.Cluster]: 'cluster_manager.cds',
  [TypeUrl.RouteConfiguration]: 'control_plane.rds',
  [TypeUrl.VirtualHost]: 'control_plane.vhds',
  [TypeUrl.ClusterLoadAssignment]: 'control_plane.eds',
  [TypeUrl.Secret]: 'control_plane.sds',
};

/** Numbers instead of "any free port": several processes that each ask for any would get different ones. */
async function chooseNumbers(publish: readonly Publish[]): Promise<Publish[]> {
  const chosen: Publish[] = [];
  for (const entry of publish) {
    if (entry.hostPort !== 0) {
      chosen.push(entry);
      continue;
    }
    const port = await Port.bind({ host: entry.host, port: 0 });
    chosen.push({ ...entry, hostPort: port.endpoint.port });
    await port.close();
  }
  return chosen;
}
