// Chooses a host for one request. https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers

import type { Host } from './host.ts';

/** One policy over one set of hosts; a new one is made whenever the set changes. */
export interface LoadBalancer {
  /** Undefined when there is no host. */
  choose(): Host | undefined;
}

/** Each host in turn; with unequal weights, smoothly in proportion (no bursts on the heavy ones). */
export class RoundRobin implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #totalWeight: number;
  readonly #equal: boolean;
  #next: number;

  /** @param start where the turn begins: random, so that many workers do not all begin with the same host */
  constructor(hosts: readonly Host[], start: number) {
    this.#hosts = hosts;
    this.#totalWeight = hosts.reduce((sum, host) => sum + host.weight, 0);
    this.#equal = hosts.every((host) => host.weight === hosts[0]!.weight);
    this.#next = hosts.length === 0 ? 0 : start % hosts.length;
    for (const host of hosts) host.currentWeight = 0;
  }

  choose(): Host | undefined {
    const hosts = this.#hosts;
    if (this.#equal) {
      if (this.#next >= hosts.length) this.#next = 0;
      const host = hosts[this.#next];
      this.#next += 1;
      return host;
    }
    let best: Host | undefined;
    for (const host of hosts) {
      host.currentWeight += host.weight;
      if (best === undefined || host.currentWeight > best.currentWeight) best = host;
    }
    if (best !== undefined) best.currentWeight -= this.#totalWeight;
    return best;
  }
}

/** Of `choices` random hosts the one with the fewest requests under way; weights are a tie for round robin to settle. */
export class LeastRequest implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #choices: number;
  readonly #random: () => number;

  /** @param random uniform in [0, 1) */
  constructor(hosts: readonly Host[], choices: number, random: () => number) {
    this.#hosts = hosts;
    this.#choices = choices;
    this.#random = random;
  }

  choose(): Host | undefined {
    const hosts = this.#hosts;
    if (hosts.length <= 1) return hosts[0];
    let best = hosts[Math.floor(this.#random() * hosts.length)]!;
    for (let i = 1; i < this.#choices; i += 1) {
      const other = hosts[Math.floor(this.#random() * hosts.length)]!;
      if (other.stats.rq_active < best.stats.rq_active) best = other;
    }
    return best;
  }
}

/** Any host, each as likely. */
export class RandomChoice implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#random = random;
  }

  choose(): Host | undefined {
    return this.#hosts[Math.floor(this.#random() * this.#hosts.length)];
  }
}
