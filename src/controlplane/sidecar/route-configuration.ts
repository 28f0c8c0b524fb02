// The routes of a sidecar's HTTP proxy: a virtual host for each port of each service that the workload sees, one for each host that only
// VirtualServices of the mesh have, and one for all other hosts.

import { create } from '@bufbuild/protobuf';
import type { Service } from '../../resources/types.ts';
import {
  DirectResponseActionSchema,
  type Route,
  RouteActionSchema,
  RouteSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { clusterName, PASSTHROUGH_CLUSTER_NAME, SELF_CLUSTER_NAME } from '../cluster-name.ts';
import { visibleServices } from '../clusters.ts';
import { seconds } from '../duration.ts';
import { hostNames } from '../mesh/host-names.ts';
import { defaultRoute, MESH_GATEWAY, meshRoutes } from '../mesh/mesh-routes.ts';
import type { MeshConfig } from '../mesh-config.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { isHttp } from '../registry/protocol.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import { routeMatch } from '../routes/match.ts';
import { type BuiltRouteConfiguration, MAX_DIRECT_RESPONSE_BODY_BYTES } from '../routes/route-configuration.ts';
import { connectRoute } from './connect.ts';
import { HTTP_PROXY_ROUTE } from './listener.ts';

/** The port that a URL of the form `http://host/` means. */
const HTTP_PORT = 80;

/**
 * Builds the RouteConfiguration `http_proxy`.
 * @param listenerPort of the listener that has it
 */
export function httpProxyRoutes(context: PushContext, node: ProxyNode, listenerPort: number): BuiltRouteConfiguration {
  const { services } = visibleServices(context, node.namespace);
  const domains = new Domains(services.map(({ hostname }) => hostname.toLowerCase()));
  const memo = context.memo.scope(`${node.id}/vhost/${HTTP_PROXY_ROUTE}`);
  const notices: Notice[] = [];
  const virtualHosts: VirtualHost[] = [];

  const add = (
    written: string,
    port: number,
    isDefaultPort: boolean,
    cluster?: string,
    addresses: readonly string[] = [],
  ) => {
    // A ServiceEntry may have capitals, which count in no host name; clusters are named as it is written.
    const hostname = written.toLowerCase();
    const { built, notices: own } = meshRoutes(hostname, port, context, node);
    notices.push(...own);
    if (built.routes.length === 0 && cluster === undefined) return;
    const names = domains.take([...hostNames(hostname, node.namespace), ...addresses], port, isDefaultPort);
    if (names.length === 0) return;
    const name = `${hostname}:${port}`;
    virtualHosts.push(
      memo.get(name, [built, cluster, ...names], () =>
        create(VirtualHostSchema, {
          name,
          domains: names,
          // A VirtualService none of whose routes is for this workload is as good as none.
          routes: [
            CONNECT_TO_SELF,
            ...(built.routes.length > 0 ? built.routes : [defaultRoute(cluster ?? '', hostname, port)]),
          ],
          includeRequestAttemptCount: true,
        }),
      ),
    );
  };

  for (const service of services) {
    const ports = service.ports.filter(speaksHttp);
    const defaultPort = defaultPortOf(ports);
    for (const port of ports) {
      const cluster = clusterName(port.number, '', service.hostname);
      add(service.hostname, port.number, port === defaultPort, cluster, clusterIpsOf(service));
    }
  }
  for (const hostname of hostsWithoutService(services, context, node)) add(hostname, HTTP_PORT, true);

  virtualHosts.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  virtualHosts.push(
    memo.get('block_itself', [listenerPort], () => itself(listenerPort)),
    othersOf(context.mesh),
  );
  const message = context.memo.get(`${node.id}/rds/${HTTP_PROXY_ROUTE}`, virtualHosts, () =>
    create(RouteConfigurationSchema, {
      name: HTTP_PROXY_ROUTE,
      virtualHosts,
      validateClusters: false,
      maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BODY_BYTES,
    }),
  );
  return { message, virtualHosts: [], notices };
}

/** Ports whose protocol nobody gave may well speak HTTP: who sends it there through an HTTP proxy knows. */
function speaksHttp({ protocol }: ServicePort): boolean {
  return isHttp(protocol) || protocol === 'unspecified';
}

/** The Service's own addresses: nothing answers there but this proxy. */
function clusterIpsOf({ source }: MeshService): readonly string[] {
  if (source.kind !== 'Service') return [];
  return ((source as Service).spec?.clusterIPs ?? []).filter((address) => address !== 'None');
}

/** The port that the bare host name means: 80, else the first one there is (Istio's: the first one anyway). */
function defaultPortOf(ports: readonly ServicePort[]): ServicePort | undefined {
  return ports.find(({ number }) => number === HTTP_PORT) ?? ports[0];
}

/** Hosts of VirtualServices of the mesh that are no service's. */
function hostsWithoutService(services: readonly MeshService[], context: PushContext, node: ProxyNode): Set<string> {
  const known = new Set(services.map(({ hostname }) => hostname.toLowerCase()));
  const hosts = context.virtualServices
    .forServer(MESH_GATEWAY, ['*'], node.namespace)
    .flatMap((virtualService) => virtualService.hosts)
    .filter((host) => host !== '*' && !known.has(host));
  return new Set(hosts);
}

/** Which domains are given out: Envoy refuses one that stands in two virtual hosts. */
class Domains {
  readonly #hostnames: ReadonlySet<string>;
  readonly #taken = new Set<string>();

  /** @param hostnames whole names in lower case, which go before the short ones of others */
  constructor(hostnames: Iterable<string>) {
    this.#hostnames = new Set(hostnames);
  }

  /** The domains of names at a port, those that are not another's. @param bare whether the names without port are for it, too */
  take(names: readonly string[], port: number, bare: boolean): string[] {
    const [own] = names;
    const free = names
      .filter((name) => name === own || !this.#hostnames.has(name))
      .flatMap((name) => {
        const host = name.includes(':') ? `[${name}]` : name;
        return bare ? [host, `${host}:${port}`] : [`${host}:${port}`];
      })
      .filter((domain) => !this.#taken.has(domain));
    for (const domain of free) this.#taken.add(domain);
    return free;
  }
}

/** All other hosts, by `meshConfig.outboundTrafficPolicy`. */
function othersOf({ outboundTrafficPolicy }: MeshConfig): VirtualHost {
  return outboundTrafficPolicy === 'ALLOW_ANY' ? ALLOW_ANY : BLOCK_ALL;
}

/** A tunnel to a service carries HTTP, as far as is known here: what comes through it is routed like all else. */
const CONNECT_TO_SELF = connectRoute(SELF_CLUSTER_NAME, { 'x-envoy-original-dst-host': '%DOWNSTREAM_LOCAL_ADDRESS%' });

const ALLOW_ANY = catchAll('allow_any', {
  case: 'route',
  value: create(RouteActionSchema, {
    clusterSpecifier: { case: 'cluster', value: PASSTHROUGH_CLUSTER_NAME },
    timeout: seconds(0),
    maxGrpcTimeout: seconds(0),
  }),
});
ALLOW_ANY.routes.unshift(connectRoute(PASSTHROUGH_CLUSTER_NAME));

/** Who asks a sidecar for a sidecar would send it round in circles. */
function itself(port: number): VirtualHost {
  return catchAll(
    'block_itself',
    {
      case: 'directResponse',
      value: create(DirectResponseActionSchema, {
        status: 508,
        body: { specifier: { case: 'inlineString', value: ITSELF } },
      }),
    },
    `*:${port}`,
  );
}

const ITSELF = "this is a pod's proxy: ask it for another host (curl -x http://PROXY http://HOST/)\n";

const BLOCK_ALL = catchAll('block_all', {
  case: 'directResponse',
  value: create(DirectResponseActionSchema, { status: 502 }),
});

function catchAll(name: string, action: Route['action'], domain = '*'): VirtualHost {
  return create(VirtualHostSchema, {
    name,
    domains: [domain],
    routes: [create(RouteSchema, { name, match: routeMatch(undefined), action })],
    includeRequestAttemptCount: true,
  });
}
