// All clusters of one worker, kept in step with CDS and EDS.

import { isIP } from 'node:net';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_DiscoveryType } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { requireAds } from '../config/config-source.ts';
import { ConfigError } from '../connection.ts';
import { type ClusterDeps, UpstreamCluster } from './cluster.ts';
import { DnsDiscovery } from './dns-cluster.ts';
import { dnsCacheOptions } from './dynamic-forward-proxy.ts';
import { type EndpointConfig, mergeHosts, readEndpoints } from './endpoints.ts';

export type { ClusterDeps } from './cluster.ts';
export { UpstreamCluster } from './cluster.ts';
export { Host } from './host.ts';

/** A type of Envoy's own, or the options of a dynamic forward proxy as a text to compare. */
type Discovery = Cluster_DiscoveryType | string;

interface Entry {
  readonly cluster: UpstreamCluster;
  /** How hosts are found: a change of it makes a new cluster. */
  readonly discovery: Discovery;
  /** The name under which EDS speaks of it; undefined for other types. */
  readonly serviceName: string | undefined;
  dns: DnsDiscovery | undefined;
}

/** A version of a cluster that was checked and waits to take over. */
interface Prepared {
  /** The one that serves where the new version is a change of it, else one of its own. */
  readonly entry: Entry;
  /** Changes the one that serves. */
  readonly apply: () => void;
}

/** Clusters by name. An update touches only what changed: pools of unchanged hosts stay. */
export class ClusterSet {
  readonly #deps: ClusterDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #prepared = new Map<string, Prepared>();
  /** Endpoints by EDS service name; they may arrive before their cluster. */
  readonly #assignments = new Map<string, readonly EndpointConfig[]>();
  readonly #byService = new Map<string, Set<Entry>>();

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
  }

  /** Adds a cluster or takes its new configuration, at once. @throws ConfigError, then the old one stays */
  updateCluster(config: Cluster): void {
    this.prepare(config);
    this.activate(config.name);
  }

  /**
   * Checks a cluster. It serves from `activate` on; until then the version before does. A new one has its hosts when it begins.
   * @throws ConfigError, then nothing has changed
   */
  prepare(config: Cluster): void {
    const type = discoveryType(config);
    const inline = config.loadAssignment === undefined ? undefined : readEndpoints(config.loadAssignment, config.name);
    if (type === Cluster_DiscoveryType.STATIC) {
      for (const endpoint of inline ?? []) {
        if (isIP(endpoint.address) === 0) {
          throw new ConfigError(
            `Cluster ${config.name}: load_assignment: a STATIC cluster needs IP addresses, got ${endpoint.address}; use STRICT_DNS for names`,
          );
        }
      }
    }
    const serviceName =
      type === Cluster_DiscoveryType.EDS ? config.edsClusterConfig?.serviceName || config.name : undefined;
    if (serviceName !== undefined)
      requireAds(config.edsClusterConfig?.edsConfig, `Cluster ${config.name}: eds_cluster_config.eds_config`);
    const existing = this.#entries.get(config.name);
    const same = existing !== undefined && existing.discovery === type && existing.serviceName === serviceName;
    const change = same ? existing.cluster.prepare(config) : undefined;
    const entry = same
      ? existing
      : { cluster: new UpstreamCluster(config, this.#deps), discovery: type, serviceName, dns: undefined };
    this.#discard(config.name);
    const apply = () => {
      change?.();
      if (type === Cluster_DiscoveryType.STATIC) setHosts(entry.cluster, inline ?? []);
      else entry.dns?.setEndpoints(inline ?? []);
    };
    this.#prepared.set(config.name, { entry, apply: same ? apply : () => {} });
    if (!same) this.#begin(entry, inline ?? []);
  }

  /** Lets what was prepared take over. One that has to look names up first waits for that where there is another to serve meanwhile. */
  activate(name: string): void {
    const prepared = this.#prepared.get(name);
    if (prepared === undefined) return;
    const { entry, apply } = prepared;
    const serving = this.#entries.get(name);
    if (entry.dns !== undefined && serving !== undefined && serving !== entry) {
      void entry.dns.resolved.then(() => {
        if (this.#prepared.get(name) === prepared) this.#takeOver(name, prepared);
      });
      return;
    }
    apply();
    this.#takeOver(name, prepared);
  }

  /** Takes a cluster away: requests under way finish, idle connections close. */
  removeCluster(name: string): void {
    this.#discard(name);
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#retire(entry);
  }

  #takeOver(name: string, { entry }: Prepared): void {
    this.#prepared.delete(name);
    const before = this.#entries.get(name);
    if (before === entry) return;
    this.#entries.set(name, entry);
    if (before !== undefined) this.#retire(before);
  }

  /** Starts to find the hosts of a new cluster. */
  #begin(entry: Entry, inline: readonly EndpointConfig[]): void {
    const { cluster, discovery, serviceName } = entry;
    if (serviceName !== undefined) {
      let sharing = this.#byService.get(serviceName);
      if (sharing === undefined) {
        sharing = new Set();
        this.#byService.set(serviceName, sharing);
      }
      sharing.add(entry);
      const known = this.#assignments.get(serviceName);
      if (known !== undefined) setHosts(cluster, known);
    } else if (discovery === Cluster_DiscoveryType.STATIC) {
      setHosts(cluster, inline);
    } else if (cluster.requestHosts === undefined && discovery !== Cluster_DiscoveryType.ORIGINAL_DST) {
      entry.dns = new DnsDiscovery(cluster, inline, discovery === Cluster_DiscoveryType.LOGICAL_DNS);
      entry.dns.start();
    }
  }

  /** Forgets a version that never served. */
  #discard(name: string): void {
    const prepared = this.#prepared.get(name);
    if (prepared === undefined) return;
    this.#prepared.delete(name);
    if (prepared.entry !== this.#entries.get(name)) this.#retire(prepared.entry);
  }

  #retire(entry: Entry): void {
    entry.dns?.stop();
    entry.cluster.drain();
    if (entry.serviceName === undefined) return;
    const sharing = this.#byService.get(entry.serviceName);
    sharing?.delete(entry);
    if (sharing?.size === 0) this.#byService.delete(entry.serviceName);
  }

  /** Takes the endpoints of an EDS service. @throws ConfigError, then the old ones stay */
  updateEndpoints(assignment: ClusterLoadAssignment): void {
    const { clusterName } = assignment;
    const endpoints = readEndpoints(assignment, clusterName);
    for (const endpoint of endpoints) {
      if (isIP(endpoint.address) === 0) {
        throw new ConfigError(
          `ClusterLoadAssignment ${clusterName}: endpoint.address: expected an IP address, got ${endpoint.address}`,
        );
      }
    }
    this.#assignments.set(clusterName, endpoints);
    for (const entry of this.#byService.get(clusterName) ?? []) setHosts(entry.cluster, endpoints);
  }

  /** Forgets the endpoints of an EDS service that no cluster has any more. */
  removeEndpoints(serviceName: string): void {
    if (!this.#byService.has(serviceName)) this.#assignments.delete(serviceName);
  }

  get(name: string): UpstreamCluster | undefined {
    return this.#entries.get(name)?.cluster;
  }

  *values(): Iterable<UpstreamCluster> {
    for (const entry of this.#entries.values()) yield entry.cluster;
  }

  /** Stops everything and closes all connections. */
  close(): void {
    for (const entry of [...this.#entries.values(), ...Array.from(this.#prepared.values(), ({ entry }) => entry)]) {
      entry.dns?.stop();
      entry.cluster.close();
    }
    this.#entries.clear();
    this.#prepared.clear();
    this.#byService.clear();
    this.#assignments.clear();
  }
}

function setHosts(cluster: UpstreamCluster, endpoints: readonly EndpointConfig[]): void {
  const { hosts, changed } = mergeHosts(endpoints, cluster.hosts);
  if (changed) cluster.setHosts(hosts);
}

function discoveryType(config: Cluster): Discovery {
  const { clusterDiscoveryType } = config;
  const cache = dnsCacheOptions(config);
  if (cache !== undefined) return JSON.stringify(cache);
  if (clusterDiscoveryType.case === 'clusterType') {
    throw new ConfigError(
      `Cluster ${config.name}: cluster_type: ${clusterDiscoveryType.value.name} is not supported; use type STATIC, STRICT_DNS, LOGICAL_DNS, EDS or ORIGINAL_DST, or cluster_type envoy.clusters.dynamic_forward_proxy`,
    );
  }
  return clusterDiscoveryType.value ?? Cluster_DiscoveryType.STATIC;
}
