// What a data plane does with each xDS response: hands what changed to the workers, remembers it, subscribes to what it refers to, and lets
// a listener serve once that is there.

import type { Logger } from 'pino';
import type { DecodedResource } from '../../xds/client.ts';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { shortTypeName, TypeUrl } from '../../xds/resources.ts';
import { ConfigError } from '../connection.ts';
import type { WorkerPort } from '../worker/worker-port.ts';
import { ConfigState } from './config-state.ts';
import { clusterSecrets, endpointsName, type ListenerReferences, listenerReferences } from './references.ts';

/** What the configuration needs from outside. */
export interface ConfigurationOptions {
  readonly workers: WorkerPort;
  /** Sets the names wanted of a type. */
  readonly subscribe: (typeUrl: TypeUrl, names: Iterable<string>) => void;
  /** How long a route or secret that nothing refers to any more is kept for connections that are still draining. */
  readonly keepUnusedMs: number;
  /** How long a listener waits for its routes and secrets. Default WARMING_MS. */
  readonly warmingMs?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/**
 * A control plane sends what a listener refers to right after it is asked; what is not there after this long does not exist, and waiting for it would
 * keep the listener's other filter chains away. (Envoy waits 15 s, its `initial_fetch_timeout`.)
 */
const WARMING_MS = 1_000;

/**
 * The types whose resources go when the control plane removes them. Routes, endpoints and secrets go with what refers to them: as in Envoy,
 * removing one that is in use changes nothing.
 */
const REMOVABLE: readonly TypeUrl[] = [TypeUrl.Listener, TypeUrl.Cluster];

/** The configuration of one data plane. Responses must be handed over one at a time. */
export class Configuration {
  readonly state = new ConfigState();
  readonly #options: ConfigurationOptions;
  readonly #references = new Map<string, ListenerReferences>();
  /** References of the versions that serve, where a newer one is warming. */
  readonly #servingReferences = new Map<string, ListenerReferences>();
  readonly #warming = new Map<string, NodeJS.Timeout>();
  /** Names that were waited for in vain: the next version of a listener does not wait for them again. */
  readonly #missing = new Set<string>();
  readonly #forget = new Map<string, NodeJS.Timeout>();
  readonly #seen = new Set<TypeUrl>();
  #isReady = false;
  readonly #ready = Promise.withResolvers<void>();
  #readyTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the first listeners serve: clusters, their endpoints, routes and secrets have arrived, or were waited for long enough.
   */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Takes a response.
   * @param resources what is new or changed, and perhaps some that are as they were
   * @param gone names that the control plane removed, or does not have
   * @throws ConfigError when a resource of it can't be served: the message names each one; the others are in use
   */
  async apply(
    typeUrl: TypeUrl,
    resources: readonly DecodedResource[],
    version: string,
    gone: readonly string[] = [],
  ): Promise<void> {
    const { workers, now } = this.#options;
    const names = new Set(resources.map(({ name }) => name));
    if (names.size < resources.length)
      throw new ConfigError(`${shortTypeName(typeUrl)}: ${firstDuplicate(resources)} is there twice`);
    const removed = REMOVABLE.includes(typeUrl) ? gone.filter((name) => this.state.has(typeUrl, name)) : [];
    const changed = resources.filter((resource) => !this.state.isUnchanged(typeUrl, resource));
    const refusals = await workers.apply(
      typeUrl,
      changed.map(({ name, any, message }) => ({ name, value: any.value, message })),
      removed,
    );
    const refused = new Map(refusals.map(({ name, message }) => [name, message]));
    const accepted = changed.filter(({ name }) => !refused.has(name));
    for (const { name } of resources) if (!refused.has(name)) this.state.clearFailure(typeUrl, name);
    for (const name of removed) this.#removed(typeUrl, name);
    for (const resource of accepted) this.state.accept(typeUrl, resource, now());
    for (const resource of changed) {
      const details = refused.get(resource.name);
      if (details !== undefined) this.state.refuse(typeUrl, resource, details, now());
    }
    if (typeUrl === TypeUrl.Listener) this.#warm(accepted);
    for (const { name } of accepted) this.#missing.delete(`${typeUrl} ${name}`);
    this.#seen.add(typeUrl);
    if (REMOVABLE.includes(typeUrl)) this.#subscribe();
    else this.#notThere(typeUrl, gone);
    await this.#activateWarm();
    this.#checkReady();
    this.#options.log.debug(
      {
        type: shortTypeName(typeUrl),
        version,
        changed: accepted.length,
        removed: removed.length,
        refused: refused.size,
      },
      'configuration applied',
    );
    if (refused.size > 0)
      throw new ConfigError(
        Array.from(refused, ([name, message]) =>
          typeUrl !== TypeUrl.Listener || message.startsWith(`Listener ${name}:`)
            ? message
            : `Listener ${name}: ${message}`,
        ).join('; '),
      );
  }

  /** Brings a new worker to the state of the others. */
  async restore(worker: WorkerPort): Promise<void> {
    for (const typeUrl of RESTORE_ORDER) {
      const resources = this.state.accepted(typeUrl).map(({ name, any }) => ({ name, value: any.value }));
      for (const { name, message } of await worker.apply(typeUrl, resources, []))
        this.#options.log.error({ resource: name, reason: message }, 'new worker refused what others serve');
    }
    // A version that is still warming serves at once here: a worker has no older one.
    await worker.activate(this.state.names(TypeUrl.Listener));
  }

  /** Stops all timers. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#readyTimer);
    for (const timer of [...this.#warming.values(), ...this.#forget.values()]) clearTimeout(timer);
  }

  /** What does not exist is not waited for. */
  #notThere(typeUrl: TypeUrl, gone: readonly string[]): void {
    const missing = gone.filter((name) => this.state.get(typeUrl, name) === undefined);
    if (missing.length === 0) return;
    for (const name of missing) this.#missing.add(`${typeUrl} ${name}`);
    this.#options.log.warn(
      { type: shortTypeName(typeUrl), missing },
      'the control plane does not have what the configuration refers to',
    );
  }

  #removed(typeUrl: TypeUrl, name: string): void {
    this.state.remove(typeUrl, name);
    if (typeUrl !== TypeUrl.Listener) return;
    this.#references.delete(name);
    this.#servingReferences.delete(name);
    this.#stopWarming(name);
  }

  #warm(accepted: readonly DecodedResource[]): void {
    for (const { name, message } of accepted) {
      const serving = this.#warming.has(name) ? this.#servingReferences.get(name) : this.#references.get(name);
      this.#stopWarming(name);
      if (serving !== undefined) this.#servingReferences.set(name, serving);
      this.#references.set(name, listenerReferences(message as Listener));
      const timer = setTimeout(() => this.#giveUp(name), this.#options.warmingMs ?? WARMING_MS);
      this.#warming.set(name, timer);
    }
  }

  #stopWarming(name: string): void {
    clearTimeout(this.#warming.get(name));
    this.#warming.delete(name);
  }

  #giveUp(name: string): void {
    const references = this.#references.get(name);
    if (references === undefined || this.#closed) return;
    const missing = this.#missingOf(references);
    for (const key of missing) this.#missing.add(key);
    this.#options.log.warn(
      { listener: name, missing: missing.map((key) => key.slice(key.indexOf(' ') + 1)) },
      'listener serves without what the control plane did not send',
    );
    this.#activateWarm().then(
      () => this.#checkReady(),
      (error: unknown) => this.#options.log.error({ err: error, listener: name }, 'listener could not be activated'),
    );
  }

  #missingOf({ routes, secrets }: ListenerReferences): string[] {
    const missing: string[] = [];
    for (const [typeUrl, names] of [
      [TypeUrl.RouteConfiguration, routes],
      [TypeUrl.Secret, secrets],
    ] as const) {
      for (const name of names) {
        const key = `${typeUrl} ${name}`;
        if (this.state.get(typeUrl, name) === undefined && !this.#missing.has(key)) missing.push(key);
      }
    }
    return missing;
  }

  async #activateWarm(): Promise<void> {
    const warm = [...this.#warming.keys()].filter((name) => {
      const references = this.#references.get(name);
      return references !== undefined && this.#missingOf(references).length === 0;
    });
    if (warm.length === 0) return;
    for (const name of warm) {
      this.#stopWarming(name);
      this.#servingReferences.delete(name);
      this.state.setActive(TypeUrl.Listener, name);
    }
    await this.#options.workers.activate(warm);
    this.#subscribe();
  }

  #subscribe(): void {
    const endpoints = new Set<string>();
    const secrets = new Set<string>();
    for (const { message } of this.state.accepted(TypeUrl.Cluster)) {
      const name = endpointsName(message as Cluster);
      if (name !== undefined) endpoints.add(name);
      for (const secret of clusterSecrets(message as Cluster)) secrets.add(secret);
    }
    const references = [...this.#references.values(), ...this.#servingReferences.values()];
    this.#want(TypeUrl.ClusterLoadAssignment, endpoints);
    this.#want(TypeUrl.RouteConfiguration, new Set(references.flatMap(({ routes }) => [...routes])));
    for (const reference of references) for (const name of reference.secrets) secrets.add(name);
    this.#want(TypeUrl.Secret, secrets);
  }

  #want(typeUrl: TypeUrl, names: ReadonlySet<string>): void {
    for (const name of names) this.#keep(typeUrl, name);
    const prefix = `${typeUrl} `;
    for (const key of this.#missing)
      if (key.startsWith(prefix) && !names.has(key.slice(prefix.length))) this.#missing.delete(key);
    for (const name of this.state.allNames(typeUrl)) {
      if (names.has(name)) continue;
      this.state.remove(typeUrl, name);
      this.#forgetLater(typeUrl, name);
    }
    if (this.#seen.size > 0) this.#options.subscribe(typeUrl, names);
  }

  #keep(typeUrl: TypeUrl, name: string): void {
    const key = `${typeUrl} ${name}`;
    clearTimeout(this.#forget.get(key));
    this.#forget.delete(key);
  }

  /** Connections of a filter chain that drains still look their routes up. */
  #forgetLater(typeUrl: TypeUrl, name: string): void {
    const key = `${typeUrl} ${name}`;
    const timer = setTimeout(() => {
      this.#forget.delete(key);
      this.#options.workers.apply(typeUrl, [], [name]).catch(() => {});
    }, this.#options.keepUnusedMs);
    this.#forget.set(key, timer);
  }

  #checkReady(): void {
    if (this.#isReady) return;
    if (!this.#seen.has(TypeUrl.Listener) || !this.#seen.has(TypeUrl.Cluster) || this.#warming.size > 0) return;
    const missing = this.state.accepted(TypeUrl.Cluster).some(({ message }) => {
      const name = endpointsName(message as Cluster);
      const lacks = (typeUrl: TypeUrl, wanted: string) =>
        this.state.get(typeUrl, wanted) === undefined && !this.#missing.has(`${typeUrl} ${wanted}`);
      if (name !== undefined && lacks(TypeUrl.ClusterLoadAssignment, name)) return true;
      return clusterSecrets(message as Cluster).some((secret) => lacks(TypeUrl.Secret, secret));
    });
    if (!missing) {
      this.#isReady = true;
      this.#ready.resolve();
    } else this.#readyTimer ??= setTimeout(() => this.#ready.resolve(), this.#options.warmingMs ?? WARMING_MS);
  }
}

/** What a resource refers to before it: nothing serves half. */
const RESTORE_ORDER: readonly TypeUrl[] = [
  TypeUrl.Cluster,
  TypeUrl.ClusterLoadAssignment,
  TypeUrl.Secret,
  TypeUrl.RouteConfiguration,
  TypeUrl.Listener,
];

function firstDuplicate(resources: readonly DecodedResource[]): string {
  const seen = new Set<string>();
  return resources.find(({ name }) => seen.size === seen.add(name).size)?.name ?? '';
}
