// Keeps the hosts of a STRICT_DNS or LOGICAL_DNS cluster in step with DNS.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/service_discovery

import { isIP } from 'node:net';
import type { TimerEntry } from '../timer-wheel.ts';
import type { UpstreamCluster } from './cluster.ts';
import { lookup } from './dns-lookup.ts';
import { durationMs } from './duration.ts';
import { type EndpointConfig, mergeHosts } from './endpoints.ts';

/** Resolves again and again until stopped. STRICT_DNS takes every address of a name, LOGICAL_DNS the first. */
export class DnsDiscovery implements TimerEntry {
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly #cluster: UpstreamCluster;
  readonly #logical: boolean;
  #endpoints: readonly EndpointConfig[];
  /** The last good answer of each name. */
  readonly #answers = new Map<string, readonly string[]>();
  #round = 0;
  #stopped = false;
  readonly #resolved = Promise.withResolvers<void>();

  constructor(cluster: UpstreamCluster, endpoints: readonly EndpointConfig[], logical: boolean) {
    this.#cluster = cluster;
    this.#endpoints = endpoints;
    this.#logical = logical;
  }

  /** Resolves when the names were looked up for the first time, with or without an answer. */
  get resolved(): Promise<void> {
    return this.#resolved.promise;
  }

  /** Resolves now and at every refresh from now on. */
  start(): void {
    void this.#resolveAll();
  }

  /** Takes a new list of names. */
  setEndpoints(endpoints: readonly EndpointConfig[]): void {
    this.#endpoints = endpoints;
    void this.#resolveAll();
  }

  stop(): void {
    this.#stopped = true;
    this.#cluster.deps.timers.disarm(this);
  }

  onTimeout(): void {
    void this.#resolveAll();
  }

  async #resolveAll(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    const { deps, config, name } = this.#cluster;
    const names = new Set(this.#endpoints.map((endpoint) => endpoint.address).filter((address) => isIP(address) === 0));
    await Promise.all(
      [...names].map(async (hostname) => {
        try {
          const addresses = await lookup(deps.resolve, hostname, config.dnsLookupFamily);
          this.#answers.set(hostname, addresses);
        } catch (error) {
          // Envoy keeps the last good answer when a resolution fails.
          deps.log.warn({ cluster: name, hostname, err: error }, 'DNS resolution failed; keeping the last answer');
        }
      }),
    );
    if (this.#stopped || round !== this.#round) return;
    const resolved: EndpointConfig[] = [];
    for (const endpoint of this.#endpoints) {
      const addresses = isIP(endpoint.address) !== 0 ? [endpoint.address] : (this.#answers.get(endpoint.address) ?? []);
      for (const address of this.#logical ? addresses.slice(0, 1) : addresses) {
        // Envoy names a resolved host after what was resolved, for auto_host_rewrite.
        resolved.push({ ...endpoint, address, hostname: endpoint.hostname || endpoint.address });
      }
    }
    const { hosts, changed } = mergeHosts(resolved, this.#cluster.hosts);
    if (changed) this.#cluster.setHosts(hosts);
    this.#resolved.resolve();
    deps.timers.arm(this, durationMs(config.dnsRefreshRate, 5000));
  }
}
