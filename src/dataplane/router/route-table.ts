// A compiled RouteConfiguration: the virtual host of an authority, then its first matching route.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_routing

import type { VirtualHost } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { ConfigError } from '../connection.ts';
import { refuseFilterConfigs } from './filter-config.ts';
import { compileHeaderMutation, type HeaderMutation } from './header-mutation.ts';
import { CompiledVirtualHost } from './virtual-host.ts';

/** Wildcard domains of one length: `*.example.com` or `api.*`, without the star. */
interface WildcardsOfLength {
  readonly length: number;
  readonly hosts: Map<string, CompiledVirtualHost>;
}

/** What a table is compiled with beside its RouteConfiguration. */
export interface RouteTableOptions {
  /** A table whose virtual hosts are used again where they did not change. */
  readonly previous?: RouteTable | undefined;
  /** Virtual hosts that came by themselves (VHDS), beside those of the RouteConfiguration. */
  readonly virtualHosts?: Iterable<VirtualHost>;
  /** Takes note of one of these that can't be served; without it that is thrown. The table is then good for `previous` alone. */
  readonly refuse?: (virtualHost: VirtualHost, error: Error) => void;
}

/** A compiled RouteConfiguration. Immutable, but for the virtual hosts that come by themselves. */
export class RouteTable {
  /** What it was compiled from. */
  readonly config: RouteConfiguration;
  readonly name: string;
  readonly requestMutation: HeaderMutation | undefined;
  readonly responseMutation: HeaderMutation | undefined;
  /** Route-level mutations come last, and so win over the virtual host's and the table's. */
  readonly mostSpecificWins: boolean;
  /** Lower-case names removed from requests of clients outside. */
  readonly internalOnlyHeaders: readonly string[];
  #compiledCount = 0;
  readonly #ignorePort: boolean;
  readonly #exact = new Map<string, CompiledVirtualHost>();
  /** The longest first. */
  readonly #suffixes: WildcardsOfLength[] = [];
  readonly #prefixes: WildcardsOfLength[] = [];
  #any: CompiledVirtualHost | undefined = undefined;
  /** By the message it was compiled from: the decoder hands out the same object for a virtual host that did not change. */
  readonly #compiled = new Map<VirtualHost, CompiledVirtualHost>();

  /** @throws ConfigError naming what cannot be done */
  constructor(config: RouteConfiguration, { previous, virtualHosts = [], refuse }: RouteTableOptions = {}) {
    const field = `RouteConfiguration ${config.name}`;
    this.config = config;
    this.name = config.name;
    if (config.clusterSpecifierPlugins.length > 0) {
      throw new ConfigError(`${field}: cluster_specifier_plugins: not supported`);
    }
    if (config.requestMirrorPolicies.length > 0)
      throw new ConfigError(`${field}: request_mirror_policies: not supported`);
    if (config.ignorePathParametersInPathMatching) {
      throw new ConfigError(`${field}: ignore_path_parameters_in_path_matching: not supported`);
    }
    refuseFilterConfigs(config.typedPerFilterConfig, field);
    this.mostSpecificWins = config.mostSpecificHeaderMutationsWins;
    this.internalOnlyHeaders = config.internalOnlyHeaders.map((name) => name.toLowerCase());
    this.#ignorePort = config.ignorePortInHostMatching;
    this.requestMutation = compileHeaderMutation(
      config.requestHeadersToAdd,
      config.requestHeadersToRemove,
      `${field}: request_headers`,
    );
    this.responseMutation = compileHeaderMutation(
      config.responseHeadersToAdd,
      config.responseHeadersToRemove,
      `${field}: response_headers`,
    );
    // The limit is the one thing of the table that its virtual hosts are compiled with.
    const reusable =
      previous !== undefined && previous.config.maxDirectResponseBodySizeBytes === config.maxDirectResponseBodySizeBytes
        ? previous.#compiled
        : undefined;
    const add = (virtualHost: VirtualHost) => {
      let compiled = reusable?.get(virtualHost);
      if (compiled === undefined) {
        compiled = this.#compile(virtualHost);
        this.#compiledCount += 1;
      }
      this.#compiled.set(virtualHost, compiled);
      this.#add(virtualHost, compiled);
    };
    for (const virtualHost of config.virtualHosts) add(virtualHost);
    for (const virtualHost of virtualHosts) {
      try {
        add(virtualHost);
      } catch (error) {
        if (refuse === undefined) throw error;
        refuse(virtualHost, error as Error);
      }
    }
  }

  /** How many virtual hosts were compiled by the last change, and not taken over from the table before. */
  get compiledCount(): number {
    return this.#compiledCount;
  }

  /**
   * The virtual host for an authority: exact, then the longest `*.suffix`, then the longest `prefix.*`, then `*`.
   *
   * @param authority as received; case does not matter
   */
  virtualHost(authority: string): CompiledVirtualHost | undefined {
    if (this.#exact.size === 0 && this.#suffixes.length === 0 && this.#prefixes.length === 0) return this.#any;
    let host = authority.toLowerCase();
    if (this.#ignorePort) host = withoutPort(host);
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const { length, hosts } of this.#suffixes) {
      // The star stands for at least one character.
      if (host.length <= length) continue;
      const found = hosts.get(host.slice(host.length - length));
      if (found !== undefined) return found;
    }
    for (const { length, hosts } of this.#prefixes) {
      if (host.length <= length) continue;
      const found = hosts.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#any;
  }

  /**
   * Takes virtual hosts that came by themselves out and others in, in place: with ten thousand of them, one that changed costs one. A request looks its
   * virtual host up once, so it sees all of the change or nothing.
   * @returns false where one of them can't be served or has a domain that another one keeps: then nothing changed
   */
  replace(gone: readonly VirtualHost[], come: readonly VirtualHost[]): boolean {
    const leaving = new Set(gone.map((virtualHost) => this.#compiled.get(virtualHost)));
    const compiled: CompiledVirtualHost[] = [];
    const domains = new Set<string>();
    for (const virtualHost of come) {
      for (const domain of virtualHost.domains) {
        const taken = this.#ownerOf(domain.toLowerCase());
        if (domains.has(domain.toLowerCase()) || (taken !== undefined && !leaving.has(taken))) return false;
        domains.add(domain.toLowerCase());
      }
      try {
        compiled.push(this.#compile(virtualHost));
      } catch {
        return false; // whoever builds the whole table anew is told why
      }
    }
    for (const virtualHost of gone) {
      for (const domain of virtualHost.domains) this.#place(domain.toLowerCase(), undefined);
      this.#compiled.delete(virtualHost);
    }
    for (const [index, virtualHost] of come.entries()) {
      for (const domain of virtualHost.domains) this.#place(domain.toLowerCase(), compiled[index]);
      this.#compiled.set(virtualHost, compiled[index] as CompiledVirtualHost);
    }
    this.#compiledCount = come.length;
    return true;
  }

  #compile(virtualHost: VirtualHost): CompiledVirtualHost {
    const field = `RouteConfiguration ${this.name}: virtual_hosts[${virtualHost.name}]`;
    return new CompiledVirtualHost(virtualHost, field, this.config.maxDirectResponseBodySizeBytes);
  }

  #add(config: VirtualHost, compiled: CompiledVirtualHost): void {
    for (const configured of config.domains) {
      const domain = configured.toLowerCase();
      if (this.#ownerOf(domain) !== undefined) {
        throw new ConfigError(
          `RouteConfiguration ${this.name}: virtual_hosts[${config.name}].domains: "${configured}" stands in two virtual hosts; every domain may stand in one`,
        );
      }
      this.#place(domain, compiled);
    }
  }

  /** Who has a domain, in lower case, as it is configured. */
  #ownerOf(domain: string): CompiledVirtualHost | undefined {
    if (domain === '*') return this.#any;
    const wildcard = wildcardOf(domain);
    if (wildcard === undefined) return this.#exact.get(domain);
    const wildcards = wildcard.suffix ? this.#suffixes : this.#prefixes;
    return wildcards.find(({ length }) => length === wildcard.part.length)?.hosts.get(wildcard.part);
  }

  /** Gives a domain to a virtual host, or to none. */
  #place(domain: string, owner: CompiledVirtualHost | undefined): void {
    if (domain === '*') {
      this.#any = owner;
      return;
    }
    const wildcard = wildcardOf(domain);
    let hosts = this.#exact;
    let key = domain;
    if (wildcard !== undefined) {
      key = wildcard.part;
      hosts = ofLength(wildcard.suffix ? this.#suffixes : this.#prefixes, key.length);
    }
    if (owner === undefined) hosts.delete(key);
    else hosts.set(key, owner);
  }
}

/** `*.example.com` or `api.*` without the star; undefined for a domain without one. */
function wildcardOf(domain: string): { readonly part: string; readonly suffix: boolean } | undefined {
  if (domain.startsWith('*')) return { part: domain.slice(1), suffix: true };
  return domain.endsWith('*') ? { part: domain.slice(0, -1), suffix: false } : undefined;
}

/** The wildcards of a length, among all of them: the longest one wins. */
function ofLength(wildcards: WildcardsOfLength[], length: number): Map<string, CompiledVirtualHost> {
  const found = wildcards.find((each) => each.length === length);
  if (found !== undefined) return found.hosts;
  const hosts = new Map<string, CompiledVirtualHost>();
  wildcards.push({ length, hosts });
  wildcards.sort((a, b) => b.length - a.length);
  return hosts;
}

/** `host:port` → `host`; an IPv6 literal keeps its brackets. Like Envoy, whatever stands after the colon. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon <= authority.lastIndexOf(']') ? authority : authority.slice(0, colon);
}
