// `/config_dump`: the bootstrap and everything that came over xDS, with versions, times and refused updates, as envoy.admin.v3.ConfigDump.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump

import { create, type DescMessage, type Message } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  BootstrapConfigDumpSchema,
  type SecretsConfigDump_DynamicSecret,
  SecretsConfigDump_DynamicSecretSchema,
  SecretsConfigDumpSchema,
} from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import {
  ClustersConfigDump_DynamicClusterSchema,
  ClustersConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDump_DynamicListenerSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
  ScopedRoutesConfigDumpSchema,
  type UpdateFailureState,
  UpdateFailureStateSchema,
} from '../../xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import type { Bootstrap } from '../../xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HealthStatus } from '../../xds/gen/envoy/config/core/v3/health_check_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { redactSecret } from '../../xds/redact.ts';
import { TypeUrl } from '../../xds/resources.ts';
import type { ClusterView, DataplaneView, DynamicResource, HostView, UpdateFailure } from './view.ts';

/**
 * The sections of a dump, in Envoy's order.
 *
 * @param clusters the live clusters for the endpoints section, or undefined to leave it out (`include_eds`)
 */
export function buildConfigDump(
  view: DataplaneView,
  bootstrap: Bootstrap,
  clusters: readonly ClusterView[] | undefined,
): Message[] {
  const started = timestampFromMs(view.startTime);
  const sections: Message[] = [
    create(BootstrapConfigDumpSchema, { bootstrap, lastUpdated: started }),
    clustersDump(view, bootstrap),
  ];
  if (clusters !== undefined) sections.push(endpointsDump(clusters));
  sections.push(
    listenersDump(view, bootstrap),
    create(ScopedRoutesConfigDumpSchema),
    routesDump(view, bootstrap),
    secretsDump(view),
  );
  return sections;
}

function clustersDump(view: DataplaneView, bootstrap: Bootstrap) {
  const resources = sorted(view, TypeUrl.Cluster);
  const entry = (resource: DynamicResource) =>
    create(ClustersConfigDump_DynamicClusterSchema, { ...state(resource), cluster: resource.resource });
  return create(ClustersConfigDumpSchema, {
    versionInfo: newestVersion(resources),
    staticClusters: (bootstrap.staticResources?.clusters ?? []).map((cluster) => ({
      cluster: anyPack(ClusterSchema, cluster),
      lastUpdated: timestampFromMs(view.startTime),
    })),
    dynamicActiveClusters: resources.filter(({ state }) => state !== 'warming').map(entry),
    dynamicWarmingClusters: resources.filter(({ state }) => state === 'warming').map(entry),
  });
}

function listenersDump(view: DataplaneView, bootstrap: Bootstrap) {
  const resources = sorted(view, TypeUrl.Listener);
  return create(ListenersConfigDumpSchema, {
    versionInfo: newestVersion(resources),
    staticListeners: (bootstrap.staticResources?.listeners ?? []).map((listener) => ({
      listener: anyPack(ListenerSchema, listener),
      lastUpdated: timestampFromMs(view.startTime),
    })),
    dynamicListeners: resources.map((resource) => {
      const { versionInfo, lastUpdated, errorState } = state(resource);
      const current = { versionInfo, lastUpdated, listener: resource.resource };
      const slot = STATE_FIELDS[resource.state ?? 'active'];
      return create(ListenersConfigDump_DynamicListenerSchema, {
        name: resource.name,
        errorState,
        ...(resource.resource === undefined ? {} : { [slot]: current }),
      });
    }),
  });
}

const STATE_FIELDS = { active: 'activeState', warming: 'warmingState', draining: 'drainingState' } as const;

function routesDump(view: DataplaneView, bootstrap: Bootstrap) {
  return create(RoutesConfigDumpSchema, {
    staticRouteConfigs: inlineRoutes(bootstrap).map((routeConfig) => ({
      routeConfig,
      lastUpdated: timestampFromMs(view.startTime),
    })),
    dynamicRouteConfigs: sorted(view, TypeUrl.RouteConfiguration).map((resource) => ({
      ...state(resource),
      routeConfig: resource.resource,
    })),
  });
}

/** The route configurations inside the static listeners. */
function inlineRoutes(bootstrap: Bootstrap): Any[] {
  const routes: Any[] = [];
  for (const listener of bootstrap.staticResources?.listeners ?? [])
    for (const chain of listener.filterChains)
      for (const filter of chain.filters) {
        if (filter.configType.case !== 'typedConfig') continue;
        const specifier = anyUnpack(filter.configType.value, HttpConnectionManagerSchema)?.routeSpecifier;
        if (specifier?.case === 'routeConfig') routes.push(anyPack(RouteConfigurationSchema, specifier.value));
      }
  return routes;
}

function secretsDump(view: DataplaneView) {
  const active: SecretsConfigDump_DynamicSecret[] = [];
  const warming: SecretsConfigDump_DynamicSecret[] = [];
  for (const resource of sorted(view, TypeUrl.Secret)) {
    const message = create(SecretsConfigDump_DynamicSecretSchema, {
      ...state(resource),
      name: resource.name,
      secret: redacted(resource.resource),
    });
    if (message.errorState?.failedConfiguration !== undefined)
      message.errorState.failedConfiguration = redacted(message.errorState.failedConfiguration);
    // A secret that never arrived is one that a listener waits for.
    if (resource.resource === undefined || resource.state === 'warming') warming.push(message);
    else active.push(message);
  }
  return create(SecretsConfigDumpSchema, { dynamicActiveSecrets: active, dynamicWarmingSecrets: warming });
}

/** A secret without its keys; what cannot be read as one is left out rather than shown. */
function redacted(any: Any | undefined): Any | undefined {
  if (any === undefined) return undefined;
  try {
    const secret = anyUnpack(any, SecretSchema);
    return secret === undefined ? undefined : anyPack(SecretSchema, redactSecret(secret));
  } catch {
    return undefined;
  }
}

/** Like Envoy, the hosts as the load balancer has them, not the message that EDS sent. */
function endpointsDump(clusters: readonly ClusterView[]) {
  const configs = [...clusters]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((cluster) => ({
      addedViaApi: cluster.addedViaApi,
      endpointConfig: anyPack(ClusterLoadAssignmentSchema, loadAssignment(cluster)),
    }));
  return create(EndpointsConfigDumpSchema, {
    staticEndpointConfigs: configs.filter(({ addedViaApi }) => !addedViaApi).map(withoutOrigin),
    dynamicEndpointConfigs: configs.filter(({ addedViaApi }) => addedViaApi).map(withoutOrigin),
  });
}

function withoutOrigin({ endpointConfig }: { endpointConfig: Any }) {
  return { endpointConfig };
}

function loadAssignment(cluster: ClusterView): ClusterLoadAssignment {
  const localities = new Map<string, HostView[]>();
  for (const host of cluster.hosts) {
    const key = JSON.stringify([host.priority, host.region, host.zone, host.subZone]);
    const hosts = localities.get(key);
    if (hosts === undefined) localities.set(key, [host]);
    else hosts.push(host);
  }
  return create(ClusterLoadAssignmentSchema, {
    clusterName: cluster.edsServiceName || cluster.name,
    endpoints: Array.from(localities.values(), (hosts) => ({
      priority: hosts[0]!.priority,
      locality: { region: hosts[0]!.region, zone: hosts[0]!.zone, subZone: hosts[0]!.subZone },
      lbEndpoints: hosts.map((host) => ({
        healthStatus: HealthStatus[host.edsHealth],
        loadBalancingWeight: host.weight,
        hostIdentifier: {
          case: 'endpoint' as const,
          value: {
            hostname: host.hostname,
            address: {
              address: {
                case: 'socketAddress' as const,
                value: { address: host.address, portSpecifier: { case: 'portValue' as const, value: host.port } },
              },
            },
          },
        },
      })),
    })),
  });
}

function sorted(view: DataplaneView, typeUrl: TypeUrl): DynamicResource[] {
  return [...view.resources(typeUrl)].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** What every dynamic resource says of itself. */
function state({ resource, versionInfo, lastUpdated, errorState }: DynamicResource) {
  return {
    versionInfo,
    lastUpdated: resource === undefined ? undefined : timestampFromMs(lastUpdated),
    errorState: errorState === undefined ? undefined : failure(errorState),
  } satisfies { versionInfo: string; lastUpdated: unknown; errorState: UpdateFailureState | undefined };
}

function failure(update: UpdateFailure): UpdateFailureState {
  return create(UpdateFailureStateSchema, {
    details: update.details,
    versionInfo: update.versionInfo,
    lastUpdateAttempt: timestampFromMs(update.lastUpdateAttempt),
    failedConfiguration: update.failedConfiguration,
  });
}

function newestVersion(resources: readonly DynamicResource[]): string {
  let newest: DynamicResource | undefined;
  for (const resource of resources)
    if (resource.resource !== undefined && (newest === undefined || resource.lastUpdated > newest.lastUpdated))
      newest = resource;
  return newest?.versionInfo ?? '';
}

/** Which section each `resource=` of a dump is in, and the message type of its elements. */
export const DUMP_RESOURCES: ReadonlyMap<string, { section: DescMessage; element: string }> = new Map(
  [
    ClustersConfigDumpSchema,
    EndpointsConfigDumpSchema,
    ListenersConfigDumpSchema,
    ScopedRoutesConfigDumpSchema,
    RoutesConfigDumpSchema,
    SecretsConfigDumpSchema,
  ].flatMap((section) =>
    section.fields.flatMap((field) =>
      field.fieldKind === 'list' && field.listKind === 'message'
        ? [[field.name, { section, element: field.message.typeName }] as const]
        : [],
    ),
  ),
);
