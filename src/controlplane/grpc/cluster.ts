// Clusters and endpoints as gRPC libraries take them: fewer discovery types, balancing policies and kinds of addresses than Envoy's.

import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { keyOf } from '../../resources/object.ts';
import type { Subset } from '../../resources/types.ts';
import {
  CircuitBreakers_ThresholdsSchema,
  CircuitBreakersSchema,
} from '../../xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  type Cluster,
  Cluster_EdsClusterConfigSchema,
  ClusterSchema,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
} from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { LbEndpoint } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { adsConfigSource } from '../config-source.ts';
import type { MergedDestinationRule } from '../destination-rules.ts';
import { loadAssignment } from '../endpoints.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import { effectivePolicy } from '../traffic-policy.ts';

/** No limit, where gRPC's own is 1024 calls at a time. https://github.com/grpc/proposal/blob/master/A32-xds-circuit-breaking.md */
const UNLIMITED = 0xffffffff;

/** What a cluster is made of. */
export interface GrpcClusterSource {
  readonly name: string;
  /** What the name leads to; undefined where that does not exist. */
  readonly target: GrpcClusterTarget | undefined;
}

/** A port of a service, or of a subset of it. */
export interface GrpcClusterTarget {
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly rule: MergedDestinationRule | undefined;
  readonly subset: Subset | undefined;
}

/** A cluster, and what of its DestinationRule has no effect. */
export interface GrpcCluster {
  /** Undefined where there is no address for DNS to resolve. */
  readonly message: Cluster | undefined;
  readonly notices: readonly Notice[];
}

/**
 * The cluster of a port or of a subset of it. What leads nowhere is a cluster too, without endpoints: calls to it fail at once, where a
 * client that got no answer would hold back all it has of the target for 15 s (the library for Node.js: for ever).
 */
export function grpcCluster({ name, target }: GrpcClusterSource, context: PushContext): GrpcCluster {
  const notices = target === undefined ? [] : noticesOf(target);
  const message = create(ClusterSchema, {
    name,
    // The one policy that all of them have.
    lbPolicy: LbPolicy.ROUND_ROBIN,
    circuitBreakers: create(CircuitBreakersSchema, {
      thresholds: [create(CircuitBreakers_ThresholdsSchema, { maxRequests: UNLIMITED })],
    }),
  });
  if (target === undefined || !target.service.resolution.startsWith('dns')) {
    message.clusterDiscoveryType = { case: 'type', value: DiscoveryType.EDS };
    message.edsClusterConfig = create(Cluster_EdsClusterConfigSchema, {
      edsConfig: adsConfigSource(),
      serviceName: name,
    });
    return { message, notices };
  }
  // https://github.com/grpc/proposal/blob/master/A37-xds-aggregate-and-logical-dns-clusters.md: exactly one name
  const { service, port, subset } = target;
  const assignment = loadAssignment(name, service, port, subset, context);
  const [locality] = assignment.endpoints;
  if (locality === undefined) return { message: undefined, notices };
  const count = assignment.endpoints.reduce((sum, { lbEndpoints }) => sum + lbEndpoints.length, 0);
  if (count > 1) {
    const told = `has ${count} addresses that DNS resolves; gRPC clients can take only one: the first is used`;
    notices.push({ object: service.key, field: 'spec.endpoints', message: told });
  }
  assignment.endpoints = [{ ...locality, lbEndpoints: locality.lbEndpoints.slice(0, 1) }];
  message.clusterDiscoveryType = { case: 'type', value: DiscoveryType.LOGICAL_DNS };
  message.loadAssignment = assignment;
  return { message, notices };
}

/** The endpoints with an IP address: a name or a socket file among them would make the client refuse all. */
export function grpcEndpoints({ name, target }: GrpcClusterSource, context: PushContext): ClusterLoadAssignment {
  if (target === undefined) return create(ClusterLoadAssignmentSchema, { clusterName: name });
  const { service, port, subset } = target;
  const assignment = loadAssignment(name, service, port, subset, context);
  assignment.endpoints = assignment.endpoints.flatMap((locality) => {
    const lbEndpoints = locality.lbEndpoints.filter(hasIp);
    if (lbEndpoints.length === 0) return [];
    const weight = lbEndpoints.reduce((sum, { loadBalancingWeight = 1 }) => sum + loadBalancingWeight, 0);
    return [{ ...locality, lbEndpoints, loadBalancingWeight: weight }];
  });
  return assignment;
}

function hasIp({ hostIdentifier }: LbEndpoint): boolean {
  const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
  return address?.case === 'socketAddress' && isIP(address.value.address) !== 0;
}

function noticesOf({ rule, subset, port }: GrpcClusterTarget): Notice[] {
  if (rule === undefined) return [];
  const { tls, tlsField, loadBalancer } = effectivePolicy(rule, subset, port.number);
  const notices: Notice[] = [];
  const report = (field: string, message: string) => notices.push({ object: keyOf(rule.rule), field, message });
  if (tls?.mode !== undefined && tls.mode !== 'DISABLE')
    report(`${tlsField}.mode`, "has no effect on gRPC clients: the application's own channel credentials count");
  const simple = loadBalancer?.simple ?? 'UNSPECIFIED';
  if (simple !== 'UNSPECIFIED' && simple !== 'ROUND_ROBIN') {
    const index = subset?.trafficPolicy === undefined ? -1 : (rule.rule.spec?.subsets ?? []).indexOf(subset);
    const place = index < 0 ? 'spec' : `spec.subsets[${index}]`;
    report(
      `${place}.trafficPolicy.loadBalancer.simple`,
      `${simple} is not what gRPC clients can do: they take ROUND_ROBIN`,
    );
  }
  return notices;
}
