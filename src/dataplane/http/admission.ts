// What every request goes through before routing: is it acceptable, how is its path spelled, whose is it.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/header_sanitizing

import type { DownstreamConnection } from '../connection.ts';
import { removeHopByHop } from './connection-header.ts';
import type { HcmConfig } from './hcm-config.ts';
import type { HttpRequest } from './http-request.ts';
import { type LocalReply, localReply, protocolError } from './local-reply.ts';
import { mutateRequestHeaders } from './request-headers.ts';

const NO_HEADERS: readonly string[] = [];

/**
 * Checks, normalizes and completes a request in place, in Envoy's order.
 *
 * @param internalOnly headers of the route configuration that outsiders may not send
 * @returns the answer to a request that goes no further
 */
export function admit(
  request: HttpRequest,
  connection: DownstreamConnection,
  config: HcmConfig,
  internalOnly: readonly string[] = NO_HEADERS,
): LocalReply | undefined {
  if (!request.hasHost) return localReply(400, 'missing_host_header');
  if (request.method !== 'CONNECT') {
    const refusal = normalizePath(request, config);
    if (refusal !== undefined) return refusal;
  }
  if (config.stripAnyPort || config.stripMatchingPort || config.stripTrailingHostDot) {
    request.authority = normalizeAuthority(request.authority, connection.localAddress, config);
  }
  // Whoever matches or logs headers below must not see those that were meant for us alone.
  if (!takeHopByHop(request)) return protocolError(400, 'Bad Request', 'http1.connection_header_rejected');
  const view = mutateRequestHeaders(request.headers, connection, config, internalOnly);
  request.forwardedProto = view.forwardedProto;
  // A client's own scheme counts in redirects and matches, as in Envoy, but never for whether its connection is safe.
  if (request.scheme === '') request.scheme = view.forwardedProto;
  request.remoteIp = view.remoteIp;
  request.internal = view.internal;
  return undefined;
}

function normalizePath(request: HttpRequest, config: HcmConfig): LocalReply | undefined {
  if (request.path.charCodeAt(0) !== 0x2f) {
    return localReply(404, 'absolute_path_rejected', { counter: 'downstream_rq_non_relative_path' });
  }
  const normalized = config.normalizePath(request.path);
  if (normalized === undefined) return undefined;
  const { outcome, path } = normalized;
  const details = 'path_normalization_failed';
  if (outcome === 'reject') {
    return localReply(400, details, { counter: 'downstream_rq_failed_path_normalization' });
  }
  request.path = path;
  request.originalPath = path;
  if (outcome === 'ok') return undefined;
  return localReply(307, details, { location: path, counter: 'downstream_rq_redirected_with_normalized_path' });
}

/** The parts of the configuration that say how an authority is spelled. */
type AuthorityRules = Pick<HcmConfig, 'stripAnyPort' | 'stripMatchingPort' | 'stripTrailingHostDot'>;

/**
 * Takes port and trailing dot off an authority, where the rules say so.
 *
 * @param localAddress `ip:port` of the listener, for the port that `stripMatchingPort` means
 */
export function normalizeAuthority(authority: string, localAddress: string, rules: AuthorityRules): string {
  let host = authority;
  let port = '';
  const colon = host.lastIndexOf(':');
  // A colon inside the brackets of an IPv6 literal is none before a port.
  if (colon > host.lastIndexOf(']')) {
    port = host.slice(colon);
    host = host.slice(0, colon);
  }
  if (rules.stripAnyPort || (rules.stripMatchingPort && port !== '' && localAddress.endsWith(port))) port = '';
  if (rules.stripTrailingHostDot && host.endsWith('.')) host = host.slice(0, -1);
  return host + port;
}

// False where Connection names what it must not.
function takeHopByHop(request: HttpRequest): boolean {
  const { headers } = request;
  const options = removeHopByHop(headers, true);
  if (options.invalid) return false;
  request.closes = options.close;
  return true;
}
