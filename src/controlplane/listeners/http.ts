// The HTTP connection manager of a gateway's listener, and of a sidecar's.

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { CidrRangeSchema } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import { Http1ProtocolOptionsSchema } from '../../xds/gen/envoy/config/core/v3/protocol_pb.js';
import { type Filter, FilterSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  HttpConnectionManager_CodecType as CodecType,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ForwardClientCertDetails as ForwardClientCertDetails,
  HttpConnectionManager_InternalAddressConfigSchema,
  HttpConnectionManager_SetCurrentClientCertDetailsSchema,
  HttpConnectionManager_TracingSchema,
  HttpConnectionManager_UpgradeConfigSchema,
  HttpConnectionManagerSchema,
  RdsSchema,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { adsConfigSource } from '../config-source.ts';
import { seconds } from '../duration.ts';
import { HTTP_FILTERS, SIDECAR_HTTP_FILTERS } from '../http-filters.ts';
import type { MeshConfig } from '../mesh-config.ts';
import { accessLogs } from './access-log.ts';

/**
 * Who is a client inside (x-envoy-internal) rather than a stranger: private and loopback addresses. Envoy took these by itself up to
 * 1.32, which is what Istio's documentation shows; later ones count nobody unless told.
 */
export const INTERNAL_ADDRESSES = create(HttpConnectionManager_InternalAddressConfigSchema, {
  cidrRanges: (
    [
      ['10.0.0.0', 8],
      ['172.16.0.0', 12],
      ['192.168.0.0', 16],
      ['127.0.0.0', 8],
      ['fd00::', 8],
      ['::1', 128],
    ] as const
  ).map(([addressPrefix, prefixLen]) => create(CidrRangeSchema, { addressPrefix, prefixLen })),
});

// The tracer is the bootstrap's, as with Istio: Zipkin, which speaks B3. Each attempt at an upstream is a span under the proxy's own.
function tracing(sampling: number) {
  return create(HttpConnectionManager_TracingSchema, {
    clientSampling: { value: 100 },
    randomSampling: { value: sampling },
    overallSampling: { value: 100 },
    spawnUpstreamSpan: true,
  });
}

/** A gateway is the edge: the client's address is the connection's, and what x-forwarded-for says is a stranger's claim. */
const GATEWAY = {
  httpProtocolOptions: create(Http1ProtocolOptionsSchema),
  serverName: 'istio-envoy',
  useRemoteAddress: true,
  xffNumTrustedHops: 0,
  forwardClientCertDetails: ForwardClientCertDetails.SANITIZE_SET,
  setCurrentClientCertDetails: create(HttpConnectionManager_SetCurrentClientCertDetailsSchema, {
    subject: true,
    cert: true,
    dns: true,
    uri: true,
  }),
};

/** A sidecar's client is its own workload, which says for whom it asks. (Istio's sidecars call themselves `envoy` to it.) */
const SIDECAR = {
  httpProtocolOptions: create(Http1ProtocolOptionsSchema, { allowAbsoluteUrl: true }),
  useRemoteAddress: false,
  forwardClientCertDetails: ForwardClientCertDetails.APPEND_FORWARD,
};

/**
 * The network filter that serves HTTP.
 * @param routeName the RouteConfiguration, fetched over ADS
 */
export function httpConnectionManager(
  statPrefix: string,
  routeName: string,
  mesh: MeshConfig,
  role: 'gateway' | 'sidecar' = 'gateway',
): Filter {
  const manager = create(HttpConnectionManagerSchema, {
    codecType: CodecType.AUTO,
    statPrefix,
    routeSpecifier: {
      case: 'rds',
      value: create(RdsSchema, { configSource: adsConfigSource(), routeConfigName: routeName }),
    },
    httpFilters: [...(role === 'gateway' ? HTTP_FILTERS : SIDECAR_HTTP_FILTERS)],
    ...(role === 'gateway' ? GATEWAY : SIDECAR),
    streamIdleTimeout: seconds(0),
    accessLog: accessLogs(mesh),
    internalAddressConfig: INTERNAL_ADDRESSES,
    proxy100Continue: true,
    ...(mesh.tracingSampling === undefined ? {} : { tracing: tracing(mesh.tracingSampling) }),
    upgradeConfigs: [create(HttpConnectionManager_UpgradeConfigSchema, { upgradeType: 'websocket' })],
    // meshConfig.pathNormalization DEFAULT, which is BASE: RFC 3986 normalization, slashes as they are.
    normalizePath: true,
    pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED,
  });
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, manager) },
  });
}
