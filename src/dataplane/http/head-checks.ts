// What a connection checks on a request head that parsed, before it is a request: version, target, authority, upgrade, underscores.

import { hasConnectionOption } from './connection-header.ts';
import type { HcmConfig } from './hcm-config.ts';
import {
  BODY_DISALLOWED,
  CHUNKED,
  INVALID_AUTHORITY,
  INVALID_TRANSFER_ENCODING,
  LOW_VERSION,
  type ParseError,
  type RequestHead,
  UNFRAMED,
} from './head-parser.ts';
import { Known } from './header-names.ts';
import { isValidAuthority, parseTarget } from './request-target.ts';

const UNDERSCORE: ParseError = { status: 400, details: 'http1.unexpected_underscore' };

/** The parts of the configuration that say what is accepted. */
type HeadRules = Pick<
  HcmConfig,
  | 'acceptHttp10'
  | 'defaultHostForHttp10'
  | 'rejectUnderscores'
  | 'dropUnderscores'
  | 'useRemoteAddress'
  | 'xffNumTrustedHops'
>;

/**
 * Resolves a head in place: afterwards `target` is the path with its query, `host` the authority, and `upgrade` what the client asks for.
 *
 * @param secure the connection is TLS
 * @returns why it is refused; undefined for what may go on
 */
export function checkHead(head: RequestHead, rules: HeadRules, secure: boolean): ParseError | undefined {
  if (head.minorVersion === 0 && !rules.acceptHttp10) return LOW_VERSION;
  const connect = head.method === 'CONNECT';
  if (head.target.charCodeAt(0) !== 0x2f || connect) {
    // Only at the edge the connection says what the client speaks; behind a proxy that is trusted, TLS may have ended there.
    const isEdge = rules.useRemoteAddress && rules.xffNumTrustedHops === 0;
    const target = parseTarget(head.method, head.target, secure || !isEdge);
    if ('status' in target) return target;
    head.target = target.path;
    head.scheme = target.scheme;
    // The target's authority stands above the Host header. RFC 9112 section 3.2.2
    head.host = target.authority ?? head.host;
  }
  if (head.host === undefined) {
    if (head.minorVersion === 0 && rules.defaultHostForHttp10 !== '') head.host = rules.defaultHostForHttp10;
  } else if (!isValidAuthority(head.host)) return INVALID_AUTHORITY;
  if (connect) {
    // RFC 9110 section 9.3.6: what follows is the tunnel's.
    if (head.framing === CHUNKED) return INVALID_TRANSFER_ENCODING;
    if (head.framing > 0) return BODY_DISALLOWED;
  }
  if ((head.headers.seen & Known.Upgrade) !== 0) takeUpgrade(head);
  return rules.rejectUnderscores || rules.dropUnderscores ? checkUnderscores(head, rules.rejectUnderscores) : undefined;
}

// An upgrade that is asked for the right way, in Upgrade and in Connection. RFC 9110 section 7.8
function takeUpgrade(head: RequestHead): void {
  const { headers } = head;
  const protocol = (headers.get('upgrade') ?? '').toLowerCase();
  headers.remove('upgrade');
  // HTTP/2 by upgrade is gone since RFC 9113: the request stays what it is.
  if (protocol === 'h2c') headers.remove('http2-settings');
  else if (hasConnectionOption(headers, 'upgrade')) {
    head.upgrade = protocol;
    // As in Envoy: chunks too are bytes of the tunnel, unread until the upstream has agreed to it.
    if (protocol !== '' && head.framing === CHUNKED) head.framing = UNFRAMED;
  }
}

// Some upstreams take `x_user` for `x-user`: a client could say what the proxy would have removed.
function checkUnderscores(head: RequestHead, reject: boolean): ParseError | undefined {
  const { headers } = head;
  if (reject && headers.fields.some((field, index) => index % 2 === 0 && field.includes('_'))) return UNDERSCORE;
  headers.removeWhere((name) => name.includes('_'));
  return undefined;
}
