// Takes a request target apart: origin-form, absolute-form, authority-form, asterisk-form. RFC 9112 section 3.2

import { CODEC_ERROR, HTTPS_URL_ON_PLAINTEXT, INVALID_URL, type ParseError } from './head-parser.ts';

/** Scheme, authority and path of a request. */
export interface Target {
  /** In lower case; '' where the target has none. */
  readonly scheme: string;
  /** undefined: the Host header says. */
  readonly authority: string | undefined;
  /** Path and query; '' for CONNECT, `*` for the asterisk-form. */
  readonly path: string;
}

const AUTHORITY_CHARS = new Uint8Array(256);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@[]%") {
  AUTHORITY_CHARS[char.charCodeAt(0)] = 1;
}

/** True for what may stand in Host. */
export function isValidAuthority(authority: string): boolean {
  for (let i = 0; i < authority.length; i += 1) if (AUTHORITY_CHARS[authority.charCodeAt(i)] !== 1) return false;
  return true;
}

const MAX_PORT = 65_535;

/** Whether what follows the host is nothing, or a port that exists. */
function isHostAndPort(authority: string): boolean {
  const colon = authority.indexOf(':', authority.startsWith('[') ? authority.indexOf(']') : 0);
  if (colon < 0) return true;
  let port = 0;
  for (let i = colon + 1; i < authority.length; i += 1) {
    const digit = authority.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
    if (port > MAX_PORT) return false;
  }
  return colon + 1 < authority.length;
}

/**
 * For CONNECT, and for targets that are not origin-form.
 *
 * @param secure `https://` may be asked for: the connection is TLS, or the client's may be
 */
export function parseTarget(method: string, target: string, secure: boolean): Target | ParseError {
  if (method === 'CONNECT') {
    // host ":" port. RFC 9112 section 3.2.3
    return target.lastIndexOf(':') > 0 && isValidAuthority(target) && isHostAndPort(target)
      ? { scheme: '', authority: target, path: '' }
      : INVALID_URL;
  }
  if (target === '*') return method === 'OPTIONS' ? { scheme: '', authority: undefined, path: '*' } : INVALID_URL;
  const lower = target.slice(0, 8).toLowerCase();
  let start: number;
  if (lower.startsWith('http://')) start = 7;
  else if (lower === 'https://') {
    if (!secure) return HTTPS_URL_ON_PLAINTEXT;
    start = 8;
  } else return CODEC_ERROR;
  let end = start;
  while (end < target.length && !'/?#'.includes(target[end]!)) end += 1;
  if (target[end] === '#') return CODEC_ERROR; // a fragment without a path before it
  const authority = target.slice(start, end);
  if (authority === '' || authority.includes('@') || !isValidAuthority(authority) || !isHostAndPort(authority))
    return INVALID_URL;
  const rest = target.slice(end);
  return { scheme: start === 7 ? 'http' : 'https', authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}
