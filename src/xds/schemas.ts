// Which message a type URL stands for, and the name of a resource of that type.

import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { decodeRouteConfiguration } from './decode-route-configuration.ts';
import { type Cluster, ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { type VirtualHost, VirtualHostSchema } from './gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { type Secret, SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { TypeUrl } from './resources.ts';

/** The message of each resource type. */
export interface ResourceMessages {
  [TypeUrl.Listener]: Listener;
  [TypeUrl.RouteConfiguration]: RouteConfiguration;
  [TypeUrl.VirtualHost]: VirtualHost;
  [TypeUrl.Cluster]: Cluster;
  [TypeUrl.ClusterLoadAssignment]: ClusterLoadAssignment;
  [TypeUrl.Secret]: Secret;
}

/** A message of any resource type. */
export type ResourceMessage = ResourceMessages[TypeUrl];

/** The schema of each resource type. */
export const RESOURCE_SCHEMAS: { readonly [Url in TypeUrl]: DescMessage } = {
  [TypeUrl.Listener]: ListenerSchema,
  [TypeUrl.RouteConfiguration]: RouteConfigurationSchema,
  [TypeUrl.VirtualHost]: VirtualHostSchema,
  [TypeUrl.Cluster]: ClusterSchema,
  [TypeUrl.ClusterLoadAssignment]: ClusterLoadAssignmentSchema,
  [TypeUrl.Secret]: SecretSchema,
};

/** Whether Limen knows a type. */
export function isTypeUrl(typeUrl: string): typeUrl is TypeUrl {
  return Object.hasOwn(RESOURCE_SCHEMAS, typeUrl);
}

/**
 * Decodes a resource.
 * @param previous the version it replaces: parts of it that did not change are used again
 * @throws Error where the bytes are not a message of that type
 */
export function decodeResource(typeUrl: TypeUrl, bytes: Uint8Array, previous?: ResourceMessage): ResourceMessage {
  if (typeUrl === TypeUrl.RouteConfiguration)
    return decodeRouteConfiguration(bytes, previous as RouteConfiguration | undefined);
  return fromBinary(RESOURCE_SCHEMAS[typeUrl], bytes) as Message as ResourceMessage;
}

/** The name that a resource has in itself: the one it is known by, but for virtual hosts, which are called after their route configuration too. */
export function resourceName(message: ResourceMessage): string {
  return 'clusterName' in message ? message.clusterName : message.name;
}
