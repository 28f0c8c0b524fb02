// ClusterLoadAssignments: the endpoints of a cluster, grouped by locality.

import { create } from '@bufbuild/protobuf';
import { matchesLabels } from '../resources/selectors.ts';
import type { Subset } from '../resources/types.ts';
import {
  type Address,
  AddressSchema,
  PipeSchema,
  SocketAddress_Protocol,
  SocketAddressSchema,
} from '../xds/gen/envoy/config/core/v3/address_pb.js';
import { LocalitySchema, MetadataSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { HealthStatus } from '../xds/gen/envoy/config/core/v3/health_check_pb.js';
import {
  EndpointSchema,
  type LbEndpoint,
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from '../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { PushContext } from './push-context.ts';
import type { Endpoint } from './registry/endpoint.ts';
import type { MeshService, ServicePort } from './registry/service.ts';

/** The endpoints of a service's port, of a subset those whose labels match. */
export function loadAssignment(
  name: string,
  service: MeshService,
  port: ServicePort,
  subset: Subset | undefined,
  context: PushContext,
): ClusterLoadAssignment {
  const endpoints = context.registry.endpointsOf(service).get(port.number) ?? [];
  const selected = endpoints.filter(({ labels }) => matchesLabels(subset?.labels, labels));
  const byLocality = Map.groupBy(selected, ({ locality }) => locality);
  return create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [...byLocality.keys()].sort().map((locality) => {
      const ofLocality = byLocality.get(locality) as Endpoint[];
      const [region = '', zone = '', subZone = ''] = locality.split('/');
      return create(LocalityLbEndpointsSchema, {
        locality: create(LocalitySchema, { region, zone, subZone }),
        lbEndpoints: ofLocality.map(lbEndpoint),
        loadBalancingWeight: ofLocality.reduce((sum, { weight }) => sum + weight, 0),
      });
    }),
  });
}

function lbEndpoint(endpoint: Endpoint): LbEndpoint {
  const message = create(LbEndpointSchema, {
    hostIdentifier: {
      case: 'endpoint',
      value: create(EndpointSchema, { address: addressOf(endpoint) }),
    },
    healthStatus: HealthStatus.HEALTHY,
    loadBalancingWeight: endpoint.weight,
  });
  if (endpoint.workload !== '') {
    message.metadata = create(MetadataSchema, { filterMetadata: { istio: { workload: workloadOf(endpoint) } } });
  }
  return message;
}

/** `name;namespace;canonical service;canonical revision;cluster`, as Istio's telemetry reads it. */
function workloadOf({ workload, namespace, labels }: Endpoint): string {
  const service =
    labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? workload;
  const revision =
    labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? 'latest';
  return `${workload};${namespace};${service};${revision};Kubernetes`;
}

/** An IP address or name with a port, or a Unix domain socket. */
export function addressOf({ address, port }: Pick<Endpoint, 'address' | 'port'>): Address {
  if (address.startsWith('unix://')) {
    const value = create(PipeSchema, { path: address.slice('unix://'.length) });
    return create(AddressSchema, { address: { case: 'pipe', value } });
  }
  const value = create(SocketAddressSchema, {
    protocol: SocketAddress_Protocol.TCP,
    address,
    portSpecifier: { case: 'portValue', value: port },
  });
  return create(AddressSchema, { address: { case: 'socketAddress', value } });
}
