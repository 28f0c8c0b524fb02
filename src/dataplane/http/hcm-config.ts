// An HttpConnectionManager configuration, checked and turned into what the connection needs per request.

import { networkInterfaces } from 'node:os';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '../../xds/gen/envoy/config/core/v3/protocol_pb.js';
import {
  HttpConnectionManager_CodecType as CodecType,
  type HttpConnectionManager,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { requireAds } from '../config/config-source.ts';
import { ConfigError } from '../connection.ts';
import { createHttp2Stats, type Http2Stats } from '../http2/http2-stats.ts';
import { compileHttp2Options, type Http2Options } from '../http2/protocol-options.ts';
import { compileRouteConfiguration, type RouteTableHolder } from '../router/route-tables.ts';
import type { DataplaneServices } from '../services.ts';
import type { AccessLogger } from '../stream-info.ts';
import { durationMs } from '../upstream/duration.ts';
import { type B3Sampling, compileB3 } from './b3-tracing.ts';
import { type ClientCertHeader, compileClientCertHeader } from './client-certificate.ts';
import type { HttpFilter } from './filters/http-filter.ts';
import { createHcmStats, type HcmStats } from './hcm-stats.ts';
import { readHttpFilters } from './http-filters.ts';
import { compileInternalAddresses } from './internal-addresses.ts';
import { compilePathNormalizer, type PathNormalizer } from './path-normalization.ts';

const HOUR = 3_600_000;
// Envoy waits for ever for the end of a request head unless told otherwise. A bound keeps slow senders from holding connections.
const DEFAULT_HEADERS_TIMEOUT_MS = 60_000;

/** One connection manager, ready to serve. */
export interface HcmConfig {
  readonly services: DataplaneServices;
  readonly routes: RouteTableHolder;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly stats: HcmStats;
  /** Which HTTP a connection speaks: `auto` asks ALPN, then the first bytes. */
  readonly codec: 'auto' | 'http1' | 'http2';
  readonly http2: Http2Options;
  readonly http2Stats: Http2Stats;
  /** undefined: access log off, no record is made. */
  readonly accessLogger: AccessLogger | undefined;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'if-absent' | 'pass-through';
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly rejectUnderscores: boolean;
  readonly dropUnderscores: boolean;
  readonly customMethods: boolean;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly enableTrailers: boolean;
  readonly proxy100Continue: boolean;
  /** Milliseconds; 0 is "none" in all of these. */
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  readonly delayedCloseMs: number;
  /** How long an HTTP/2 connection that drains waits for a response to send its GOAWAY with. */
  readonly drainTimeoutMs: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly appendForwardedPort: boolean;
  readonly isInternal: (ip: string) => boolean;
  /** What x-forwarded-for says instead of a loopback address: our own. */
  readonly localIp: string;
  readonly via: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly clientCert: ClientCertHeader;
  readonly normalizePath: PathNormalizer;
  readonly stripAnyPort: boolean;
  readonly stripMatchingPort: boolean;
  readonly stripTrailingHostDot: boolean;
  /** Lower-case upgrade types → enabled. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly tracing: boolean;
  /** undefined: requests carry no trace context of ours. */
  readonly b3: B3Sampling | undefined;
  /** x-envoy-upstream-service-time, x-envoy-expected-rq-timeout-ms and their like are left out. */
  readonly suppressEnvoyHeaders: boolean;
  /** Those before the router, in their order. */
  readonly filters: readonly HttpFilter[];
}

/** @throws ConfigError naming the field that cannot be served */
export function compileHcmConfig(config: HttpConnectionManager, services: DataplaneServices): HcmConfig {
  rejectUnsupported(config);
  const skipped = services.skipped ?? (() => {});
  const http = readHttpFilters(config.httpFilters, config.statPrefix, services, (name, why) =>
    skipped(`HTTP filter ${name}`, why),
  );
  const tracer = config.tracing?.provider?.name;
  if (tracer !== undefined) skipped(`tracing provider ${tracer}`, 'left out: spans are not reported');
  const common = config.commonHttpProtocolOptions;
  const http1 = config.httpProtocolOptions;
  const maxHeadBytes = (config.maxRequestHeadersKb ?? 60) * 1024;
  const maxHeaders = common?.maxHeadersCount ?? 100;
  const underscores = common?.headersWithUnderscoresAction ?? Underscores.ALLOW;
  return {
    services,
    routes: routeHolder(config, services),
    random: services.random ?? Math.random,
    stats: createHcmStats(config.statPrefix, services.stats),
    codec: config.codecType === CodecType.HTTP2 ? 'http2' : config.codecType === CodecType.HTTP1 ? 'http1' : 'auto',
    http2: compileHttp2Options(config.http2ProtocolOptions, maxHeadBytes, maxHeaders),
    http2Stats: createHttp2Stats(services.stats),
    accessLogger: config.accessLog.length === 0 ? undefined : services.accessLogger(config.accessLog),
    serverName: config.serverName || 'envoy',
    serverHeader:
      config.serverHeaderTransformation === ServerHeader.APPEND_IF_ABSENT
        ? 'if-absent'
        : config.serverHeaderTransformation === ServerHeader.PASS_THROUGH
          ? 'pass-through'
          : 'overwrite',
    maxHeadBytes,
    maxHeaders,
    rejectUnderscores: underscores === Underscores.REJECT_REQUEST,
    dropUnderscores: underscores === Underscores.DROP_HEADER,
    customMethods: http1?.allowCustomMethods ?? false,
    acceptHttp10: http1?.acceptHttp10 ?? false,
    defaultHostForHttp10: http1?.defaultHostForHttp10 ?? '',
    allowAbsoluteUrl: http1?.allowAbsoluteUrl ?? true,
    enableTrailers: http1?.enableTrailers ?? false,
    proxy100Continue: config.proxy100Continue,
    idleTimeoutMs: durationMs(common?.idleTimeout, HOUR),
    streamIdleTimeoutMs: durationMs(config.streamIdleTimeout, 300_000),
    requestTimeoutMs: durationMs(config.requestTimeout, 0),
    requestHeadersTimeoutMs:
      durationMs(config.requestHeadersTimeout, DEFAULT_HEADERS_TIMEOUT_MS) || DEFAULT_HEADERS_TIMEOUT_MS,
    maxConnectionDurationMs: durationMs(common?.maxConnectionDuration, 0),
    maxStreamDurationMs: durationMs(common?.maxStreamDuration, 0),
    delayedCloseMs: durationMs(config.delayedCloseTimeout, 1000),
    drainTimeoutMs: durationMs(config.drainTimeout, 5000),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    useRemoteAddress: config.useRemoteAddress ?? false,
    xffNumTrustedHops: config.xffNumTrustedHops,
    skipXffAppend: config.skipXffAppend,
    appendForwardedPort: config.appendXForwardedPort,
    isInternal: compileInternalAddresses(config.internalAddressConfig),
    localIp: services.localIp ?? localIp(),
    via: config.via,
    generateRequestId: config.generateRequestId ?? true,
    preserveExternalRequestId: config.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: config.alwaysSetRequestIdInResponse,
    clientCert: compileClientCertHeader(config),
    normalizePath: compilePathNormalizer(config),
    stripAnyPort: config.stripPortMode.case === 'stripAnyHostPort' && config.stripPortMode.value,
    stripMatchingPort: config.stripMatchingHostPort,
    stripTrailingHostDot: config.stripTrailingHostDot,
    upgrades: new Map(
      config.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]),
    ),
    tracing: config.tracing !== undefined,
    b3: compileB3(config.tracing),
    suppressEnvoyHeaders: http.suppressEnvoyHeaders,
    filters: http.filters,
  };
}

function routeHolder(config: HttpConnectionManager, services: DataplaneServices): RouteTableHolder {
  const { routeSpecifier } = config;
  switch (routeSpecifier.case) {
    case 'rds':
      requireAds(routeSpecifier.value.configSource, 'HttpConnectionManager: rds.config_source');
      return services.routes.get(routeSpecifier.value.routeConfigName);
    case 'routeConfig':
      return { current: compileRouteConfiguration(routeSpecifier.value) };
    default:
      throw new ConfigError(
        `HttpConnectionManager: ${routeSpecifier.case ?? 'route_specifier'} is not supported; use rds or route_config`,
      );
  }
}

function rejectUnsupported(config: HttpConnectionManager): void {
  const unsupported: readonly [present: boolean, name: string][] = [
    [config.codecType === CodecType.HTTP3, 'codec_type HTTP3'],
    [config.addUserAgent === true, 'add_user_agent'],
    [config.originalIpDetectionExtensions.length > 0, 'original_ip_detection_extensions'],
    [config.earlyHeaderMutationExtensions.length > 0, 'early_header_mutation_extensions'],
    [config.localReplyConfig !== undefined, 'local_reply_config'],
    [config.pathNormalizationOptions !== undefined, 'path_normalization_options'],
    [config.proxyStatusConfig !== undefined, 'proxy_status_config'],
    [config.typedHeaderValidationConfig !== undefined, 'typed_header_validation_config'],
    [config.schemeHeaderTransformation !== undefined, 'scheme_header_transformation'],
    [config.httpProtocolOptions?.headerKeyFormat !== undefined, 'http_protocol_options.header_key_format'],
    [config.setCurrentClientCertDetails?.chain === true, 'set_current_client_cert_details.chain'],
  ];
  for (const [present, name] of unsupported) {
    if (present) throw new ConfigError(`HttpConnectionManager: ${name}: not supported`);
  }
}

// Envoy's choice too: the first IPv4 address that is not loopback.
function localIp(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.family === 'IPv4' && !address.internal) return address.address;
  }
  return '127.0.0.1';
}
