// One worker: the part of a data plane that carries traffic. Takes resources, keeps listeners, routes, clusters and secrets in step with them.

import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { Logger } from 'pino';
import type { VirtualHost } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { subscribedName, TypeUrl, virtualHostName } from '../../xds/resources.ts';
import { decodeResource, type ResourceMessage, type ResourceMessages } from '../../xds/schemas.ts';
import { createAccessLogger } from '../access-log/access-logger.ts';
import { FileSinks } from '../access-log/sinks.ts';
import type { ClusterView } from '../admin/view.ts';
import type { Publish } from '../config/bind-rules.ts';
import { createHttpConnectionManager } from '../http/connection-manager.ts';
import { ListenerSet } from '../listener/listener-set.ts';
import { RouteTables } from '../router/route-tables.ts';
import type { DataplaneServices } from '../services.ts';
import { type StatsSnapshot, snapshotStats } from '../stats/snapshot.ts';
import { Stats } from '../stats/stats.ts';
import { createTcpProxy } from '../tcp/tcp-proxy.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { SecretSet } from '../tls/secrets.ts';
import { ClusterSet } from '../upstream/cluster-set.ts';
import { clusterViews } from './cluster-views.ts';
import type { Applied, Refusal, ResourceChange, Skip, WorkerPort } from './worker-port.ts';

/** How a worker starts. Plain data: crosses to a worker process. */
export interface WorkerOptions {
  /** The pod's own IP, as in BindRules. */
  readonly address: string | undefined;
  /** The same in all workers of a data plane. */
  readonly ticketSecret: Uint8Array;
  /** How long connections of a replaced filter chain may go on. */
  readonly updateDrainMs: number;
}

/** A worker in this process. */
export class Worker implements WorkerPort {
  readonly #log: Logger;
  readonly #stats = new Stats();
  readonly #timers = new TimerWheel();
  readonly #clusters: ClusterSet;
  readonly #routes = new RouteTables();
  readonly #secrets = new SecretSet();
  readonly #listeners: ListenerSet;
  readonly #sinks: FileSinks;
  /** Of the resource that is being compiled. */
  #skipped: (what: string, why: string) => void = () => {};

  constructor(options: WorkerOptions, log: Logger) {
    this.#log = log;
    this.#sinks = new FileSinks({ log });
    this.#timers.start();
    const skipped = (what: string, why: string) => this.#skipped(what, why);
    this.#clusters = new ClusterSet({
      skipped,
      stats: this.#stats,
      timers: this.#timers,
      now: Date.now,
      random: Math.random,
      connect,
      secret: (name) => this.#secrets.get(name),
      resolve: async (hostname, family) =>
        (await lookup(hostname, { all: true, family })).map(({ address }) => address),
      log,
    });
    const dataplane: DataplaneServices = {
      clusters: this.#clusters,
      routes: this.#routes,
      stats: this.#stats,
      accessLogger: (configs) => createAccessLogger(configs, this.#sinks, skipped),
      skipped,
      timers: this.#timers,
      now: Date.now,
      uuid: randomUUID,
      log,
    };
    this.#listeners = new ListenerSet(
      options.address,
      {
        dataplane,
        secrets: this.#secrets,
        ticketSecret: Buffer.from(options.ticketSecret),
        createFilter: (filter, { listenerName, localAddress, port }) =>
          filter.kind === 'tcp'
            ? createTcpProxy(filter.config, dataplane, filter.clusterFromSni)
            : createHttpConnectionManager(filter.config, dataplane, {
                listenerName,
                listenerAddress: localAddress ?? `0.0.0.0:${port}`,
              }),
      },
      options.updateDrainMs,
    );
  }

  publish(publish: readonly Publish[]): Promise<Publish[]> {
    return this.#listeners.publish(publish);
  }

  async apply(typeUrl: TypeUrl, changed: readonly ResourceChange[], removed: readonly string[]): Promise<Applied> {
    const refused: Refusal[] = [];
    const skipped: Skip[] = [];
    if (typeUrl === TypeUrl.VirtualHost) return { refused: this.#updateVirtualHosts(changed, removed), skipped };
    for (const name of removed) this.#remove(typeUrl, name);
    for (const change of changed) {
      const { name } = change;
      this.#skipped = (what, why) => skipped.push({ name, what, why });
      try {
        await this.#update(
          typeUrl,
          change.message ?? decodeResource(typeUrl, change.value, this.#previous(typeUrl, change.name)),
        );
      } catch (error) {
        refused.push(this.#refusal(change.name, error as Error));
      }
    }
    this.#skipped = () => {};
    return { refused, skipped };
  }

  async activate(typeUrl: TypeUrl, names: readonly string[]): Promise<void> {
    if (typeUrl === TypeUrl.Cluster) for (const name of names) this.#clusters.activate(name);
    else await Promise.all(names.map((name) => this.#listeners.activate(name)));
  }

  async stats(): Promise<StatsSnapshot> {
    return snapshotStats(this.#stats);
  }

  async clusters(): Promise<readonly ClusterView[]> {
    return clusterViews(this.#clusters.values());
  }

  async setLogLevel(level: string): Promise<void> {
    this.#log.level = level;
  }

  async reopenLogs(): Promise<void> {
    this.#sinks.reopen();
  }

  drain(ms: number): Promise<void> {
    return this.#listeners.drain(ms);
  }

  async close(): Promise<void> {
    this.#listeners.close();
    this.#clusters.close();
    this.#timers.stop();
    await this.#sinks.close();
  }

  /** The version of a resource that the next one is decoded beside. Route configurations alone are large enough for that to pay. */
  #previous(typeUrl: TypeUrl, name: string): ResourceMessage | undefined {
    return typeUrl === TypeUrl.RouteConfiguration ? this.#routes.get(name).current?.config : undefined;
  }

  #refusal(resource: string, error: Error): Refusal {
    if (error.name !== 'ConfigError') this.#log.error({ err: error, resource }, 'resource could not be compiled');
    return { name: resource, message: error.message };
  }

  /** All at once for each route configuration: a domain may move from one virtual host to another. */
  #updateVirtualHosts(changed: readonly ResourceChange[], removed: readonly string[]): Refusal[] {
    const tableOf = (resource: string) => subscribedName(TypeUrl.VirtualHost, resource);
    const changedByTable = Map.groupBy(changed, ({ name }) => tableOf(name));
    const removedByTable = Map.groupBy(removed, tableOf);
    const refused: Refusal[] = [];
    for (const table of new Set([...changedByTable.keys(), ...removedByTable.keys()])) {
      const virtualHosts = new Map<string, VirtualHost>();
      for (const { name, value, message } of changedByTable.get(table) ?? [])
        virtualHosts.set(name, (message ?? decodeResource(TypeUrl.VirtualHost, value)) as VirtualHost);
      const gone = removedByTable.get(table) ?? [];
      const errors = this.#routes.updateVirtualHosts(
        table,
        virtualHosts,
        gone,
        gone.includes(virtualHostName(table, '')),
      );
      for (const [name, error] of errors) refused.push(this.#refusal(name, error));
    }
    return refused;
  }

  async #update(typeUrl: Exclude<TypeUrl, typeof TypeUrl.VirtualHost>, message: ResourceMessage): Promise<void> {
    switch (typeUrl) {
      case TypeUrl.Listener:
        return this.#listeners.prepare(message as ResourceMessages[typeof TypeUrl.Listener]);
      case TypeUrl.RouteConfiguration: {
        const routes = message as ResourceMessages[typeof TypeUrl.RouteConfiguration];
        return this.#routes.update(routes.name, routes);
      }
      case TypeUrl.Cluster:
        return this.#clusters.prepare(message as ResourceMessages[typeof TypeUrl.Cluster]);
      case TypeUrl.ClusterLoadAssignment:
        return this.#clusters.updateEndpoints(message as ResourceMessages[typeof TypeUrl.ClusterLoadAssignment]);
      case TypeUrl.Secret:
        return this.#secrets.update(message as ResourceMessages[typeof TypeUrl.Secret]);
    }
  }

  #remove(typeUrl: Exclude<TypeUrl, typeof TypeUrl.VirtualHost>, name: string): void {
    switch (typeUrl) {
      case TypeUrl.Listener:
        this.#listeners.remove(name);
        return;
      case TypeUrl.RouteConfiguration:
        this.#routes.remove(name);
        return;
      case TypeUrl.Cluster:
        this.#clusters.removeCluster(name);
        return;
      case TypeUrl.Secret:
        this.#secrets.remove(name);
        return;
      case TypeUrl.ClusterLoadAssignment:
        this.#clusters.removeEndpoints(name);
        return;
    }
  }
}
