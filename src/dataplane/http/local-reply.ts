// The answers that the proxy gives itself, as data: status, body and what log and statistics say of them, in Envoy's words.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details

import { ResponseFlag } from '../stream-info.ts';
import type { HcmCounter } from './hcm-stats.ts';
import { HeaderList } from './header-list.ts';

/** One local reply. */
export interface LocalReply {
  readonly status: number;
  /** What stands before `date` and `server`; complete with content-length and content-type where there is a body. */
  readonly headers: HeaderList;
  /** '' for none. */
  readonly body: string;
  /** `%RESPONSE_CODE_DETAILS%` */
  readonly details: string;
  /** A bit of ResponseFlag, or 0. */
  readonly flag: number;
  /** The client's connection closes after it. */
  readonly close: boolean;
  /** The connection manager's counter of such replies. */
  readonly counter: HcmCounter | undefined;
  /** What a gRPC client is told instead of what the status of HTTP stands for. */
  readonly grpcStatus: number | undefined;
  /** It is said as it is, by a filter that speaks for the upstream: without the route's headers, and not in gRPC's terms. */
  readonly verbatim: boolean;
}

/** What differs from the plain case: no body, no flag, the connection stays unless the status is 400. */
interface Particulars {
  readonly body?: string;
  readonly flag?: number;
  readonly close?: boolean;
  readonly counter?: HcmCounter;
  readonly location?: string;
  /** Tells the client that a limit of ours was the reason. */
  readonly overloaded?: boolean;
  readonly grpcStatus?: number;
  readonly verbatim?: boolean;
}

/** A local reply. */
export function localReply(status: number, details: string, particulars: Particulars = {}): LocalReply {
  // A request that is called bad may have been read wrongly: Envoy closes after every 400 of its own, also one that a route asks for.
  const {
    body = '',
    flag = 0,
    close = status === 400,
    counter,
    location,
    overloaded = false,
    grpcStatus,
    verbatim = false,
  } = particulars;
  const headers = new HeaderList();
  if (overloaded) headers.add('x-envoy-overloaded', 'true');
  if (body !== '') {
    headers.add('content-length', String(Buffer.byteLength(body)));
    headers.add('content-type', 'text/plain');
  }
  if (location !== undefined) headers.add('location', location);
  return { status, headers, body, details, flag, close, counter, grpcStatus, verbatim };
}

/** Puts headers before those of a reply. What they say of a body counts only for the type of one that is there. */
export function addToReply({ headers, body }: LocalReply, added: HeaderList): void {
  const own = headers.fields.splice(0);
  headers.seen |= added.seen;
  for (let i = 0; i < added.fields.length; i += 2) {
    const name = added.fields[i]!;
    if (body !== '' || (name !== 'content-type' && name !== 'content-length')) headers.add(name, added.fields[i + 1]!);
  }
  for (let i = 0; i < own.length; i += 2) {
    const name = own[i]!;
    if (name !== 'content-type' || !headers.has(name)) headers.set(name, own[i + 1]!);
  }
}

/** The virtual host requires TLS, and the request came without. */
export function redirectToHttps(request: { readonly authority: string; readonly path: string }): LocalReply {
  const location = `https://${request.authority}${request.path}`;
  return localReply(301, 'direct_response', { location, counter: 'rq_direct_response' });
}

/** No virtual host or no route. CONNECT gets no second chance on its connection: what follows may be the tunnel already. */
export function routeNotFound(method: string): LocalReply {
  const close = method === 'CONNECT';
  return localReply(404, 'route_not_found', { flag: ResponseFlag.NoRouteFound, close, counter: 'no_route' });
}

/** The route names a cluster that is not there. */
export function clusterNotFound(status: number): LocalReply {
  return localReply(status, 'cluster_not_found', { flag: ResponseFlag.NoClusterFound, counter: 'no_cluster' });
}

/** The CORS filter answers a preflight; its headers are still to be set. */
export function corsResponse(): LocalReply {
  return localReply(200, 'cors_response', { verbatim: true });
}

/** The fault filter answers in the upstream's place. @param grpcStatus in place of what `status` stands for */
export function faultAbort(status: number, grpcStatus: number | undefined): LocalReply {
  return localReply(status, 'fault_filter_abort', {
    body: 'fault filter abort',
    flag: ResponseFlag.FaultInjected,
    ...(grpcStatus === undefined ? {} : { grpcStatus }),
  });
}

/** An upgrade that neither route nor connection manager allows. */
export function upgradeNotAllowed(): LocalReply {
  return localReply(403, 'upgrade_failed', { close: true, counter: 'downstream_rq_ws_on_non_ws_route' });
}

/** No host to choose. */
export function noHealthyUpstream(): LocalReply {
  const body = 'no healthy upstream';
  return localReply(503, 'no_healthy_upstream', { body, flag: ResponseFlag.NoHealthyUpstream });
}

/** A request to whatever host it names, that names none. */
export function emptyHost(): LocalReply {
  return localReply(400, 'empty_host_header', { body: 'Empty host header' });
}

/** DNS knows no address of the host that the request names. @param reason its code: `ENOTFOUND` */
export function dnsResolutionFailed(reason: string): LocalReply {
  return localReply(503, `dns_resolution_failure{${reason}}`, {
    body: 'DNS resolution failure',
    flag: ResponseFlag.DnsResolutionFailed,
  });
}

/** What was before the last attempt failed. */
interface Failure {
  /** What the connect said; '' for nothing. */
  readonly transportFailure: string;
  /** There were attempts before this one. */
  readonly retried: boolean;
  /** There was an interim response. */
  readonly informed: boolean;
}

/**
 * The last attempt at an upstream ended without a response.
 *
 * @param reason what happened, in words: `connection termination`
 * @param flag says what kind of failure it was
 */
export function upstreamFailed(reason: string, flag: number, failure: Failure): LocalReply {
  const { transportFailure, retried, informed } = failure;
  const cause = reason.replaceAll(' ', '_') + (transportFailure === '' ? '' : `|${transportFailure}`);
  const prefix = retried ? 'retried and the latest reset reason: ' : 'reset reason: ';
  return localReply(
    flag === ResponseFlag.UpstreamProtocolError ? 502 : 503,
    `upstream_reset_${informed ? 'after' : 'before'}_response_started{${cause}}`,
    {
      body: `upstream connect error or disconnect/reset before headers. ${prefix}${reason}`,
      flag,
      overloaded: flag === ResponseFlag.UpstreamOverflow,
    },
  );
}

/**
 * The upstream took too long, in all (`response_timeout`) or in one attempt (`upstream_per_try_timeout`).
 *
 * @param status 204 for clients that asked for it: it has no body
 */
export function upstreamTimeout(
  details: 'response_timeout' | 'upstream_per_try_timeout',
  status: 504 | 204,
): LocalReply {
  const body = status === 504 ? 'upstream request timeout' : '';
  return localReply(status, details, { body, flag: ResponseFlag.UpstreamRequestTimeout });
}

/** An attempt was not over in the time that a stream may take. @param status as for streamIdleTimeout */
export function streamDurationReached(status: 408 | 504): LocalReply {
  return localReply(status, 'upstream_max_stream_duration_reached', {
    body: 'upstream max stream duration reached',
    flag: ResponseFlag.UpstreamMaxStreamDurationReached,
  });
}

/** What the client sent is not HTTP, or HTTP that is refused. */
export function protocolError(status: number, body: string, details: string): LocalReply {
  const flag = ResponseFlag.DownstreamProtocolError;
  return localReply(status, details, { body, flag, close: true, counter: 'downstream_rq_rx_reset' });
}

/** The request head did not come in time. */
export function requestHeadTimeout(): LocalReply {
  return localReply(408, 'request_header_timeout', { body: 'request header timeout', close: true });
}

/** The request did not come in time (`request_timeout`). */
export function requestTimeout(): LocalReply {
  return localReply(408, 'request_overall_timeout', { body: 'request timeout', counter: 'downstream_rq_timeout' });
}

/** Nothing moved for too long. @param status whose fault it was: 408 the client's, 504 the upstream's */
export function streamIdleTimeout(status: 408 | 504): LocalReply {
  return localReply(status, 'stream_idle_timeout', {
    body: 'stream timeout',
    flag: ResponseFlag.StreamIdleTimeout,
    counter: 'downstream_rq_idle_timeout',
  });
}

/** It took too long in all (`max_stream_duration`). @param status as for streamIdleTimeout */
export function maxDurationReached(status: 408 | 504): LocalReply {
  return localReply(status, 'max_duration_timeout', {
    body: 'downstream duration timeout',
    counter: 'downstream_rq_max_duration_reached',
  });
}
