// What a control plane says to one node: per xDS type, the named resources, each encoded once and versioned by its content.

import { createHash } from 'node:crypto';
import { create, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';

/** The type URLs of the xDS resource types. https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol */
export const TypeUrl = {
  Listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  RouteConfiguration: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  VirtualHost: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
  Cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  ClusterLoadAssignment: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  Secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;
export type TypeUrl = (typeof TypeUrl)[keyof typeof TypeUrl];

/** The order in which types are sent, so that what a resource refers to is there before it: make before break. */
export const PUSH_ORDER: readonly TypeUrl[] = [
  TypeUrl.Cluster,
  TypeUrl.ClusterLoadAssignment,
  TypeUrl.Listener,
  TypeUrl.RouteConfiguration,
  TypeUrl.VirtualHost,
  TypeUrl.Secret,
];

/** The short name of a type in logs and tables: LDS, RDS, VHDS, CDS, EDS, SDS. */
export function shortTypeName(typeUrl: string): string {
  switch (typeUrl) {
    case TypeUrl.Listener:
      return 'LDS';
    case TypeUrl.RouteConfiguration:
      return 'RDS';
    case TypeUrl.VirtualHost:
      return 'VHDS';
    case TypeUrl.Cluster:
      return 'CDS';
    case TypeUrl.ClusterLoadAssignment:
      return 'EDS';
    case TypeUrl.Secret:
      return 'SDS';
    default:
      return typeUrl;
  }
}

/**
 * The name by which a resource is subscribed: its own. A virtual host is called `<route configuration>/<virtual host>`, and comes to whoever
 * subscribed to the route configuration's name; of slashes it is the last, since hosts have none.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/vhds
 */
export function subscribedName(typeUrl: TypeUrl, name: string): string {
  return typeUrl === TypeUrl.VirtualHost ? name.slice(0, Math.max(0, name.lastIndexOf('/'))) : name;
}

/** The name of a virtual host as a resource. */
export function virtualHostName(routeConfiguration: string, virtualHost: string): string {
  return `${routeConfiguration}/${virtualHost}`;
}

/**
 * What a node says (`client_features`) that takes the virtual hosts of its route configurations as resources of their own, all of them unasked:
 * Limen's proxy over incremental xDS, but not the ones before it, nor an Envoy that does not expect it.
 */
export const VHDS_FEATURE = 'dev.limen.vhds';

/** One encoded resource. */
export interface EncodedResource {
  readonly name: string;
  readonly any: Any;
  /** A hash of the encoded bytes: equal content has an equal version, in this process and the next. */
  readonly version: string;
}

// A resource that did not change between two translations is the same message object; it is encoded once.
const encodedMessages = new WeakMap<Message, EncodedResource>();

/**
 * Encodes a message as a named resource. The message must not change afterwards: the result is remembered by its identity.
 * @param encode how, where there is a quicker way than encoding all of it
 */
export function encodeResource<Desc extends DescMessage>(
  name: string,
  schema: Desc,
  message: Message<Desc['typeName']>,
  encode: () => Uint8Array<ArrayBuffer> = () => toBinary(schema, message as never),
): EncodedResource {
  let encoded = encodedMessages.get(message);
  if (encoded === undefined) {
    const value = encode();
    encoded = {
      name,
      any: create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value }),
      version: createHash('sha256').update(value).digest('base64url').slice(0, 16),
    };
    encodedMessages.set(message, encoded);
  }
  return encoded;
}

/** Everything one node is to have: type URL → resource name → resource. Immutable. */
export type ResourceSet = ReadonlyMap<TypeUrl, ReadonlyMap<string, EncodedResource>>;

/** The names of a type that a node has subscribed to; '*' is all there are. */
export type Subscribed = (typeUrl: TypeUrl) => ReadonlySet<string> | '*';

/** What a node is to have: all of it, or, where it names the few it wants out of very many, made of the names. */
export type NodeResources = ResourceSet | ((subscribed: Subscribed) => ResourceSet);
