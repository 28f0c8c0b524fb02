// `limen proxy-config endpoints`: the addresses behind each cluster, and whether the proxy sends to them.

import { create } from '@bufbuild/protobuf';
import type { ClusterStatus, Clusters, HostStatus } from '../../xds/gen/envoy/admin/v3/clusters_pb.js';
import type { Address } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import type { Locality } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { HealthStatus } from '../../xds/gen/envoy/config/core/v3/health_check_pb.js';
import {
  type LbEndpoint,
  LocalityLbEndpointsSchema,
} from '../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Row } from '../table.ts';
import { compareClusterNames, compareText } from './describe.ts';
import type { EndpointStatus } from './options.ts';

/** Which endpoints to show; what is undefined does not filter. */
export interface EndpointFilter {
  /** The IP address or path, without the port. */
  address?: string | undefined;
  port?: number | undefined;
  /** The cluster's whole name, in any case. */
  cluster?: string | undefined;
  status?: EndpointStatus | undefined;
}

/** An endpoint of a cluster. */
interface Endpoint {
  address: string;
  /** 0 where the address has none. */
  port: number;
  cluster: string;
  status: HealthStatus;
  failedOutlierCheck: boolean;
}

/** The clusters of `/clusters` that have an endpoint the filter lets through. */
export function filterClusterStatuses(clusters: Clusters, filter: EndpointFilter): ClusterStatus[] {
  return clusters.clusterStatuses.filter(({ name, hostStatuses }) =>
    hostStatuses.some((host) => passes(fromHostStatus(host, name), filter)),
  );
}

/** The clusters of a config dump with the endpoints the filter lets through, ordered; clusters that have none left are left out. */
export function filterAssignments(
  assignments: readonly ClusterLoadAssignment[],
  filter: EndpointFilter,
): ClusterLoadAssignment[] {
  const kept: ClusterLoadAssignment[] = [];
  for (const assignment of assignments) {
    const endpoints = assignment.endpoints.map((group) =>
      create(LocalityLbEndpointsSchema, {
        ...group,
        lbEndpoints: group.lbEndpoints.filter((endpoint) =>
          passes(fromLbEndpoint(endpoint, assignment.clusterName), filter),
        ),
      }),
    );
    if (endpoints.some((group) => group.lbEndpoints.length > 0))
      kept.push(create(ClusterLoadAssignmentSchema, { ...assignment, endpoints }));
  }
  return kept.sort((a, b) => compareClusterNames(a.clusterName, b.clusterName));
}

/** The table of `/clusters`, header first: by address, port and cluster. */
export function endpointRows(clusters: Clusters, filter: EndpointFilter): Row[] {
  return rowsOf(
    clusters.clusterStatuses.flatMap(({ name, hostStatuses }) =>
      hostStatuses.map((host) => fromHostStatus(host, name)),
    ),
    filter,
  );
}

/** The same table from a config dump, which knows no outlier checks. An endpoint of which EDS says nothing counts as healthy, as in Envoy. */
export function assignmentRows(assignments: readonly ClusterLoadAssignment[], filter: EndpointFilter): Row[] {
  const endpoints = assignments.flatMap(({ clusterName, endpoints }) =>
    endpoints.flatMap((group) => group.lbEndpoints.map((endpoint) => fromLbEndpoint(endpoint, clusterName))),
  );
  return rowsOf(
    endpoints.map((endpoint) => ({ ...endpoint, status: endpoint.status || HealthStatus.HEALTHY })),
    filter,
  );
}

/** The endpoints of a config dump with their localities, header first, as `proxy-config eds` and `all` show them. `named`: as `endpoint/ADDRESS`. */
export function edsRows(assignments: readonly ClusterLoadAssignment[], named = false): Row[] {
  const rows: Row[] = [[named ? 'NAME' : 'ENDPOINT', 'STATUS', 'LOCALITY', 'CLUSTER']];
  for (const { clusterName, endpoints } of assignments) {
    for (const { locality, lbEndpoints } of endpoints) {
      for (const lbEndpoint of lbEndpoints) {
        const endpoint = fromLbEndpoint(lbEndpoint, clusterName);
        const address = `${named ? 'endpoint/' : ''}${addressText(endpoint)}`;
        rows.push([address, HealthStatus[endpoint.status] ?? '', localityText(locality), clusterName]);
      }
    }
  }
  return rows;
}

function rowsOf(endpoints: readonly Endpoint[], filter: EndpointFilter): Row[] {
  const shown = endpoints
    .filter((endpoint) => passes(endpoint, filter))
    .sort((a, b) => compareText(a.address, b.address) || a.port - b.port || compareText(a.cluster, b.cluster));
  return [
    ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'],
    ...shown.map((endpoint) => [
      addressText(endpoint),
      HealthStatus[endpoint.status] ?? '',
      endpoint.failedOutlierCheck ? 'FAILED' : 'OK',
      endpoint.cluster,
    ]),
  ];
}

function passes(endpoint: Endpoint, filter: EndpointFilter): boolean {
  return (
    (filter.address === undefined || sameText(endpoint.address, filter.address)) &&
    (filter.port === undefined || endpoint.port === filter.port) &&
    (filter.cluster === undefined || sameText(endpoint.cluster, filter.cluster)) &&
    (filter.status === undefined || HealthStatus[endpoint.status] === filter.status)
  );
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function fromHostStatus({ address, healthStatus }: HostStatus, cluster: string): Endpoint {
  return {
    ...addressParts(address),
    cluster,
    status: healthStatus?.edsHealthStatus ?? HealthStatus.UNKNOWN,
    failedOutlierCheck: healthStatus?.failedOutlierCheck ?? false,
  };
}

function fromLbEndpoint({ hostIdentifier, healthStatus }: LbEndpoint, cluster: string): Endpoint {
  const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address : undefined;
  return { ...addressParts(address), cluster, status: healthStatus, failedOutlierCheck: false };
}

function addressParts(address: Address | undefined): { address: string; port: number } {
  switch (address?.address.case) {
    case 'socketAddress': {
      const { address: host, portSpecifier } = address.address.value;
      return { address: host, port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0 };
    }
    case 'pipe':
      return { address: `unix://${address.address.value.path}`, port: 0 };
    case 'envoyInternalAddress': {
      const { addressNameSpecifier: name, endpointId } = address.address.value;
      return { address: `envoy://${name.value ?? ''}/${endpointId}`, port: 0 };
    }
    default:
      return { address: '', port: 0 };
  }
}

function addressText({ address, port }: Endpoint): string {
  return port === 0 ? address : `${address}:${port}`;
}

/** `region/zone/subzone`, as far as it is told. */
function localityText(locality: Locality | undefined): string {
  if (locality === undefined) return '';
  const { region, zone, subZone } = locality;
  return [region, zone, subZone].join('/').replace(/\/+$/, '');
}
