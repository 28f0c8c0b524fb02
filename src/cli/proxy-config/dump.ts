// The resources in an Envoy config dump: each section of the dump, its messages taken out of their wrappers.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { LISTENER_METADATA } from '../../controlplane/bind.ts';
import {
  type BootstrapConfigDump,
  BootstrapConfigDumpSchema,
  type ConfigDump,
  type SecretsConfigDump,
  SecretsConfigDumpSchema,
} from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import {
  ClustersConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '../../xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { type Cluster, ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';

/**
 * The active listeners: those that came over xDS, then the static ones. Those that an Envoy on this machine has beside for published ports are left out: they
 * are where a pod is reached from outside, and no listeners of the pod.
 */
export function listenersOf(dump: ConfigDump): Listener[] {
  const all = sections(dump, ListenersConfigDumpSchema).flatMap((section) => [
    ...unpackAll(
      ListenerSchema,
      section.dynamicListeners.map((listener) => listener.activeState?.listener),
    ),
    ...unpackAll(
      ListenerSchema,
      section.staticListeners.map((listener) => listener.listener),
    ),
  ]);
  return all.filter(({ metadata }) => metadata?.filterMetadata[LISTENER_METADATA]?.published !== true);
}

/** The route configurations: those that came over RDS, then those that stand in a listener or the bootstrap. */
export function routesOf(dump: ConfigDump): RouteConfiguration[] {
  return sections(dump, RoutesConfigDumpSchema).flatMap((section) => [
    ...unpackAll(
      RouteConfigurationSchema,
      section.dynamicRouteConfigs.map((route) => route.routeConfig),
    ),
    ...unpackAll(
      RouteConfigurationSchema,
      section.staticRouteConfigs.map((route) => route.routeConfig),
    ),
  ]);
}

/** The active clusters: those that came over xDS, then the static ones. */
export function clustersOf(dump: ConfigDump): Cluster[] {
  return sections(dump, ClustersConfigDumpSchema).flatMap((section) => [
    ...unpackAll(
      ClusterSchema,
      section.dynamicActiveClusters.map((cluster) => cluster.cluster),
    ),
    ...unpackAll(
      ClusterSchema,
      section.staticClusters.map((cluster) => cluster.cluster),
    ),
  ]);
}

/** The endpoints by cluster, which a dump holds when it was asked for with `include_eds`. Undefined where it was not. */
export function endpointsOf(dump: ConfigDump): ClusterLoadAssignment[] | undefined {
  const found = sections(dump, EndpointsConfigDumpSchema);
  if (found.length === 0) return undefined;
  return found.flatMap((section) => [
    ...unpackAll(
      ClusterLoadAssignmentSchema,
      section.dynamicEndpointConfigs.map((endpoint) => endpoint.endpointConfig),
    ),
    ...unpackAll(
      ClusterLoadAssignmentSchema,
      section.staticEndpointConfigs.map((endpoint) => endpoint.endpointConfig),
    ),
  ]);
}

/** The secrets' section, with its wrappers: they say which secret is still awaited. */
export function secretsOf(dump: ConfigDump): SecretsConfigDump | undefined {
  return sections(dump, SecretsConfigDumpSchema)[0];
}

/** The bootstrap's section. */
export function bootstrapOf(dump: ConfigDump): BootstrapConfigDump | undefined {
  return sections(dump, BootstrapConfigDumpSchema)[0];
}

/** A message out of an Any; undefined where there is none or it is of another type (a v2 resource, a broken one). */
export function unpack<Desc extends DescMessage>(schema: Desc, any: Any | undefined): MessageShape<Desc> | undefined {
  if (any === undefined) return undefined;
  try {
    return anyUnpack(any, schema);
  } catch {
    return undefined;
  }
}

function sections<Desc extends DescMessage>(dump: ConfigDump, schema: Desc): MessageShape<Desc>[] {
  return unpackAll(schema, dump.configs);
}

function unpackAll<Desc extends DescMessage>(schema: Desc, anys: readonly (Any | undefined)[]): MessageShape<Desc>[] {
  return anys.map((any) => unpack(schema, any)).filter((message) => message !== undefined);
}
