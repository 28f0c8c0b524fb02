// What is known about one request or one TCP connection, as it becomes known: the record that the access log and the
// statistics are written from (Envoy's StreamInfo).

import type { DownstreamConnection } from './connection.ts';

/** Why a response is what it is. Values are Limen's own, 0 is none of them; names are Envoy's short strings (see RESPONSE_FLAGS). */
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
  UpstreamMaxStreamDurationReached: 1 << 16,
  DownstreamRemoteReset: 1 << 17,
  DelayInjected: 1 << 18,
  FaultInjected: 1 << 19,
  DnsResolutionFailed: 1 << 20,
} as const;

/**
 * The short string of each flag in an access log.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
 */
export const RESPONSE_FLAGS: ReadonlyMap<number, string> = new Map([
  [ResponseFlag.NoHealthyUpstream, 'UH'],
  [ResponseFlag.UpstreamConnectionFailure, 'UF'],
  [ResponseFlag.UpstreamRetryLimitExceeded, 'URX'],
  [ResponseFlag.UpstreamOverflow, 'UO'],
  [ResponseFlag.NoRouteFound, 'NR'],
  [ResponseFlag.NoClusterFound, 'NC'],
  [ResponseFlag.DurationTimeout, 'DT'],
  [ResponseFlag.DownstreamConnectionTermination, 'DC'],
  [ResponseFlag.LocalReset, 'LR'],
  [ResponseFlag.DownstreamRemoteReset, 'DR'],
  [ResponseFlag.UpstreamRemoteReset, 'UR'],
  [ResponseFlag.UpstreamConnectionTermination, 'UC'],
  [ResponseFlag.UpstreamRequestTimeout, 'UT'],
  [ResponseFlag.DownstreamProtocolError, 'DPE'],
  [ResponseFlag.UpstreamProtocolError, 'UPE'],
  [ResponseFlag.StreamIdleTimeout, 'SI'],
  [ResponseFlag.UpstreamMaxStreamDurationReached, 'UMSDR'],
  [ResponseFlag.OverloadManager, 'OM'],
  [ResponseFlag.DelayInjected, 'DI'],
  [ResponseFlag.FaultInjected, 'FI'],
  [ResponseFlag.DnsResolutionFailed, 'DF'],
]);

/** The flags of a stream that has none. */
export const NO_FLAGS: readonly number[] = [];

/** The flags of a stream with one more, which is 0 or a ResponseFlag. Nothing is raised twice. */
export function raise(flags: readonly number[], flag: number): readonly number[] {
  return flag === 0 || flags.includes(flag) ? flags : [...flags, flag];
}

/**
 * Reads one header or pseudo-header, by its lower-case name (`host` is `:authority`); several lines of one name are joined with a comma.
 * Undefined when absent.
 */
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
  /** 0 where there was none. */
  responseCode: number;
  /** Envoy's `%RESPONSE_CODE_DETAILS%`: `via_upstream`, `route_not_found`, … */
  responseCodeDetails: string;
  connectionTerminationDetails: string;
  /** Of ResponseFlag, in the order in which they were raised: Envoy prints them so. */
  responseFlags: readonly number[];
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
export function responseFlagsText(flags: readonly number[]): string {
  return flags.length === 0 ? '-' : flags.map((flag) => RESPONSE_FLAGS.get(flag)).join(',');
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
    responseCode: 0,
    responseCodeDetails: '',
    connectionTerminationDetails: '',
    responseFlags: NO_FLAGS,
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
    downstreamPeerUriSan: connection.tls?.peer?.uriSans.join(',') ?? '',
    requestHeader: () => undefined,
    responseHeader: () => undefined,
  };
}
