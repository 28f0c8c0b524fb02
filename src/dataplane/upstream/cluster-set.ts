// All clusters of one worker, kept in step with CDS and EDS.

import { isIP } from 'node:net';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { Cluster_DiscoveryType } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ConfigError } from '../connection.ts';
import { type ClusterDeps, UpstreamCluster } from './cluster.ts';
import { DnsDiscovery } from './dns-cluster.ts';
import { type EndpointConfig, mergeHosts, readEndpoints } from './endpoints.ts';

export type { ClusterDeps } from './cluster.ts';
export { UpstreamCluster } from './cluster.ts';
export { Host } from './host.ts';

interface Entry {
  readonly cluster: UpstreamCluster;
  /** How hosts are found: a change of it makes a new cluster. */
  readonly discovery: Cluster_DiscoveryType;
  /** The name under which EDS speaks of it; undefined for other types. */
  readonly serviceName: string | undefined;
  dns: DnsDiscovery | undefined;
}

/** Clusters by name. An update touches only what changed: pools of unchanged hosts stay. */
export class ClusterSet {
  readonly #deps: ClusterDeps;
  readonly #entries = new Map<string, Entry>();
  /** Endpoints by EDS service name; they may arrive before their cluster. */
  readonly #assignments = new Map<string, readonly EndpointConfig[]>();
  readonly #byService = new Map<string, Set<Entry>>();

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
  }

  /** Adds a cluster or takes its new configuration. @throws ConfigError, then the old one stays */
  updateCluster(config: Cluster): void {
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
    const existing = this.#entries.get(config.name);
    let entry: Entry;
    if (existing !== undefined && existing.discovery === type && existing.serviceName === serviceName) {
      existing.cluster.configure(config);
      entry = existing;
    } else {
      const cluster = new UpstreamCluster(config, this.#deps);
      if (existing !== undefined) this.removeCluster(config.name);
      entry = { cluster, discovery: type, serviceName, dns: undefined };
      this.#entries.set(config.name, entry);
      if (serviceName !== undefined) {
        let sharing = this.#byService.get(serviceName);
        if (sharing === undefined) {
          sharing = new Set();
          this.#byService.set(serviceName, sharing);
        }
        sharing.add(entry);
      }
    }
    if (serviceName !== undefined) {
      const known = this.#assignments.get(serviceName);
      if (known !== undefined) setHosts(entry.cluster, known);
    } else if (type === Cluster_DiscoveryType.STATIC) {
      setHosts(entry.cluster, inline ?? []);
    } else if (type !== Cluster_DiscoveryType.ORIGINAL_DST) {
      if (entry.dns === undefined) {
        entry.dns = new DnsDiscovery(entry.cluster, inline ?? [], type === Cluster_DiscoveryType.LOGICAL_DNS);
        entry.dns.start();
      } else {
        entry.dns.setEndpoints(inline ?? []);
      }
    }
  }

  /** Takes a cluster away: requests under way finish, idle connections close. */
  removeCluster(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.dns?.stop();
    entry.cluster.drain();
    if (entry.serviceName !== undefined) {
      const sharing = this.#byService.get(entry.serviceName);
      sharing?.delete(entry);
      if (sharing?.size === 0) {
        this.#byService.delete(entry.serviceName);
        this.#assignments.delete(entry.serviceName);
      }
    }
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

  get(name: string): UpstreamCluster | undefined {
    return this.#entries.get(name)?.cluster;
  }

  *values(): Iterable<UpstreamCluster> {
    for (const entry of this.#entries.values()) yield entry.cluster;
  }

  /** Stops everything and closes all connections. */
  close(): void {
    for (const entry of this.#entries.values()) {
      entry.dns?.stop();
      entry.cluster.close();
    }
    this.#entries.clear();
    this.#byService.clear();
    this.#assignments.clear();
  }
}

function setHosts(cluster: UpstreamCluster, endpoints: readonly EndpointConfig[]): void {
  const { hosts, changed } = mergeHosts(endpoints, cluster.hosts);
  if (changed) cluster.setHosts(hosts);
}

function discoveryType(config: Cluster): Cluster_DiscoveryType {
  const { clusterDiscoveryType } = config;
  if (clusterDiscoveryType.case === 'clusterType') {
    throw new ConfigError(
      `Cluster ${config.name}: cluster_type: ${clusterDiscoveryType.value.name} is not supported; use type STATIC, STRICT_DNS, LOGICAL_DNS, EDS or ORIGINAL_DST`,
    );
  }
  return clusterDiscoveryType.value ?? Cluster_DiscoveryType.STATIC;
}
