// The bootstrap of a Limen proxy as Envoy and istioctl know one: node, admin address, the two static listeners, and where xDS comes from.
// Shape: https://github.com/istio/istio (tools/packaging/common/envoy_bootstrap.json)

import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '../../xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { typeRegistry } from '../../xds/registry.ts';
import type { ClusterView, DataplaneView } from './view.ts';

const TYPE = 'type.googleapis.com/';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Address = { readonly host: string; readonly port: number };

/** The static configuration of the process behind a view, as one message. */
export function buildBootstrap(view: DataplaneView): Bootstrap {
  const registry = typeRegistry();
  const { admin, status, prometheus } = view.ports;
  const listeners: JsonObject[] = [];
  if (prometheus.port !== 0) listeners.push(httpListener(prometheus, 'stats', '/stats/prometheus', 'prometheus_stats'));
  if (status.port !== 0) listeners.push(httpListener(status, 'agent', '/healthz/ready', 'agent'));
  const adsConfig = { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' };
  return fromJson(
    BootstrapSchema,
    {
      node: toJson(NodeSchema, view.node, { registry }),
      staticResources: {
        listeners,
        clusters: [
          staticCluster('prometheus_stats', admin),
          staticCluster('agent', admin),
          // Where Istio's bootstrap would send traces to. Limen's proxy has no collector either: it passes the trace headers on.
          { name: 'zipkin', type: 'STATIC', loadAssignment: { clusterName: 'zipkin' } },
          {
            ...staticCluster('xds-grpc', splitAddress(view.xdsAddress)),
            connectTimeout: '1s',
            typedExtensionProtocolOptions: {
              [HTTP_OPTIONS]: { '@type': `${TYPE}${HTTP_OPTIONS}`, explicitHttpConfig: { http2ProtocolOptions: {} } },
            },
          },
        ],
      },
      dynamicResources: {
        ldsConfig: adsConfig,
        cdsConfig: adsConfig,
        adsConfig: {
          apiType: 'GRPC',
          transportApiVersion: 'V3',
          setNodeOnFirstMessageOnly: true,
          grpcServices: [{ envoyGrpc: { clusterName: 'xds-grpc' } }],
        },
      },
      admin: { address: socketAddress(admin) },
    },
    { registry },
  );
}

/** Envoy's thresholds where a cluster sets none. */
const DEFAULT_BREAKERS = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };
const NO_STATS = {
  cx_active: 0,
  cx_connect_fail: 0,
  cx_total: 0,
  rq_active: 0,
  rq_error: 0,
  rq_success: 0,
  rq_timeout: 0,
  rq_total: 0,
};

/** The static clusters of a bootstrap as `/clusters` shows clusters. Limen's own connections to them are not counted. */
export function staticClusterViews(bootstrap: Bootstrap): ClusterView[] {
  return (bootstrap.staticResources?.clusters ?? []).map((cluster) => ({
    name: cluster.name,
    edsServiceName: '',
    addedViaApi: false,
    circuitBreakers: DEFAULT_BREAKERS,
    hosts: (cluster.loadAssignment?.endpoints ?? []).flatMap(({ lbEndpoints }) =>
      lbEndpoints.flatMap(({ hostIdentifier }) => {
        const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
        if (address?.case !== 'socketAddress') return [];
        const { address: host, portSpecifier } = address.value;
        return [
          {
            address: host,
            port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0,
            hostname: '',
            weight: 1,
            priority: 0,
            region: '',
            zone: '',
            subZone: '',
            edsHealth: 'HEALTHY' as const,
            failedActiveHealthCheck: false,
            failedOutlierCheck: false,
            stats: NO_STATS,
          },
        ];
      }),
    ),
  }));
}

/** A listener without a name, whose one route leads a path prefix to a static cluster: istioctl shows it as `Inline Route: <prefix>*`. */
function httpListener(address: Address, statPrefix: string, prefix: string, cluster: string): JsonObject {
  return {
    address: socketAddress(address),
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typedConfig: {
              '@type': `${TYPE}${HCM}`,
              statPrefix,
              routeConfig: {
                virtualHosts: [
                  { name: 'backend', domains: ['*'], routes: [{ match: { prefix }, route: { cluster } }] },
                ],
              },
              httpFilters: [
                {
                  name: 'envoy.filters.http.router',
                  typedConfig: { '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router` },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

function staticCluster(name: string, address: Address): JsonObject {
  return {
    name,
    type: 'STATIC',
    connectTimeout: '0.250s',
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
  };
}

function socketAddress({ host, port }: Address): JsonObject {
  return { socketAddress: { address: host, portValue: port } };
}

/** `127.0.0.1:15010`, `[::1]:15010` */
function splitAddress(address: string): Address {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon === -1 || !Number.isInteger(port)) return { host: address, port: 0 };
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port };
}
