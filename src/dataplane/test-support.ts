// For tests of the data plane: xDS resources in few words, and a control plane on loopback that serves them.

import { create, type DescMessage, type Message, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { type Logger, pino } from 'pino';
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import {
  type FilterChain,
  type FilterChainMatchSchema,
  FilterChainSchema,
} from '../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type VirtualHost, VirtualHostSchema } from '../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../xds/gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { type Secret, SecretSchema } from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DownstreamTlsContextSchema } from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { type EncodedResource, encodeResource, TypeUrl } from '../xds/resources.ts';
import { AdsServer } from '../xds/server.ts';

/** A logger that says nothing, unless LIMEN_TEST_LOG names a level. */
export const testLog: Logger = pino({ level: process.env.LIMEN_TEST_LOG ?? 'silent' });

/** The fields of a message as plain values. */
type Init<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, Message>;

const ads = { configSourceSpecifier: { case: 'ads', value: {} } } as const;

function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return anyPack(schema, create(schema, init) as MessageShape<Desc>);
}

/** An HTTP connection manager that takes its routes by RDS. */
export function httpFilter(routeConfigName: string) {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: pack(HttpConnectionManagerSchema, {
        statPrefix: 'test',
        routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName } },
        httpFilters: [
          {
            name: 'envoy.filters.http.router',
            configType: { case: 'typedConfig', value: pack(RouterSchema, {}) },
          },
        ],
      }),
    },
  } as const;
}

/** A TCP proxy. */
export function tcpFilter(cluster: string, init: Init<typeof TcpProxySchema> = {}) {
  const value = pack(TcpProxySchema, {
    statPrefix: 'test',
    clusterSpecifier: { case: 'cluster', value: cluster },
    ...init,
  });
  return { name: 'envoy.filters.network.tcp_proxy', configType: { case: 'typedConfig', value } } as const;
}

/** Terminates TLS with a secret. */
export function tlsSocket(secretName: string, init: Init<typeof DownstreamTlsContextSchema> = {}) {
  const value = pack(DownstreamTlsContextSchema, {
    ...init,
    commonTlsContext: {
      alpnProtocols: ['http/1.1'],
      tlsCertificateSdsSecretConfigs: [{ name: secretName, sdsConfig: ads }],
      ...(init.commonTlsContext as object | undefined),
    },
  });
  return { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig', value } } as const;
}

/** A filter chain: its match, its filter, its TLS. */
export function chain(
  filter: ReturnType<typeof httpFilter> | ReturnType<typeof tcpFilter>,
  filterChainMatch?: MessageInitShape<typeof FilterChainMatchSchema>,
  transportSocket?: ReturnType<typeof tlsSocket>,
): FilterChain {
  return create(FilterChainSchema, {
    filters: [filter],
    ...(filterChainMatch === undefined ? {} : { filterChainMatch }),
    ...(transportSocket === undefined ? {} : { transportSocket }),
  });
}

/** `0.0.0.0_<port>`, as Istio names a gateway's listeners. */
export function listener(port: number, filterChains: FilterChain[], init: Init<typeof ListenerSchema> = {}): Listener {
  return create(ListenerSchema, {
    name: `0.0.0.0_${port}`,
    address: {
      address: {
        case: 'socketAddress',
        value: { address: '0.0.0.0', portSpecifier: { case: 'portValue', value: port } },
      },
    },
    filterChains,
    ...init,
  });
}

/** Virtual hosts that come by themselves, each for the domain of its name: `<route configuration>/<domain>` → its cluster. */
export function virtualHosts(clusters: Readonly<Record<string, string>>): Record<string, VirtualHost> {
  return Object.fromEntries(
    Object.entries(clusters).map(([resource, cluster]) => {
      const name = resource.slice(resource.lastIndexOf('/') + 1);
      const [all] = routes('', cluster).virtualHosts;
      return [resource, create(VirtualHostSchema, { name, domains: [name], routes: all?.routes ?? [] })];
    }),
  );
}

/** A route configuration whose virtual hosts come by themselves. */
export function routesWithVhds(name: string): RouteConfiguration {
  return create(RouteConfigurationSchema, { name, vhds: { configSource: ads } });
}

/** Every request of every host goes to one cluster. */
export function routes(name: string, cluster: string): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: cluster } } },
          },
        ],
      },
    ],
  });
}

/** A cluster of hosts on loopback that EDS tells. */
export function cluster(name: string, init: Init<typeof ClusterSchema> = {}): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads },
    ...init,
  });
}

/** The endpoints of a cluster: ports of 127.0.0.1. */
export function endpoints(clusterName: string, ...ports: number[]): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [
      {
        lbEndpoints: ports.map((port) => ({
          hostIdentifier: {
            case: 'endpoint' as const,
            value: {
              address: {
                address: {
                  case: 'socketAddress' as const,
                  value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } },
                },
              },
            },
          },
        })),
      },
    ],
  });
}

const inline = (text: string) =>
  ({ specifier: { case: 'inlineBytes', value: new Uint8Array(Buffer.from(text)) } }) as const;

/** A certificate with its key. */
export function identitySecret(name: string, { cert, key }: { cert: string; key: string }): Secret {
  return create(SecretSchema, {
    name,
    type: { case: 'tlsCertificate', value: { certificateChain: inline(cert), privateKey: inline(key) } },
  });
}

/** A CA for client certificates. */
export function caSecret(name: string, ca: string): Secret {
  return create(SecretSchema, { name, type: { case: 'validationContext', value: { trustedCa: inline(ca) } } });
}

/** Everything one node is to have. */
export interface TestResources {
  listeners?: Listener[];
  routes?: RouteConfiguration[];
  /** By their names as resources. */
  virtualHosts?: Record<string, VirtualHost>;
  clusters?: Cluster[];
  endpoints?: ClusterLoadAssignment[];
  secrets?: Secret[];
}

/** A control plane that says what it is told. */
export interface TestControlPlane {
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly server: AdsServer;
  /** From now on the configuration is this. */
  set(resources: TestResources): void;
  close(): Promise<void>;
}

/** Starts a control plane on a port of loopback, a free one where none is given. */
export async function startControlPlane(initial: TestResources, at = 0): Promise<TestControlPlane> {
  let current = encode(initial);
  const server = new AdsServer({ resourcesFor: () => current, log: testLog });
  const port = await server.listen(`127.0.0.1:${at}`);
  return {
    address: `127.0.0.1:${port}`,
    server,
    set(resources) {
      current = encode(resources);
      server.push();
    },
    close: () => server.close(),
  };
}

function encode(resources: TestResources): Map<TypeUrl, Map<string, EncodedResource>> {
  const of = (list: EncodedResource[]) => new Map(list.map((resource) => [resource.name, resource]));
  return new Map<TypeUrl, Map<string, EncodedResource>>([
    [TypeUrl.Listener, of((resources.listeners ?? []).map((one) => encodeResource(one.name, ListenerSchema, one)))],
    [
      TypeUrl.RouteConfiguration,
      of((resources.routes ?? []).map((one) => encodeResource(one.name, RouteConfigurationSchema, one))),
    ],
    [
      TypeUrl.VirtualHost,
      of(
        Object.entries(resources.virtualHosts ?? {}).map(([name, one]) => encodeResource(name, VirtualHostSchema, one)),
      ),
    ],
    [TypeUrl.Cluster, of((resources.clusters ?? []).map((one) => encodeResource(one.name, ClusterSchema, one)))],
    [
      TypeUrl.ClusterLoadAssignment,
      of((resources.endpoints ?? []).map((one) => encodeResource(one.clusterName, ClusterLoadAssignmentSchema, one))),
    ],
    [TypeUrl.Secret, of((resources.secrets ?? []).map((one) => encodeResource(one.name, SecretSchema, one)))],
  ]);
}
