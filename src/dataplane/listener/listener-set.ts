// All listeners of one worker: added and updated in two steps (prepare, activate), removed, drained; and the ports they are bound to.

import type { Listener as ListenerConfig } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type BindRules, bindEndpoint, type Publish } from '../config/bind-rules.ts';
import { type Endpoint, formatEndpoint } from '../config/endpoint.ts';
import { ConfigError } from '../connection.ts';
import type { ChainServices, FilterChain } from './filter-chain.ts';
import { Listener } from './listener.ts';
import { Port } from './port.ts';
import { PublishedPorts } from './published-ports.ts';

/** A listener by name: the version that serves, and the one that waits for its routes and secrets. */
interface Entry {
  active: Listener | undefined;
  warming: Listener | undefined;
  /** Its own ports, by `ip:port`. Bound while warming (so that a taken port is found out in time), serving from activation on. */
  ports: Map<string, Port>;
}

/** How long connections of a filter chain that was replaced may go on. Envoy waits 600 s (`--drain-time-s`), Istio's gateways 45 s. */
const DEFAULT_UPDATE_DRAIN_MS = 45_000;

/** Listeners by name. */
export class ListenerSet {
  #rules: BindRules;
  readonly #services: ChainServices;
  readonly #updateDrainMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #published = new PublishedPorts((port) => this.#listenerOnPort(port));
  /** Chains that are not part of a listener any more but still have connections. */
  readonly #draining = new Set<FilterChain>();

  /** @param address the pod's own IP, as in BindRules */
  constructor(address: string | undefined, services: ChainServices, updateDrainMs = DEFAULT_UPDATE_DRAIN_MS) {
    this.#rules = { address, publish: [] };
    this.#services = services;
    this.#updateDrainMs = updateDrainMs;
  }

  /**
   * Makes these the published ports, and binds them; those that are shared follow with their listeners.
   * @returns all of them in this order, with the port that was chosen where 0 was asked for
   * @throws ConfigError when one can't be bound; the others are
   */
  async publish(publish: readonly Publish[]): Promise<Publish[]> {
    this.#rules = { ...this.#rules, publish };
    const errors = await this.#published.follow(publish);
    if (errors.length > 0) throw new ConfigError(errors.map(({ message }) => message).join('; '));
    return this.#published.published;
  }

  /**
   * Compiles a listener and binds what it needs. It serves from `activate` on; until then the version before does.
   * @throws ConfigError when it can't be served; then nothing has changed
   */
  async prepare(config: ListenerConfig): Promise<void> {
    const before = this.#entries.get(config.name);
    const listener = new Listener(config, this.#rules, this.#services, before?.active);
    this.#rejectDuplicateAddress(listener);
    const wanted = listener.bindsPort
      ? listener.endpoints
          .map((endpoint) => bindEndpoint(endpoint, this.#rules))
          .filter((endpoint) => endpoint !== undefined)
      : [];
    const bound: Port[] = [];
    const entry: Entry = before ?? { active: undefined, warming: undefined, ports: new Map() };
    try {
      for (const endpoint of wanted) {
        if (entry.ports.has(formatEndpoint(endpoint))) continue;
        try {
          bound.push(await Port.bind(endpoint));
        } catch (error) {
          // Who comes from outside comes through the published port; the pod's own address is a convenience then.
          if (!this.#rules.publish.some(({ listenerPort }) => listenerPort === endpoint.port)) throw error;
          this.#services.dataplane.log.warn(
            { listener: config.name, reason: (error as Error).message },
            'listener is served on its published port only',
          );
        }
      }
    } catch (error) {
      for (const port of bound) await port.close();
      throw error;
    }
    for (const port of bound) {
      entry.ports.set(formatEndpoint(port.endpoint), port);
      port.handler = entry.active;
    }
    this.#discard(entry.warming, entry.active);
    entry.warming = listener;
    this.#entries.set(config.name, entry);
  }

  /**
   * Lets the prepared version take new connections, at once. The chains that it no longer has are drained.
   * @returns resolves when the shared ports that are published for it are bound too
   */
  async activate(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    const listener = entry?.warming;
    if (entry === undefined || listener === undefined) return;
    const before = entry.active;
    entry.active = listener;
    entry.warming = undefined;
    const wanted = new Set(
      listener.endpoints
        .map((endpoint) => bindEndpoint(endpoint, this.#rules))
        .filter((endpoint) => endpoint !== undefined)
        .map(formatEndpoint),
    );
    for (const [key, port] of entry.ports) {
      if (wanted.has(key) && listener.bindsPort) {
        port.handler = listener;
      } else {
        entry.ports.delete(key);
        void port.close();
      }
    }
    this.#published.point();
    this.#retire(before, listener);
    for (const { message } of await this.#published.bindMissing())
      this.#services.dataplane.log.error({ listener: name, reason: message }, 'published port is not served');
  }

  /** Accepts no more for this listener; its connections are drained. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    for (const port of entry.ports.values()) void port.close();
    this.#published.point();
    this.#discard(entry.warming, entry.active);
    this.#retire(entry.active, undefined);
  }

  /** The listeners that serve. */
  *active(): Iterable<Listener> {
    for (const { active } of this.#entries.values()) if (active !== undefined) yield active;
  }

  /**
   * Accepts no more at all; lets requests under way finish, and closes what is left after `ms`.
   * @returns resolves when the last connection is gone
   */
  async drain(ms: number): Promise<void> {
    this.#stopAccepting();
    const chains = new Set(this.#draining);
    for (const { active } of this.#entries.values()) for (const chain of active?.chains ?? []) chains.add(chain);
    await Promise.all([...chains].map((chain) => chain.drain(ms, 'close')));
  }

  /** Closes everything now. */
  close(): void {
    this.#stopAccepting();
    for (const chain of this.#draining) chain.destroy();
    for (const { active } of this.#entries.values()) for (const chain of active?.chains ?? []) chain.destroy();
    this.#entries.clear();
  }

  #stopAccepting(): void {
    this.#published.close();
    for (const { ports } of this.#entries.values()) for (const port of ports.values()) void port.close();
  }

  #listenerOnPort(port: number): Listener | undefined {
    for (const listener of this.active())
      if (listener.bindsPort && listener.endpoints.some((endpoint) => endpoint.port === port)) return listener;
    return undefined;
  }

  #rejectDuplicateAddress(listener: Listener): void {
    if (!listener.bindsPort) return;
    for (const [name, { active, warming }] of this.#entries) {
      if (name === listener.name) continue;
      for (const other of [active, warming]) {
        const shared = other?.bindsPort ? sharedEndpoint(other, listener) : undefined;
        if (shared !== undefined)
          throw new ConfigError(`address: ${formatEndpoint(shared)} is the address of listener '${name}' already`);
      }
    }
  }

  /** Chains of a version that never served. */
  #discard(listener: Listener | undefined, serving: Listener | undefined): void {
    for (const chain of listener?.chains ?? []) if (!serving?.chains.includes(chain)) void chain.drain(0, 'close');
  }

  /** Chains of a version that served and are not part of the next one. */
  #retire(listener: Listener | undefined, next: Listener | undefined): void {
    const kept = new Set(next?.chains);
    for (const chain of listener?.chains ?? []) {
      if (kept.has(chain)) continue;
      this.#draining.add(chain);
      void chain.drain(this.#updateDrainMs, 'keep').then(() => this.#draining.delete(chain));
    }
  }
}

function sharedEndpoint(a: Listener, b: Listener): Endpoint | undefined {
  return a.endpoints.find((one) => b.endpoints.some((other) => one.host === other.host && one.port === other.port));
}
