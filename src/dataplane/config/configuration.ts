// What a data plane does with each xDS response: hands what changed to the workers, remembers it, subscribes to what it refers to, and lets
// a listener or cluster take over once that is there.

import type { Logger } from 'pino';
import type { DecodedResource } from '../../xds/client.ts';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Listener } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { shortTypeName, TypeUrl, virtualHostName } from '../../xds/resources.ts';
import { ConfigError } from '../connection.ts';
import type { Skip, WorkerPort } from '../worker/worker-port.ts';
import { ADS } from './config-source.ts';
import { ConfigState } from './config-state.ts';
import { clusterReferences, listenerReferences, type Reference } from './references.ts';
import { VirtualHostSets, virtualHostsReference } from './virtual-host-sets.ts';

/** What the configuration needs from outside. */
export interface ConfigurationOptions {
  readonly workers: WorkerPort;
  /** Sets the names wanted of a type, at one source: 'ads', or one of `secretSources`. */
  readonly subscribe: (typeUrl: TypeUrl, names: Iterable<string>, source: string) => void;
  /** Clusters of `api_config_source`s that secrets can be asked of (Istio's is `sds-grpc`). Default: none, ADS alone. */
  readonly secretSources?: ReadonlySet<string>;
  /** How long a route or secret that nothing refers to any more is kept for connections that are still draining. */
  readonly keepUnusedMs: number;
  /** How long to wait for what names no `initial_fetch_timeout`. Default WARMING_MS. */
  readonly warmingMs?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/**
 * A control plane sends what a resource refers to right after it is asked; what is not there after this long does not exist, and waiting for it would
 * keep a listener's other filter chains away. (Where no `initial_fetch_timeout` is given, Envoy waits 15 s.)
 */
const WARMING_MS = 1_000;

/**
 * The types whose resources go when the control plane removes them, and that warm. Routes, endpoints and secrets go with what refers to them: as in
 * Envoy, removing one that is in use changes nothing.
 */
const ROOTS: readonly TypeUrl[] = [TypeUrl.Cluster, TypeUrl.Listener];

/** Secrets that Istio's control plane serves on its own stream, wherever a resource says they come from. */
const ISTIOD_SECRET = /^kubernetes(?:-gateway)?:\/\//;

/** A listener or cluster whose newest version waits. */
interface Warming {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  readonly timers: readonly NodeJS.Timeout[];
}

const keyOf = (typeUrl: TypeUrl, name: string) => `${typeUrl} ${name}`;

/** The configuration of one data plane. */
export class Configuration {
  readonly state = new ConfigState();
  readonly #options: ConfigurationOptions;
  /** Of the newest version of each listener and cluster, by type and name. */
  readonly #references = new Map<string, readonly Reference[]>();
  /** Of the versions that serve, where a newer one is warming. */
  readonly #servingReferences = new Map<string, readonly Reference[]>();
  readonly #warming = new Map<string, Warming>();
  readonly #virtualHosts = new VirtualHostSets();
  /** Names that were waited for in vain: the next version of a listener does not wait for them again. */
  readonly #missing = new Set<string>();
  /** What was said to be left out. */
  readonly #skipped = new Set<string>();
  /** Sources of secrets that were complained about. */
  readonly #unreachable = new Set<string>();
  /** Sources that were asked for secrets. */
  readonly #asked = new Set<string>([ADS]);
  readonly #forget = new Map<string, NodeJS.Timeout>();
  /** For virtual hosts that are waited for, by key. */
  readonly #waits = new Map<string, NodeJS.Timeout>();
  readonly #seen = new Set<TypeUrl>();
  #isReady = false;
  readonly #ready = Promise.withResolvers<void>();
  #closed = false;
  /** Responses of ADS and of the sources of secrets are applied one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

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
  apply(
    typeUrl: TypeUrl,
    resources: readonly DecodedResource[],
    version: string,
    gone: readonly string[] = [],
  ): Promise<void> {
    const applied = this.#turn.then(() => this.#apply(typeUrl, resources, version, gone));
    this.#turn = applied.catch(() => {});
    return applied;
  }

  async #apply(
    typeUrl: TypeUrl,
    resources: readonly DecodedResource[],
    version: string,
    gone: readonly string[],
  ): Promise<void> {
    const { workers, now } = this.#options;
    const names = new Set(resources.map(({ name }) => name));
    if (names.size < resources.length)
      throw new ConfigError(`${shortTypeName(typeUrl)}: ${firstDuplicate(resources)} is there twice`);
    const removed = this.#gone(typeUrl, [...names], gone);
    const changed = resources.filter((resource) => !this.state.isUnchanged(typeUrl, resource));
    const { refused: refusals, skipped } = await workers.apply(
      typeUrl,
      changed.map(({ name, any, message }) => ({ name, value: any.value, message })),
      removed,
    );
    this.#tellSkipped(typeUrl, skipped);
    const refused = new Map(refusals.map(({ name, message }) => [name, message]));
    const accepted = changed.filter(({ name }) => !refused.has(name));
    for (const { name } of resources) if (!refused.has(name)) this.state.clearFailure(typeUrl, name);
    for (const name of removed) this.#removed(typeUrl, name);
    for (const resource of accepted) this.state.accept(typeUrl, resource, now());
    for (const resource of changed) {
      const details = refused.get(resource.name);
      if (details !== undefined) this.state.refuse(typeUrl, resource, details, now());
    }
    for (const { name } of accepted) this.#missing.delete(keyOf(typeUrl, name));
    if (ROOTS.includes(typeUrl)) this.#warm(typeUrl, accepted);
    this.#seen.add(typeUrl);
    if (ROOTS.includes(typeUrl) || typeUrl === TypeUrl.RouteConfiguration) this.#subscribe();
    if (!ROOTS.includes(typeUrl)) this.#notThere(typeUrl, gone);
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
      const anew =
        typeUrl === TypeUrl.VirtualHost
          ? this.#virtualHosts.arrived().map((routes) => virtualHostName(routes, ''))
          : [];
      const { refused } = await worker.apply(typeUrl, resources, anew);
      for (const { name, message } of refused)
        this.#options.log.error({ resource: name, reason: message }, 'new worker refused what others serve');
    }
    // A version that is still warming serves at once here: a worker has no older one.
    for (const typeUrl of ROOTS) await worker.activate(typeUrl, this.state.names(typeUrl));
  }

  /** Stops all timers. */
  close(): void {
    this.#closed = true;
    for (const { timers } of this.#warming.values()) for (const timer of timers) clearTimeout(timer);
    for (const timer of [...this.#forget.values(), ...this.#waits.values()]) clearTimeout(timer);
  }

  /** What goes with a response. */
  #gone(typeUrl: TypeUrl, changed: readonly string[], gone: readonly string[]): string[] {
    if (typeUrl === TypeUrl.VirtualHost) return this.#virtualHosts.arrive(changed, gone);
    return ROOTS.includes(typeUrl) ? gone.filter((name) => this.state.has(typeUrl, name)) : [];
  }

  /** Once for each thing, however many resources have it and however often they come. */
  #tellSkipped(typeUrl: TypeUrl, skipped: readonly Skip[]): void {
    for (const { name, what, why } of skipped) {
      if (this.#skipped.has(what)) continue;
      this.#skipped.add(what);
      this.#options.log.info({ type: shortTypeName(typeUrl), resource: name }, `${what} ${why}`);
    }
  }

  /** What does not exist is not waited for. */
  #notThere(typeUrl: TypeUrl, gone: readonly string[]): void {
    // A virtual host that is gone is referred to by nobody: it is the route configuration that has none at all which is told here.
    const missing = gone.filter((name) =>
      typeUrl === TypeUrl.VirtualHost ? this.#virtualHosts.has(name) : this.state.get(typeUrl, name) === undefined,
    );
    if (missing.length === 0) return;
    for (const name of missing) this.#missing.add(keyOf(typeUrl, name));
    this.#options.log.warn(
      { type: shortTypeName(typeUrl), missing },
      'the control plane does not have what the configuration refers to',
    );
  }

  #removed(typeUrl: TypeUrl, name: string): void {
    this.state.remove(typeUrl, name);
    const key = keyOf(typeUrl, name);
    this.#references.delete(key);
    this.#servingReferences.delete(key);
    this.#stopWarming(key);
  }

  #warm(typeUrl: TypeUrl, accepted: readonly DecodedResource[]): void {
    for (const { name, message } of accepted) {
      const key = keyOf(typeUrl, name);
      const serving = this.#warming.has(key) ? this.#servingReferences.get(key) : this.#references.get(key);
      this.#stopWarming(key);
      if (serving !== undefined) this.#servingReferences.set(key, serving);
      const references =
        typeUrl === TypeUrl.Listener ? listenerReferences(message as Listener) : clusterReferences(message as Cluster);
      this.#references.set(key, references);
      this.#skipUnreachable(references);
      const missing = this.#missingOf(references);
      const waits = new Set(missing.map((reference) => this.#waitOf(reference)));
      waits.delete(Number.POSITIVE_INFINITY);
      const timers = Array.from(waits, (ms) => setTimeout(() => this.#giveUp(typeUrl, name, ms), ms));
      this.#warming.set(key, { typeUrl, name, timers });
    }
  }

  #stopWarming(key: string): void {
    for (const timer of this.#warming.get(key)?.timers ?? []) clearTimeout(timer);
    this.#warming.delete(key);
  }

  #waitOf({ waitMs }: Reference): number {
    return waitMs ?? this.#options.warmingMs ?? WARMING_MS;
  }

  /** Does without what should have been there after so many milliseconds. */
  #giveUp(typeUrl: TypeUrl, resource: string, ms: number): void {
    const references = this.#references.get(keyOf(typeUrl, resource));
    if (references === undefined || this.#closed) return;
    const missing = this.#missingOf(references).filter((reference) => this.#waitOf(reference) <= ms);
    if (missing.length === 0) return;
    for (const { typeUrl, name } of missing) this.#missing.add(keyOf(typeUrl, name));
    const kind = typeUrl === TypeUrl.Listener ? 'listener' : 'cluster';
    this.#options.log.warn(
      { [kind]: resource, missing: missing.map(({ name }) => name) },
      `${kind} serves without what the control plane did not send`,
    );
    this.#activateWarm().then(
      () => this.#checkReady(),
      (error: unknown) => this.#options.log.error({ err: error, [kind]: resource }, `${kind} could not be activated`),
    );
  }

  /** What is not there, and may yet come. */
  #missingOf(references: readonly Reference[]): Reference[] {
    return references
      .flatMap((reference) => {
        const virtualHosts = virtualHostsReference(this.#routes(reference));
        return virtualHosts === undefined ? [reference] : [reference, virtualHosts];
      })
      .filter(({ typeUrl, name }) => !this.#isThere(typeUrl, name) && !this.#missing.has(keyOf(typeUrl, name)));
  }

  #isThere(typeUrl: TypeUrl, name: string): boolean {
    if (typeUrl === TypeUrl.VirtualHost) return this.#virtualHosts.has(name);
    return this.state.get(typeUrl, name) !== undefined;
  }

  /** The route configuration that a reference leads to. */
  #routes({ typeUrl, name }: Pick<Reference, 'typeUrl' | 'name'>): RouteConfiguration | undefined {
    return typeUrl === TypeUrl.RouteConfiguration ? this.state.get<RouteConfiguration>(typeUrl, name) : undefined;
  }

  async #activateWarm(): Promise<void> {
    let activated = false;
    for (const typeUrl of ROOTS) {
      const warm = [...this.#warming].filter(
        ([key, warming]) =>
          warming.typeUrl === typeUrl && this.#missingOf(this.#references.get(key) ?? []).length === 0,
      );
      if (warm.length === 0) continue;
      for (const [key, { name }] of warm) {
        this.#stopWarming(key);
        this.#servingReferences.delete(key);
        this.state.setActive(typeUrl, name);
      }
      await this.#options.workers.activate(
        typeUrl,
        warm.map(([, { name }]) => name),
      );
      activated = true;
    }
    if (activated) this.#subscribe();
  }

  /** Where a secret is asked for; undefined where it can't be. */
  #sourceOf({ source, name }: Reference): string | undefined {
    if (source === ADS || this.#options.secretSources?.has(source)) return source;
    return ISTIOD_SECRET.test(name) ? ADS : undefined;
  }

  /** Secrets that nobody can be asked for are not waited for: what does without them serves. */
  #skipUnreachable(references: readonly Reference[]): void {
    for (const reference of references) {
      if (reference.typeUrl !== TypeUrl.Secret || this.#sourceOf(reference) !== undefined) continue;
      const { typeUrl, name, source } = reference;
      this.#missing.add(keyOf(typeUrl, name));
      if (this.#unreachable.has(source)) continue;
      this.#unreachable.add(source);
      this.#options.log.warn(
        { cluster: source, secret: name },
        'secrets of an api_config_source are not fetched, since its cluster is unknown here: TLS that needs them fails; --sds gives its address',
      );
    }
  }

  #subscribe(): void {
    const routes = new Set<string>();
    const endpoints = new Set<string>();
    const secrets = new Map<string, Set<string>>(Array.from(this.#asked, (source) => [source, new Set()]));
    for (const references of [...this.#references.values(), ...this.#servingReferences.values()]) {
      for (const reference of references) {
        const { typeUrl, name } = reference;
        if (typeUrl === TypeUrl.RouteConfiguration) routes.add(name);
        else if (typeUrl === TypeUrl.ClusterLoadAssignment) endpoints.add(name);
        else {
          const source = this.#sourceOf(reference);
          if (source === undefined) continue;
          this.#asked.add(source);
          const names = secrets.get(source);
          if (names === undefined) secrets.set(source, new Set([name]));
          else names.add(name);
        }
      }
    }
    this.#want(TypeUrl.ClusterLoadAssignment, new Map([[ADS, endpoints]]));
    this.#want(TypeUrl.RouteConfiguration, new Map([[ADS, routes]]));
    this.#wantVirtualHosts(routes);
    this.#want(TypeUrl.Secret, secrets);
  }

  /** @param routes the route configurations that are wanted */
  #wantVirtualHosts(routes: ReadonlySet<string>): void {
    const typeUrl = TypeUrl.VirtualHost;
    const references = Array.from(routes, (name) =>
      virtualHostsReference(this.#routes({ typeUrl: TypeUrl.RouteConfiguration, name })),
    ).filter((reference) => reference !== undefined);
    const names = new Set(references.map(({ name }) => name));
    if (!this.#virtualHosts.want(names)) return;
    // Those of a route configuration that nothing refers to stay in the workers for as long as it does.
    for (const name of this.state.allNames(typeUrl))
      if (!this.#virtualHosts.wants(name)) this.state.remove(typeUrl, name);
    this.#options.subscribe(typeUrl, names, ADS);
    for (const reference of references) this.#waitForVirtualHosts(reference);
  }

  /** Those that do not come in time are none. */
  #waitForVirtualHosts(reference: Reference): void {
    const { typeUrl, name } = reference;
    const key = keyOf(typeUrl, name);
    const ms = this.#waitOf(reference);
    if (this.#virtualHosts.has(name) || this.#waits.has(key) || ms === Number.POSITIVE_INFINITY) return;
    const timer = setTimeout(() => {
      this.#waits.delete(key);
      if (this.#closed || this.#virtualHosts.has(name) || !this.#virtualHosts.wants(virtualHostName(name, ''))) return;
      this.apply(typeUrl, [], '', [name]).catch((error: unknown) =>
        this.#options.log.error({ err: error, routes: name }, 'routes could not be activated'),
      );
    }, ms);
    this.#waits.set(key, timer);
  }

  /** @param wanted names by source */
  #want(typeUrl: TypeUrl, wanted: ReadonlyMap<string, ReadonlySet<string>>): void {
    const names = new Set([...wanted.values()].flatMap((ofSource) => [...ofSource]));
    for (const name of names) this.#keep(typeUrl, name);
    for (const name of this.state.allNames(typeUrl)) {
      if (names.has(name)) continue;
      this.state.remove(typeUrl, name);
      this.#forgetLater(typeUrl, name);
    }
    for (const [source, ofSource] of wanted) this.#options.subscribe(typeUrl, ofSource, source);
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
    if (this.#isReady || this.#warming.size > 0) return;
    if (!ROOTS.every((typeUrl) => this.#seen.has(typeUrl))) return;
    this.#isReady = true;
    this.#ready.resolve();
  }
}

/** What a resource refers to before it: nothing serves half. */
const RESTORE_ORDER: readonly TypeUrl[] = [
  TypeUrl.Cluster,
  TypeUrl.ClusterLoadAssignment,
  TypeUrl.Secret,
  TypeUrl.RouteConfiguration,
  TypeUrl.VirtualHost,
  TypeUrl.Listener,
];

function firstDuplicate(resources: readonly DecodedResource[]): string {
  const seen = new Set<string>();
  return resources.find(({ name }) => seen.size === seen.add(name).size)?.name ?? '';
}
