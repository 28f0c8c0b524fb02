// Records for tests: what a request through the gateway leaves behind.

import { ResponseFlag, type StreamInfo } from '../stream-info.ts';

/** A request through the gateway that went well, headers by lower-case name. */
export function record(
  change: Partial<StreamInfo> = {},
  requestHeaders: Record<string, string> = {},
  responseHeaders: Record<string, string> = {},
): StreamInfo {
  const request: Record<string, string> = {
    ':authority': 'webapp.istioinaction.io',
    'user-agent': 'curl/8.5.0',
    'x-request-id': '803b64c5-507f-4deb-ae32-02a96b7a0495',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    ...requestHeaders,
  };
  const response: Record<string, string> = { 'x-envoy-upstream-service-time': '6', ...responseHeaders };
  return {
    startTime: Date.UTC(2026, 10, 5, 14, 3, 9, 7),
    requestLastByteMs: 0,
    upstreamFirstByteMs: 6,
    upstreamLastByteMs: 6,
    durationMs: 7,
    protocol: 'HTTP/1.1',
    method: 'GET',
    originalPath: '/api/catalog?x=1',
    path: '/api/catalog?x=1',
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    connectionTerminationDetails: '',
    responseFlags: [],
    bytesReceived: 0,
    bytesSent: 357,
    routeName: '',
    upstreamCluster: 'outbound|80||webapp.istioinaction.svc.cluster.local',
    upstreamHost: '127.10.0.3:8080',
    upstreamLocalAddress: '127.0.0.1:36146',
    upstreamTransportFailureReason: '',
    upstreamRequestAttemptCount: 1,
    downstreamLocalAddress: '127.10.0.2:8080',
    downstreamRemoteAddress: '127.0.0.1:56286',
    requestedServerName: '',
    downstreamTlsVersion: '',
    downstreamTlsCipher: '',
    downstreamPeerSubject: '',
    downstreamPeerUriSan: '',
    requestHeader: (name) => {
      const field = name === 'host' ? ':authority' : name;
      return Object.hasOwn(request, field) ? request[field] : undefined;
    },
    responseHeader: (name) => (Object.hasOwn(response, name) ? response[name] : undefined),
    ...change,
  };
}

/** Istio's default text format (meshConfig.accessLogFile without accessLogFormat). */
export const ISTIO_TEXT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** A request that found no route, as the gateway without configuration logs it. */
export const NO_ROUTE: Partial<StreamInfo> = {
  upstreamFirstByteMs: -1,
  upstreamLastByteMs: -1,
  durationMs: 0,
  responseCode: 404,
  responseCodeDetails: 'route_not_found',
  responseFlags: [ResponseFlag.NoRouteFound],
  bytesSent: 0,
  upstreamCluster: '',
  upstreamHost: '',
  upstreamLocalAddress: '',
  upstreamRequestAttemptCount: 0,
};
