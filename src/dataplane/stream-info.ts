// What is known about one request or one TCP connection, as it becomes known: the record that the access log and the
// statistics are written from (Envoy's StreamInfo).

import type { DownstreamConnection } from './connection.ts';

/** Why a response is what it is, as bits of `responseFlags`. Values are Limen's own; names are Envoy's short strings (see RESPONSE_FLAGS). */
export const ResponseFlag = {
  NoHealthyUpstream: 1 << 0,
  UpstreamConnectionFailure: 1 << 1,
  UpstreamConnectionTermination: 1 << 2,
  UpstreamRemoteReset: 1 << 3,
  UpstreamRequestTimeout: 1 << 4,
  UpstreamOverflow: 1 << 5,
  UpstreamRetryLimitExceeded: 1 << 6,
  UpstreamProtocolError: 1 << 7,
  NoRouteFound: 1 << 8,
  NoClusterFound: 1 << 9,
  DownstreamConnectionTermination: 1 << 10,
  DownstreamProtocolError: 1 << 11,
  StreamIdleTimeout: 1 << 12,
  OverloadManager: 1 << 13,
  LocalReset: 1 << 14,
  DurationTimeout: 1 << 15,
} as const;

/**
 * The short string of each flag in an access log, in Envoy's order of printing.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
 */
export const RESPONSE_FLAGS: readonly (readonly [flag: number, short: string])[] = [
  // Envoy prints flags in the order they were raised; that retries are used up is known before why the last one failed.
  [ResponseFlag.UpstreamRetryLimitExceeded, 'URX'],
  [ResponseFlag.NoHealthyUpstream, 'UH'],
  [ResponseFlag.UpstreamConnectionFailure, 'UF'],
  [ResponseFlag.UpstreamOverflow, 'UO'],
  [ResponseFlag.NoRouteFound, 'NR'],
  [ResponseFlag.NoClusterFound, 'NC'],
  [ResponseFlag.DurationTimeout, 'DT'],
  [ResponseFlag.DownstreamConnectionTermination, 'DC'],
  [ResponseFlag.LocalReset, 'LR'],
  [ResponseFlag.UpstreamRemoteReset, 'UR'],
  [ResponseFlag.UpstreamConnectionTermination, 'UC'],
  [ResponseFlag.UpstreamRequestTimeout, 'UT'],
  [ResponseFlag.DownstreamProtocolError, 'DPE'],
  [ResponseFlag.UpstreamProtocolError, 'UPE'],
  [ResponseFlag.StreamIdleTimeout, 'SI'],
  [ResponseFlag.OverloadManager, 'OM'],
];

/** Reads one header, by its lower-case name; several lines of one name are joined with a comma. Undefined when absent. */
export type HeaderReader = (lowerCaseName: string) => string | undefined;

/** The record of one request (HTTP) or one connection (TCP). Filled in place by the filter that owns it, read once it ended. */
export interface StreamInfo {
  /** Wall clock at the start, milliseconds since the epoch. */
  startTime: number;
  /** The following are milliseconds since the start, or -1 for "did not happen". */
  requestLastByteMs: number;
  upstreamFirstByteMs: number;
  upstreamLastByteMs: number;
  durationMs: number;
  /** `HTTP/1.1`, `HTTP/1.0`, `HTTP/2`, or '' for TCP. */
  protocol: string;
  method: string;
  /** The path as the client sent it, before any rewrite (`x-envoy-original-path` semantics), and after. */
  originalPath: string;
  path: string;
  authority: string;
  /** 0 where there was none. */
  responseCode: number;
  /** Envoy's `%RESPONSE_CODE_DETAILS%`: `via_upstream`, `route_not_found`, … */
  responseCodeDetails: string;
  connectionTerminationDetails: string;
  /** Bits of ResponseFlag. */
  responseFlags: number;
  /** Bodies only, framing apart; for TCP the payload. */
  bytesReceived: number;
  bytesSent: number;
  routeName: string;
  upstreamCluster: string;
  /** `ip:port`, '' where no host was chosen. */
  upstreamHost: string;
  upstreamLocalAddress: string;
  upstreamTransportFailureReason: string;
  upstreamRequestAttemptCount: number;
  /** `ip:port` */
  downstreamLocalAddress: string;
  downstreamRemoteAddress: string;
  requestedServerName: string;
  /** `TLSv1.3`, or '' in plain text. */
  downstreamTlsVersion: string;
  downstreamTlsCipher: string;
  downstreamPeerSubject: string;
  downstreamPeerUriSan: string;
  requestHeader: HeaderReader;
  responseHeader: HeaderReader;
}

/** The flags of a record as an access log prints them: short strings joined by commas, or `-`. */
export function responseFlagsText(flags: number): string {
  if (flags === 0) return '-';
  const shorts: string[] = [];
  for (const [flag, short] of RESPONSE_FLAGS) if ((flags & flag) !== 0) shorts.push(short);
  return shorts.join(',');
}

/** Writes records of ended requests and connections somewhere. Must not throw. */
export interface AccessLogger {
  log(info: StreamInfo): void;
}

/**
 * The record of a connection without requests, as it begins.
 * @param startTime milliseconds since the epoch
 */
export function connectionRecord(
  connection: Pick<DownstreamConnection, 'localAddress' | 'remoteAddress' | 'serverName' | 'tls'>,
  startTime: number,
): StreamInfo {
  return {
    startTime,
    requestLastByteMs: -1,
    upstreamFirstByteMs: -1,
    upstreamLastByteMs: -1,
    durationMs: -1,
    protocol: '',
    method: '',
    originalPath: '',
    path: '',
    authority: '',
    responseCode: 0,
    responseCodeDetails: '',
    connectionTerminationDetails: '',
    responseFlags: 0,
    bytesReceived: 0,
    bytesSent: 0,
    routeName: '',
    upstreamCluster: '',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamTransportFailureReason: '',
    upstreamRequestAttemptCount: 0,
    downstreamLocalAddress: connection.localAddress,
    downstreamRemoteAddress: connection.remoteAddress,
    requestedServerName: connection.serverName,
    downstreamTlsVersion: connection.tls?.version ?? '',
    downstreamTlsCipher: connection.tls?.cipher ?? '',
    downstreamPeerSubject: connection.tls?.peer?.subject ?? '',
    downstreamPeerUriSan: connection.tls?.peer?.uriSan ?? '',
    requestHeader: () => undefined,
    responseHeader: () => undefined,
  };
}
