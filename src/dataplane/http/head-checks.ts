// What a connection checks on a request head that parsed, before it is a request: version, target, authority, underscores.

import type { HcmConfig } from './hcm-config.ts';
import { INVALID_AUTHORITY, LOW_VERSION, type ParseError, type RequestHead } from './head-parser.ts';
import { isValidAuthority, parseTarget } from './request-target.ts';

const UNDERSCORE: ParseError = { status: 400, details: 'http1.unexpected_underscore' };

/** The parts of the configuration that say what is accepted. */
type HeadRules = Pick<HcmConfig, 'acceptHttp10' | 'defaultHostForHttp10' | 'rejectUnderscores' | 'dropUnderscores'>;

/**
 * Resolves a head in place: afterwards `target` is the path with its query, and `host` the authority.
 *
 * @param secure the connection is TLS
 * @returns why it is refused; undefined for what may go on
 */
export function checkHead(head: RequestHead, rules: HeadRules, secure: boolean): ParseError | undefined {
  if (head.minorVersion === 0 && !rules.acceptHttp10) return LOW_VERSION;
  if (head.target.charCodeAt(0) !== 0x2f) {
    const target = parseTarget(head.method, head.target, secure);
    if ('status' in target) return target;
    head.target = target.path;
    // The target's authority stands above the Host header. RFC 9112 section 3.2.2
    head.host = target.authority ?? head.host;
  }
  if (head.host === undefined) {
    if (head.minorVersion === 0 && rules.defaultHostForHttp10 !== '') head.host = rules.defaultHostForHttp10;
  } else if (!isValidAuthority(head.host)) return INVALID_AUTHORITY;
  return rules.rejectUnderscores || rules.dropUnderscores ? checkUnderscores(head, rules.rejectUnderscores) : undefined;
}

// Some upstreams take `x_user` for `x-user`: a client could say what the proxy would have removed.
function checkUnderscores(head: RequestHead, reject: boolean): ParseError | undefined {
  const { headers } = head;
  if (reject && headers.fields.some((field, index) => index % 2 === 0 && field.includes('_'))) return UNDERSCORE;
  headers.removeWhere((name) => name.includes('_'));
  return undefined;
}
