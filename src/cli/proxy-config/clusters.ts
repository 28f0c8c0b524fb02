// `limen proxy-config clusters`: which services and subsets a proxy can send to, and how it finds their endpoints.

import { type Cluster, Cluster_DiscoveryType } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Row } from '../table.ts';
import { compareClusterNames, describeManagement, parseSubsetKey } from './describe.ts';

/** Which clusters to show. All but the port are parts of the cluster's name, as in istioctl. */
export interface ClusterFilter {
  fqdn?: string | undefined;
  port?: number | undefined;
  subset?: string | undefined;
  direction?: string | undefined;
}

/** How a table of clusters looks. */
export interface ClusterTable {
  /** A first column `cluster/NAME`, as `proxy-config all` has. */
  named?: boolean;
}

/** The clusters that a filter lets through, by FQDN, subset, port and direction. */
export function filterClusters(clusters: readonly Cluster[], filter: ClusterFilter): Cluster[] {
  return clusters
    .filter(
      ({ name }) =>
        name.includes(filter.fqdn ?? '') &&
        name.includes(filter.direction ?? '') &&
        name.includes(filter.subset ?? '') &&
        (filter.port === undefined || name.includes(`|${filter.port}|`)),
    )
    .sort((a, b) => compareClusterNames(a.name, b.name));
}

/** The table, header first. */
export function clusterRows(clusters: readonly Cluster[], { named = false }: ClusterTable = {}): Row[] {
  const header = ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'];
  const rows: Row[] = [named ? ['NAME', ...header] : header];
  for (const cluster of clusters) {
    const { direction, port, subset, fqdn } = parseSubsetKey(cluster.name);
    rows.push([
      ...(named ? [`cluster/${cluster.name}`] : []),
      fqdn,
      port === 0 ? '-' : String(port),
      subset || '-',
      direction || '-',
      discoveryTypeOf(cluster),
      describeManagement(cluster.metadata),
    ]);
  }
  return rows;
}

/** The type's name; a cluster with an extension for a type shows that extension's name. */
function discoveryTypeOf({ clusterDiscoveryType: type }: Cluster): string {
  if (type.case === 'clusterType') return type.value.name;
  return Cluster_DiscoveryType[type.value ?? Cluster_DiscoveryType.STATIC];
}
