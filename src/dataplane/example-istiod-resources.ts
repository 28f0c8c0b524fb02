// For tests: resources of the shape that istiod gives a gateway (`router`) proxy. The facts (names, types, which fields are set) are those of
// istio/istio's pilot/pkg/networking/core, 1.2x; the configuration is our own.

import { create, fromJson, type JsonObject, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema, anyPack, StructSchema } from '@bufbuild/protobuf/wkt';
import { type Cluster, ClusterSchema } from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../xds/gen/envoy/config/route/v3/route_pb.js';
import {
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { typeRegistry } from '../xds/registry.ts';

const json = { registry: typeRegistry() };

/** An Any of a type that nobody here has the schema of. */
export function opaque(type: string, value: Uint8Array = new Uint8Array()): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${type}`, value });
}

/** A TypedStruct, in which Istio wraps the configuration of its own filters. */
function typedStruct(type: string, value: JsonObject = {}, wrapper = 'udpa.type.v1.TypedStruct'): Any {
  const struct = toBinary(StructSchema, fromJson(StructSchema, value));
  const bytes = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(`type.googleapis.com/${type}`)
    .tag(2, WireType.LengthDelimited)
    .bytes(struct)
    .finish();
  return opaque(wrapper, bytes);
}

const filter = (name: string, value: Any) => ({ name, configType: { case: 'typedConfig' as const, value } });

/** The HTTP filters of a gateway's connection managers, in istiod's order; `more` stand before the router. */
export function istioHttpFilters(...more: Parameters<typeof httpManager>[1]) {
  return [
    filter(
      'istio.metadata_exchange',
      typedStruct('io.istio.http.peer_metadata.Config', { upstream_discovery: [{ istio_headers: {} }] }),
    ),
    filter(
      'envoy.filters.http.grpc_stats',
      opaque('envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', Uint8Array.of(8, 1)),
    ),
    filter('istio.alpn', opaque('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', Uint8Array.of(10, 0))),
    filter('envoy.filters.http.fault', opaque('envoy.extensions.filters.http.fault.v3.HTTPFault')),
    filter('envoy.filters.http.cors', opaque('envoy.extensions.filters.http.cors.v3.Cors')),
    filter('istio.stats', typedStruct('stats.PluginConfig', { metrics: [] }, 'xds.type.v3.TypedStruct')),
    ...more,
    filter('envoy.filters.http.router', opaque('envoy.extensions.filters.http.router.v3.Router')),
  ];
}

const ADS = { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' };

/** `sds_config` of the workload's own certificate: the agent, by a cluster of the bootstrap. */
const SDS_GRPC = {
  apiConfigSource: {
    apiType: 'GRPC',
    grpcServices: [{ envoyGrpc: { clusterName: 'sds-grpc' } }],
    setNodeOnFirstMessageOnly: true,
    transportApiVersion: 'V3',
  },
  initialFetchTimeout: '0s',
  resourceApiVersion: 'V3',
};

function httpManager(
  routeConfigName: string,
  httpFilters: readonly (Pick<HttpFilter, 'name'> & Partial<Pick<HttpFilter, 'isOptional' | 'configType'>>)[],
) {
  const manager = fromJson(HttpConnectionManagerSchema, {
    statPrefix: 'outbound_0.0.0.0_8080',
    rds: { configSource: ADS, routeConfigName },
    httpProtocolOptions: {},
    serverName: 'istio-envoy',
    streamIdleTimeout: '0s',
    useRemoteAddress: true,
    forwardClientCertDetails: 'SANITIZE_SET',
    setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    normalizePath: true,
    pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
    tracing: { clientSampling: { value: 100 }, randomSampling: { value: 1 }, overallSampling: { value: 100 } },
  } as JsonValue);
  if (manager.tracing !== undefined)
    manager.tracing.provider = {
      $typeName: 'envoy.config.trace.v3.Tracing.Http',
      ...filter('envoy.tracers.zipkin', opaque('envoy.config.trace.v3.ZipkinConfig', Uint8Array.of(10, 0))),
    };
  manager.requestIdExtension = {
    $typeName: 'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension',
    typedConfig: opaque('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig'),
  };
  const full = create(HttpConnectionManagerSchema, {
    ...manager,
    httpFilters: httpFilters.map((one) => create(HttpFilterSchema, one as HttpFilter)),
  });
  full.accessLog = [
    {
      $typeName: 'envoy.config.accesslog.v3.AccessLog',
      ...filter(
        'envoy.access_loggers.open_telemetry',
        opaque('envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig'),
      ),
      filter: undefined,
    },
  ];
  return filter('envoy.filters.network.http_connection_manager', anyPack(HttpConnectionManagerSchema, full));
}

/** `0.0.0.0_8080`: plain HTTP. */
export function httpListener(httpFilters = istioHttpFilters()): Listener {
  return create(ListenerSchema, {
    ...bare(8080),
    filterChains: [{ filters: [httpManager('http.8080', httpFilters)] }],
  });
}

/** `0.0.0.0_8443`: TLS with a certificate by credentialName, the same routes as another chain's. */
export function httpsListener(credential: string, host: string): Listener {
  const socket = fromJson(
    ListenerSchema,
    {
      filterChains: [
        {
          filterChainMatch: { serverNames: [host] },
          transportSocketConnectTimeout: '15s',
          transportSocket: {
            name: 'envoy.transport_sockets.tls',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
              commonTlsContext: {
                tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
                alpnProtocols: ['h2', 'http/1.1'],
                // No initial_fetch_timeout: istiod leaves it out where a secret may not exist.
                tlsCertificateSdsSecretConfigs: [
                  { name: `kubernetes://${credential}`, sdsConfig: { ads: {}, resourceApiVersion: 'V3' } },
                ],
              },
              requireClientCertificate: false,
            },
          },
        },
      ],
    } as JsonValue,
    json,
  ).filterChains[0];
  return create(ListenerSchema, {
    ...bare(8443),
    listenerFilters: [
      filter(
        'envoy.filters.listener.tls_inspector',
        opaque('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'),
      ),
    ],
    filterChains: [
      { ...socket, $typeName: undefined, filters: [httpManager('http.8080', istioHttpFilters())] } as never,
    ],
  });
}

/** `0.0.0.0_31400`: TCP, with the network filters istiod puts before the proxy. */
export function tcpListener(cluster: string): Listener {
  const proxy =
    fromJson(
      ListenerSchema,
      {
        filterChains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                typedConfig: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                  statPrefix: cluster,
                  cluster,
                },
              },
            ],
          },
        ],
      } as JsonValue,
      json,
    ).filterChains[0]?.filters ?? [];
  return create(ListenerSchema, {
    ...bare(31400),
    filterChains: [
      {
        filters: [
          filter(
            'istio.metadata_exchange',
            typedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', { protocol: 'istio-peer-exchange' }),
          ),
          filter('istio.stats', typedStruct('stats.PluginConfig')),
          ...proxy,
        ],
      },
    ],
  });
}

function bare(port: number) {
  return {
    name: `0.0.0.0_${port}`,
    address: {
      address: {
        case: 'socketAddress' as const,
        value: { address: '0.0.0.0', portSpecifier: { case: 'portValue' as const, value: port } },
      },
    },
    trafficDirection: 2, // OUTBOUND
    maxConnectionsToAcceptPerSocketEvent: 1,
  };
}

/** `http.8080`: one virtual host, whose route goes to a cluster. */
export function istioRoutes(cluster: string): RouteConfiguration {
  return fromJson(
    RouteConfigurationSchema,
    {
      name: 'http.8080',
      validateClusters: false,
      maxDirectResponseBodySizeBytes: 1048576,
      virtualHosts: [
        {
          name: 'shop.test:80',
          domains: ['shop.test', 'shop.test:*'],
          includeRequestAttemptCount: true,
          routes: [
            {
              name: 'default',
              match: { prefix: '/', caseSensitive: true },
              metadata: {
                filterMetadata: {
                  istio: { config: '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/shop' },
                },
              },
              decorator: { operation: 'shop.shop.svc.cluster.local:80/*' },
              route: {
                cluster,
                timeout: '0s',
                maxGrpcTimeout: '0s',
                retryPolicy: {
                  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
                  numRetries: 2,
                  retryHostPredicate: [
                    {
                      name: 'envoy.retry_host_predicates.previous_hosts',
                      typedConfig: {
                        '@type':
                          'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
                      },
                    },
                  ],
                  hostSelectionRetryMaxAttempts: '5',
                },
              },
            },
          ],
        },
      ],
    } as JsonValue,
    json,
  );
}

const THRESHOLDS = {
  maxConnections: 4294967295,
  maxPendingRequests: 4294967295,
  maxRequests: 4294967295,
  maxRetries: 4294967295,
  trackRemaining: true,
};

/** `outbound|80||NAME`: endpoints by EDS; mutual TLS to those with a sidecar, plain text to the others. */
export function outbound(name: string, more: JsonObject = {}): Cluster {
  const cluster = fromJson(
    ClusterSchema,
    {
      name,
      type: 'EDS',
      edsClusterConfig: { edsConfig: ADS, serviceName: name },
      connectTimeout: '10s',
      lbPolicy: 'LEAST_REQUEST',
      circuitBreakers: { thresholds: [THRESHOLDS] },
      commonLbConfig: { localityWeightedLbConfig: {} },
      outlierDetection: { consecutive5xx: 5, interval: '5s' },
      metadata: { filterMetadata: { istio: { services: [{ host: name, name: 'shop', namespace: 'shop' }] } } },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
        },
      },
      transportSocketMatches: [
        {
          name: 'tlsMode-istio',
          match: { tlsMode: 'istio' },
          transportSocket: {
            name: 'envoy.transport_sockets.tls',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
              sni: `outbound_.80_._.${name}`,
              commonTlsContext: {
                tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
                alpnProtocols: ['istio-peer-exchange', 'istio'],
                tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: SDS_GRPC }],
                combinedValidationContext: {
                  defaultValidationContext: {},
                  validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: SDS_GRPC },
                },
              },
            },
          },
        },
        { name: 'tlsMode-disabled', match: {}, transportSocket: { name: 'envoy.transport_sockets.raw_buffer' } },
      ],
      ...more,
    } as JsonValue,
    json,
  );
  cluster.filters = [
    {
      $typeName: 'envoy.config.cluster.v3.Filter',
      name: 'istio.metadata_exchange',
      typedConfig: typedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
        protocol: 'istio-peer-exchange',
      }),
      configDiscovery: undefined,
    },
  ];
  return cluster;
}

/** The clusters beside: nothing leads to them until a route says so. */
export function otherClusters(): Cluster[] {
  return [
    { name: 'BlackHoleCluster', type: 'STATIC', connectTimeout: '10s' },
    { name: 'PassthroughCluster', type: 'ORIGINAL_DST', connectTimeout: '10s', lbPolicy: 'CLUSTER_PROVIDED' },
    { name: 'InboundPassthroughCluster', type: 'ORIGINAL_DST', connectTimeout: '10s', lbPolicy: 'CLUSTER_PROVIDED' },
    {
      name: 'prometheus_stats',
      type: 'STATIC',
      connectTimeout: '0.250s',
      loadAssignment: at('prometheus_stats', 15000),
    },
    { name: 'agent', type: 'STATIC', connectTimeout: '0.250s', loadAssignment: at('agent', 15020) },
    {
      name: 'zipkin',
      type: 'STRICT_DNS',
      connectTimeout: '1s',
      respectDnsTtl: true,
      dnsLookupFamily: 'V4_ONLY',
      dnsRefreshRate: '60s',
      loadAssignment: at('zipkin', 9411),
    },
  ].map((cluster) => fromJson(ClusterSchema, cluster as JsonValue, json));
}

function at(clusterName: string, port: number, address = '127.0.0.1') {
  return {
    clusterName,
    endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address, portValue: port } } } }] }],
  };
}

/** Endpoints with locality, priority, weight, health and what they say of their TLS. */
export function istioEndpoints(
  clusterName: string,
  ...hosts: { port: number; tls?: boolean }[]
): ClusterLoadAssignment {
  return fromJson(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [
      {
        locality: { region: 'eu', zone: 'eu-1' },
        loadBalancingWeight: hosts.length,
        priority: 0,
        lbEndpoints: hosts.map(({ port, tls = false }) => ({
          endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
          healthStatus: 'HEALTHY',
          loadBalancingWeight: 1,
          metadata: {
            filterMetadata: {
              istio: { workload: 'shop;shop;shop;v1;Kubernetes' },
              ...(tls ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } } : {}),
            },
          },
        })),
      },
    ],
  } as JsonValue);
}
