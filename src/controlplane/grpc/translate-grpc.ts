// What a gRPC client without a proxy is to have: the resources it names, in Istio's form, and nothing else.
// https://istio.io/latest/blog/2021/proxyless-grpc/

import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import {
  type EncodedResource,
  encodeResource,
  type ResourceSet,
  type Subscribed,
  TypeUrl,
} from '../../xds/resources.ts';
import { BLACK_HOLE_CLUSTER_NAME, clusterName, parseClusterName } from '../cluster-name.ts';
import { virtualServicesFor } from '../mesh/mesh-routes.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { findService } from '../registry/find-service.ts';
import { lookUpService } from '../registry/registry.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import { type GrpcClusterSource, grpcCluster, grpcEndpoints } from './cluster.ts';
import { apiListener, parseTarget } from './listener.ts';
import { routesOf } from './routes.ts';

/** A client's resources, and what is to be told. */
export interface GrpcTranslation {
  readonly resources: ResourceSet;
  readonly notices: readonly Notice[];
  /** Targets that lead nowhere, and why. */
  readonly unknown: readonly { readonly target: string; readonly reason: string }[];
}

/** Translates what a client has subscribed to. A wildcard is nothing here: no gRPC library asks for one. */
export function translateGrpc(context: PushContext, node: ProxyNode, subscribed: Subscribed): GrpcTranslation {
  const namesOf = (typeUrl: TypeUrl) => {
    const names = subscribed(typeUrl);
    return names === '*' ? [] : names;
  };
  const notices: Notice[] = [];
  const unknown: { target: string; reason: string }[] = [];

  const listeners = new Map<string, EncodedResource>();
  for (const target of namesOf(TypeUrl.Listener)) {
    const { hostname, port, problem } = findTarget(target, context, node.namespace);
    if (problem !== undefined) unknown.push({ target, reason: problem });
    if (port === undefined) continue;
    const routeName = clusterName(port, '', hostname);
    const message = context.memo.get(`grpc-lds/${target}/${routeName}`, [], () => apiListener(target, routeName));
    listeners.set(target, encodeResource(target, ListenerSchema, message));
  }

  const routes = new Map<string, EncodedResource>();
  for (const name of namesOf(TypeUrl.RouteConfiguration)) {
    const parsed = parseClusterName(name);
    if (parsed === undefined || parsed.subset !== '') continue;
    const { message, notices: own } = routesOf(parsed.hostname, parsed.port, context, node);
    routes.set(name, encodeResource(name, RouteConfigurationSchema, message));
    notices.push(...own);
  }

  const clusters = new Map<string, EncodedResource>();
  for (const name of namesOf(TypeUrl.Cluster)) {
    const source = findCluster(name, context, node.namespace);
    if (source === undefined) continue;
    const { message, notices: own } = context.memo.get(`${node.id}/grpc-cds/${name}`, inputsOf(source, context), () =>
      grpcCluster(source, context),
    );
    if (message !== undefined) clusters.set(name, encodeResource(name, ClusterSchema, message));
    notices.push(...own);
  }

  const endpoints = new Map<string, EncodedResource>();
  for (const name of namesOf(TypeUrl.ClusterLoadAssignment)) {
    const source = findCluster(name, context, node.namespace);
    if (source === undefined) continue;
    const message = context.memo.get(`${node.id}/grpc-eds/${name}`, inputsOf(source, context), () =>
      grpcEndpoints(source, context),
    );
    endpoints.set(name, encodeResource(name, ClusterLoadAssignmentSchema, message));
  }

  return {
    resources: new Map([
      [TypeUrl.Cluster, clusters],
      [TypeUrl.ClusterLoadAssignment, endpoints],
      [TypeUrl.Listener, listeners],
      [TypeUrl.RouteConfiguration, routes],
    ]),
    notices,
    unknown,
  };
}

/** What a cluster and its endpoints are built from. */
function inputsOf({ target }: GrpcClusterSource, context: PushContext): unknown[] {
  if (target === undefined) return [];
  const { service, port, rule, subset } = target;
  return [service, port, rule, subset, context.registry.endpointsOf(service)];
}

/** The host and port that a target stands for, by any name that the client's DNS would know, and what is wrong with it. */
function findTarget(
  target: string,
  context: PushContext,
  namespace: string,
): { hostname: string; port: number; problem?: string } | { hostname?: never; port?: never; problem: string } {
  const parsed = parseTarget(target);
  if (parsed === undefined) return { problem: 'it is not HOST:PORT: write xds:///HOST:PORT' };
  const { host, port } = parsed;
  const service = findService(context, host, namespace);
  const hostname = service?.hostname ?? host;
  if (virtualServicesFor(hostname, context, namespace).length > 0) return { hostname, port };
  if (service === undefined)
    return { hostname, port, problem: `no service ${host} is there, or exported to namespace ${namespace}` };
  if (portOf(service, port) !== undefined) return { hostname, port };
  const ports = service.ports.map(({ number }) => number).join(', ') || 'none';
  return { hostname, port, problem: `service ${hostname} has no port ${port} (it has ${ports})` };
}

/** What a name stands for; undefined where it is none of ours. */
function findCluster(name: string, context: PushContext, namespace: string): GrpcClusterSource | undefined {
  if (name === BLACK_HOLE_CLUSTER_NAME) return { name, target: undefined };
  const parsed = parseClusterName(name);
  if (parsed === undefined) return undefined;
  const nowhere = { name, target: undefined };
  const service = lookUpService(context.registry, parsed.hostname, [namespace, namespace]);
  const port = service === undefined ? undefined : portOf(service, parsed.port);
  if (service === undefined || port === undefined) return nowhere;
  const rule = context.destinationRules.ruleFor(service, namespace);
  const subset = rule?.subsets.find((each) => each.name === parsed.subset);
  if (parsed.subset !== '' && subset === undefined) return nowhere;
  return { name, target: { service, port, rule, subset } };
}

function portOf(service: MeshService, number: number): ServicePort | undefined {
  return service.ports.find((port) => port.number === number && port.protocol !== 'UDP');
}
