// The request as the upstream gets it: rewritten as the route says, and written as a head of HTTP/1.1.

import type { CompiledRoute, ForwardAction } from '../router/route.ts';
import { withoutQuery } from '../router/route-request.ts';
import { CHUNKED, UNFRAMED } from './head-parser.ts';
import { headerLines } from './header-list.ts';
import type { HttpRequest } from './http-request.ts';

// Methods that say nothing about a body by having none: no `content-length: 0` for them (RFC 9110 section 8.6).
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);

/** Gives a request the path that the route's `prefix_rewrite` or `regex_rewrite` makes of its own. */
export function rewritePath(request: HttpRequest, route: CompiledRoute, action: ForwardAction): void {
  const { prefixRewrite, regexRewrite } = action;
  if (prefixRewrite === undefined && regexRewrite === undefined) return;
  const { path } = request;
  const bare = withoutQuery(path);
  const rewritten =
    prefixRewrite !== undefined ? prefixRewrite + bare.slice(route.path.matchedLength(bare)) : regexRewrite!(bare);
  request.headers.set('x-envoy-original-path', path);
  request.path = rewritten + path.slice(bare.length);
}

/** Gives a request another authority. @param host '' changes nothing */
export function rewriteHost(request: HttpRequest, host: string, action: ForwardAction): void {
  if (host === '') return;
  const { headers, authority } = request;
  if (action.appendForwardedHost) headers.append('x-forwarded-host', authority, ',');
  headers.set('x-envoy-original-host', authority);
  request.authority = host;
}

/** The authority that a route's host rewrites ask for, before a host is chosen; '' for none. */
export function rewrittenHost(request: HttpRequest, action: ForwardAction, targetRewrite: string): string {
  if (targetRewrite !== '') return targetRewrite;
  if (action.hostRewrite !== '') return action.hostRewrite;
  return action.hostRewriteHeader === '' ? '' : (request.headers.get(action.hostRewriteHeader) ?? '');
}

/** Request line and header lines with the empty line; latin1. */
export function requestHeadText(request: HttpRequest): string {
  const { method, headers, framing, upgrade } = request;
  let text = `${method} ${request.path} HTTP/1.1\r\nhost: ${request.authority}\r\n${headerLines(headers)}`;
  if (upgrade !== '') text += `upgrade: ${upgrade}\r\nconnection: Upgrade\r\n`;
  if (framing === CHUNKED) text += 'transfer-encoding: chunked\r\n';
  else if (framing === UNFRAMED) {
    if (!BODILESS.has(method) && upgrade === '') text += 'content-length: 0\r\n';
  } else if (!headers.has('content-length')) text += `content-length: ${framing}\r\n`;
  return `${text}\r\n`;
}
