// The hosts of a dynamic forward proxy cluster: each request names its own, which is looked up when it is first asked for.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_proxy

import { isIP } from 'node:net';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
} from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterConfigSchema } from '../../xds/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js';
import { ConfigError } from '../connection.ts';
import { lookup, type Resolve } from './dns-lookup.ts';
import { durationMs } from './duration.ts';
import { Host } from './host.ts';

/** `dns_cache_config`, with Envoy's defaults. */
export interface DnsCacheOptions {
  readonly family: Cluster_DnsLookupFamily;
  /** How long an answer counts. */
  readonly refreshMs: number;
  /** Hosts that are remembered at a time. */
  readonly maxHosts: number;
}

/** Envoy's. */
export const DNS_CACHE_DEFAULTS: DnsCacheOptions = {
  family: Cluster_DnsLookupFamily.AUTO,
  refreshMs: 60_000,
  maxHosts: 1024,
};

const MAX_PORT = 65_535;

const TYPE = 'envoy.clusters.dynamic_forward_proxy';

/**
 * Reads the cluster's options.
 * @returns undefined for a cluster of another type
 * @throws ConfigError for options that are not served
 */
export function dnsCacheOptions({ name, clusterDiscoveryType }: Cluster): DnsCacheOptions | undefined {
  if (clusterDiscoveryType.case !== 'clusterType' || clusterDiscoveryType.value.name !== TYPE) return undefined;
  const { typedConfig } = clusterDiscoveryType.value;
  const config = typedConfig === undefined ? undefined : anyUnpack(typedConfig, ClusterConfigSchema);
  const cache = config?.clusterImplementationSpecifier;
  if (cache?.case !== 'dnsCacheConfig')
    throw new ConfigError(`Cluster ${name}: cluster_type: expected a ClusterConfig with dns_cache_config`);
  const { dnsLookupFamily, dnsRefreshRate, maxHosts } = cache.value;
  return {
    family: dnsLookupFamily,
    refreshMs: durationMs(dnsRefreshRate, DNS_CACHE_DEFAULTS.refreshMs),
    maxHosts: maxHosts ?? DNS_CACHE_DEFAULTS.maxHosts,
  };
}

/**
 * The header in which requests to an ORIGINAL_DST cluster name their host, where it goes by one.
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/original_dst
 */
export function originalDestinationHeader({ clusterDiscoveryType, lbConfig }: Cluster): string | undefined {
  const isOriginal =
    clusterDiscoveryType.case === 'type' && clusterDiscoveryType.value === Cluster_DiscoveryType.ORIGINAL_DST;
  if (!isOriginal || lbConfig.case !== 'originalDstLbConfig' || !lbConfig.value.useHttpHeader) return undefined;
  return (lbConfig.value.httpHeaderName || 'x-envoy-original-dst-host').toLowerCase();
}

/** What the cluster gives. */
export interface DynamicForwardProxyDeps {
  readonly options: DnsCacheOptions;
  readonly resolve: Resolve;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The port of requests that name none: 80, or 443 where the cluster speaks TLS. */
  readonly defaultPort: () => number;
  /** Takes all hosts there are whenever one comes or goes. */
  readonly setHosts: (hosts: readonly Host[]) => void;
}

interface Entry {
  host: Host | undefined;
  resolvedAt: number;
  /** The look-up under way. */
  pending: Promise<Host> | undefined;
}

/** Finds hosts by authority. */
export class DynamicForwardProxy {
  readonly #deps: DynamicForwardProxyDeps;
  /** By `host:port`, the one that was asked for last at the end. */
  readonly #entries = new Map<string, Entry>();

  constructor(deps: DynamicForwardProxyDeps) {
    this.#deps = deps;
  }

  /**
   * The host of an authority (`name`, `name:port`, an IP address): itself where it is known, else a promise that rejects where DNS knows no
   * address, and where the authority is none. One that was looked up long ago is looked up again meanwhile, and stays when that fails.
   */
  hostOf(authority: string): Host | Promise<Host> {
    const { options, now } = this.#deps;
    const { hostname, port } = parseAuthority(authority, this.#deps.defaultPort());
    // Node.js throws for such a port, which a Host header may have, and takes an empty name for the machine itself.
    if (hostname === '' || port > MAX_PORT) return Promise.reject(new Error(`${authority} names no host and port`));
    const key = `${hostname}:${port}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { host: undefined, resolvedAt: 0, pending: undefined };
      this.#makeRoom();
    } else this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (entry.host === undefined && isIP(hostname) !== 0) {
      entry.resolvedAt = Number.POSITIVE_INFINITY;
      return this.#take(entry, hostname, hostname, port);
    }
    if (entry.host !== undefined) {
      if (now() - entry.resolvedAt > options.refreshMs) this.#lookUp(key, entry, hostname, port).catch(() => {});
      return entry.host;
    }
    return this.#lookUp(key, entry, hostname, port);
  }

  #lookUp(key: string, entry: Entry, hostname: string, port: number): Promise<Host> {
    entry.pending ??= this.#resolve(entry, hostname, port).finally(() => {
      entry.pending = undefined;
      // What DNS does not know is asked anew with the next request.
      if (entry.host === undefined && this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry.pending;
  }

  async #resolve(entry: Entry, hostname: string, port: number): Promise<Host> {
    const { resolve, options, now } = this.#deps;
    const [address] = await lookup(resolve, hostname, options.family);
    if (address === undefined) throw new Error(`${hostname} has no address`);
    entry.resolvedAt = now();
    return this.#take(entry, address, hostname, port);
  }

  #take(entry: Entry, address: string, hostname: string, port: number): Host {
    if (entry.host?.ip === address) return entry.host;
    entry.host = new Host(address, port, hostname, 1, 0, 'HEALTHY');
    this.#tell();
    return entry.host;
  }

  /** Who sends requests names hosts: those that nobody asked for the longest go first. */
  #makeRoom(): void {
    const { maxHosts } = this.#deps.options;
    for (const [key, { host, pending }] of this.#entries) {
      if (this.#entries.size < maxHosts) return;
      if (pending !== undefined) continue;
      this.#entries.delete(key);
      if (host !== undefined) this.#tell();
    }
  }

  #tell(): void {
    this.#deps.setHosts([...this.#entries.values()].flatMap(({ host }) => host ?? []));
  }
}

/** The host of an authority, an IPv6 address without its brackets, and the port. */
export function parseAuthority(authority: string, defaultPort: number): { hostname: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(authority) ?? [];
  return {
    hostname: (bracketed ?? plain ?? '').toLowerCase(),
    port: digits === undefined ? defaultPort : Number(digits),
  };
}
