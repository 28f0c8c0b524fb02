// The clusters of a worker as plain data for the admin interface, and those of several workers as one.

import type { ClusterView, HostStats, HostView } from '../admin/view.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';

/** @param clusters of one worker */
export function clusterViews(clusters: Iterable<UpstreamCluster>): ClusterView[] {
  return Array.from(clusters, (cluster) => ({
    name: cluster.name,
    edsServiceName: cluster.config.edsClusterConfig?.serviceName ?? '',
    addedViaApi: true,
    circuitBreakers: { ...cluster.limits },
    hosts: cluster.hosts.map(hostView),
  }));
}

function hostView(host: Host): HostView {
  const { stats } = host;
  return {
    address: host.ip,
    port: host.port,
    hostname: host.hostname,
    weight: host.weight,
    priority: host.priority,
    region: '',
    zone: '',
    subZone: '',
    edsHealth: host.health,
    failedActiveHealthCheck: false,
    failedOutlierCheck: false,
    stats: { ...stats },
  };
}

/** The same clusters as several workers see them: a host's numbers add up, the rest is the first worker's. */
export function mergeClusterViews(workers: readonly (readonly ClusterView[])[]): readonly ClusterView[] {
  const [first = [], ...others] = workers;
  if (others.length === 0) return first;
  const totals = new Map<string, HostStats>();
  for (const cluster of workers.flat()) {
    for (const host of cluster.hosts) {
      const key = hostKey(cluster, host);
      const before = totals.get(key);
      totals.set(key, before === undefined ? host.stats : addStats(before, host.stats));
    }
  }
  return first.map((cluster) => ({
    ...cluster,
    hosts: cluster.hosts.map((host) => ({ ...host, stats: totals.get(hostKey(cluster, host)) ?? host.stats })),
  }));
}

const hostKey = (cluster: ClusterView, host: HostView) => `${cluster.name} ${host.address} ${host.port}`;

function addStats(a: HostStats, b: HostStats): HostStats {
  const sum: Record<string, number> = {};
  for (const name of Object.keys(a) as (keyof HostStats)[]) sum[name] = a[name] + b[name];
  return sum as unknown as HostStats;
}
