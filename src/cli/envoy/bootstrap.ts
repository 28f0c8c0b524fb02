// The bootstrap an Envoy starts with to be an Istio gateway: node, admin address, xDS over ADS, and the two listeners beside those of xDS.
// Shape: https://github.com/istio/istio (tools/packaging/common/envoy_bootstrap.json)

import { isIP } from 'node:net';
import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Bind, LISTENER_METADATA, ownAddress } from '../../controlplane/bind.ts';
import { PROMETHEUS_PORT, STATUS_PORT } from '../../dataplane/admin/published-endpoints.ts';
import { type Node, NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { HostPort } from '../host-port.ts';

/** What a bootstrap is made of. */
export interface BootstrapOptions {
  node: Node;
  xds: HostPort;
  /** Default: plain text. */
  tls?: XdsTlsFiles | undefined;
  admin: HostPort;
  /** Where the listeners are bound; undefined: on all addresses, as in a pod. */
  bind?: Omit<Bind, 'publish'> | undefined;
}

/** PEM files by absolute path: whom the xDS server is verified by, and what it is shown. */
export interface XdsTlsFiles {
  ca: string;
  cert?: string;
  key?: string;
}

const TYPE = 'type.googleapis.com/';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2 = {
  [HTTP_OPTIONS]: { '@type': `${TYPE}${HTTP_OPTIONS}`, explicitHttpConfig: { http2ProtocolOptions: {} } },
};
/** As good as none: a gateway on a machine of one's own refuses nobody. */
const NO_LIMIT = 2 ** 31 - 1;

/** A control plane on the same machine is back within seconds: Envoy would wait up to 30 s for it. */
const RECONNECT = { retryBackOff: { baseInterval: '0.5s', maxInterval: '5s' } };

/** The bootstrap as JSON of envoy.config.bootstrap.v3.Bootstrap. */
export function envoyBootstrap({ node, xds, tls, admin, bind }: BootstrapOptions): JsonObject {
  const adsConfig = { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' };
  return {
    node: toJson(NodeSchema, node),
    layeredRuntime: {
      layers: [
        {
          name: 'global config',
          // Istio's gateways cut a fragment (`/path#part`) off; Envoy alone would answer 400.
          staticLayer: { 're2.max_program_size.error_level': '32768', [FRAGMENT]: false },
        },
        { name: 'admin', adminLayer: {} },
      ],
    },
    overloadManager: {
      resourceMonitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typedConfig: {
            '@type': `${TYPE}envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig`,
            maxActiveDownstreamConnections: String(NO_LIMIT),
          },
        },
      ],
    },
    admin: { address: socketAddress(admin) },
    dynamicResources: {
      ldsConfig: adsConfig,
      cdsConfig: adsConfig,
      adsConfig: {
        apiType: 'DELTA_GRPC',
        transportApiVersion: 'V3',
        setNodeOnFirstMessageOnly: true,
        grpcServices: [{ envoyGrpc: { clusterName: 'xds-grpc', retryPolicy: RECONNECT } }],
      },
    },
    tracing: { http: ZIPKIN_TRACER },
    staticResources: {
      listeners: [
        listener(PROMETHEUS_PORT, bind, 'stats', {
          match: { prefix: '/stats/prometheus' },
          route: { cluster: 'prometheus_stats' },
        }),
        // Istio's agent answers the probe by asking Envoy's /ready; there is no agent here, so the probe goes there itself.
        listener(STATUS_PORT, bind, 'agent', {
          match: { prefix: '/healthz/ready' },
          route: { cluster: 'agent', prefixRewrite: '/ready' },
        }),
      ],
      clusters: [
        cluster('prometheus_stats', admin, { connectTimeout: '0.250s' }),
        cluster('agent', admin, { connectTimeout: '0.250s' }),
        cluster('xds-grpc', xds, {
          connectTimeout: '1s',
          upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 300 } },
          typedExtensionProtocolOptions: HTTP2,
          ...(tls === undefined ? {} : { transportSocket: tlsTo(xds.host, tls) }),
        }),
        // There is no collector: the tracer is there for its headers, its spans are dropped.
        { name: ZIPKIN_CLUSTER, type: 'STATIC', loadAssignment: { clusterName: ZIPKIN_CLUSTER } },
      ],
    },
  };
}

const FRAGMENT = 'envoy.reloadable_features.http_reject_path_with_fragment';

/** A listener without a name, whose one route leads a path to a static cluster: istioctl shows it as `Inline Route: <prefix>*`. */
function listener(port: number, bind: BootstrapOptions['bind'], statPrefix: string, route: JsonObject): JsonObject {
  const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: {
      '@type': `${TYPE}${hcm}`,
      statPrefix,
      routeConfig: { virtualHosts: [{ name: 'backend', domains: ['*'], routes: [route] }] },
      httpFilters: [
        {
          name: 'envoy.filters.http.router',
          typedConfig: { '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router` },
        },
      ],
    },
  };
  return { ...addresses({ host: '0.0.0.0', port }, bind), filterChains: [{ filters: [filter] }] };
}

/** Where a listener is bound; see controlplane/listeners, which does the same to those of xDS. */
function addresses(own: HostPort, bind: BootstrapOptions['bind']): JsonObject {
  if (bind === undefined) return { address: socketAddress(own) };
  const inPod = { address: own.host, port: own.port };
  const bound = ownAddress(inPod, bind);
  return {
    ...(bound === undefined
      ? { address: socketAddress(own), bindToPort: false }
      : { address: socketAddress({ host: bound.address, port: bound.port }), enableReusePort: bind.reusePort }),
    statPrefix: `${own.host}_${own.port}`,
    metadata: { filterMetadata: { [LISTENER_METADATA]: inPod } },
  };
}

const ZIPKIN_CLUSTER = 'zipkin';

/**
 * The tracer of connection managers that name none, as in Istio's bootstrap: a listener that named it would be refused by an Envoy without the
 * cluster. Envoy warns that its place is deprecated. Trace context is in B3 headers.
 */
export const ZIPKIN_TRACER: JsonObject = {
  name: 'envoy.tracers.zipkin',
  typedConfig: {
    '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig',
    collectorCluster: ZIPKIN_CLUSTER,
    collectorEndpoint: '/api/v2/spans',
    collectorEndpointVersion: 'HTTP_JSON',
    traceId128bit: true,
    sharedSpanContext: false,
  },
};

function cluster(name: string, address: HostPort, more: JsonObject): JsonObject {
  return {
    name,
    // All addresses of a name are tried: `localhost` is often ::1 first, where nothing listens.
    ...(isIP(address.host) === 0 ? { type: 'STRICT_DNS', dnsLookupFamily: 'ALL' } : { type: 'STATIC' }),
    ...more,
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
  };
}

/** TLS to a server whose certificate must carry the host that it is dialled by. */
function tlsTo(host: string, { ca, cert, key }: XdsTlsFiles): JsonObject {
  const isAddress = isIP(host) !== 0;
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: {
      '@type': `${TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      ...(isAddress ? {} : { sni: host }),
      commonTlsContext: {
        alpnProtocols: ['h2'],
        ...(cert === undefined || key === undefined
          ? {}
          : { tlsCertificates: [{ certificateChain: { filename: cert }, privateKey: { filename: key } }] }),
        validationContext: {
          trustedCa: { filename: ca },
          matchTypedSubjectAltNames: [{ sanType: isAddress ? 'IP_ADDRESS' : 'DNS', matcher: { exact: host } }],
        },
      },
    },
  };
}

function socketAddress({ host, port }: HostPort): JsonObject {
  return { socketAddress: { address: host, portValue: port } };
}
