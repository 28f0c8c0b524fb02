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

/** A compiled RouteConfiguration. Immutable. */
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
  /** How many virtual hosts were compiled, and not taken over from the table before. */
  readonly compiledCount: number;
  readonly #ignorePort: boolean;
  readonly #exact = new Map<string, CompiledVirtualHost>();
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
    let compiledCount = 0;
    const add = (virtualHost: VirtualHost) => {
      let compiled = reusable?.get(virtualHost);
      if (compiled === undefined) {
        compiled = new CompiledVirtualHost(
          virtualHost,
          `${field}: virtual_hosts[${virtualHost.name}]`,
          config.maxDirectResponseBodySizeBytes,
        );
        compiledCount += 1;
      }
      this.#compiled.set(virtualHost, compiled);
      this.#add(virtualHost, compiled, field);
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
    this.compiledCount = compiledCount;
    // The longest wildcard wins.
    this.#suffixes.sort((a, b) => b.length - a.length);
    this.#prefixes.sort((a, b) => b.length - a.length);
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

  #add(config: VirtualHost, compiled: CompiledVirtualHost, field: string): void {
    for (const configured of config.domains) {
      const domain = configured.toLowerCase();
      let taken: boolean;
      if (domain === '*') {
        taken = this.#any !== undefined;
        this.#any = compiled;
      } else if (domain.startsWith('*')) {
        taken = addWildcard(this.#suffixes, domain.slice(1), compiled);
      } else if (domain.endsWith('*')) {
        taken = addWildcard(this.#prefixes, domain.slice(0, -1), compiled);
      } else {
        taken = this.#exact.has(domain);
        this.#exact.set(domain, compiled);
      }
      if (taken) {
        throw new ConfigError(
          `${field}: virtual_hosts[${config.name}].domains: "${configured}" stands in two virtual hosts; every domain may stand in one`,
        );
      }
    }
  }
}

function addWildcard(wildcards: WildcardsOfLength[], part: string, compiled: CompiledVirtualHost): boolean {
  let ofLength = wildcards.find(({ length }) => length === part.length);
  if (ofLength === undefined) {
    ofLength = { length: part.length, hosts: new Map() };
    wildcards.push(ofLength);
  }
  const taken = ofLength.hosts.has(part);
  ofLength.hosts.set(part, compiled);
  return taken;
}

/** `host:port` → `host`; an IPv6 literal keeps its brackets. Like Envoy, whatever stands after the colon. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon <= authority.lastIndexOf(']') ? authority : authority.slice(0, colon);
}
