// Makes a request head of the header list of an HTTP/2 stream. nghttp2 has checked what RFC 9113 section 8.2 and 8.3 ask for: names, values,
// pseudo-headers, connection-specific headers, content-length. What is left are our bounds and what HTTP/1.1 upstreams must not see.

import { CHUNKED, isTargetByte, RequestHead, UNFRAMED } from '../http/head-parser.ts';
import { KNOWN_NAMES, Known } from '../http/header-names.ts';
import { isValidAuthority } from '../http/request-target.ts';

/** Why a stream is refused: the code of its RST_STREAM is INTERNAL_ERROR for `bound`, else PROTOCOL_ERROR. */
export interface HeadRefusal {
  readonly kind: 'bound' | 'malformed' | 'underscore';
  /** `%RESPONSE_CODE_DETAILS%` */
  readonly details: string;
}

const TOO_MANY: HeadRefusal = { kind: 'bound', details: 'http2.too_many_headers' };
const TOO_LARGE: HeadRefusal = { kind: 'bound', details: 'http2.header_list_size_too_large' };
const INVALID: HeadRefusal = { kind: 'malformed', details: 'http2.invalid.header.field' };
const UNDERSCORE: HeadRefusal = { kind: 'underscore', details: 'http2.unexpected_underscore' };

/** The parts of the configuration that say what is accepted. */
export interface HeadBounds {
  /** Of names and values together, pseudo-headers among them. */
  readonly maxHeadBytes: number;
  /** Pseudo-headers among them, as Envoy counts. */
  readonly maxHeaders: number;
  readonly rejectUnderscores: boolean;
  readonly dropUnderscores: boolean;
}

/**
 * @param list name, value, name, value …; latin1
 * @param ended there is no body
 */
export function readRequestHead(
  list: readonly string[],
  ended: boolean,
  bounds: HeadBounds,
): RequestHead | HeadRefusal {
  if (list.length > 2 * bounds.maxHeaders) return TOO_MANY;
  const head = new RequestHead();
  head.http2 = true;
  const { headers } = head;
  let bytes = 0;
  let host: string | undefined;
  let authority: string | undefined;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!;
    const value = list[i + 1]!;
    bytes += name.length + value.length;
    if (name.charCodeAt(0) === 0x3a) {
      if (name === ':method') head.method = value;
      else if (name === ':path') head.target = value;
      else if (name === ':authority') authority = value;
      else if (name === ':scheme') head.scheme = value.toLowerCase();
      continue;
    }
    const known = KNOWN_NAMES.get(name);
    if (known === undefined) {
      if ((bounds.rejectUnderscores || bounds.dropUnderscores) && name.includes('_')) {
        if (bounds.rejectUnderscores) return UNDERSCORE;
      } else headers.fields.push(name, value);
      continue;
    }
    const { bits } = known;
    if ((bits & Known.Host) !== 0) {
      host = value;
      continue;
    }
    // RFC 9113 section 8.2.3: a cookie may come in crumbs, which HTTP/1.1 does not know.
    if (name === 'cookie' && headers.has(name)) headers.append(name, value, '; ');
    else if ((bits & headers.seen & Known.Joined) !== 0 && headers.has(name)) headers.append(name, value, ',');
    else headers.fields.push(name, value);
    headers.seen |= bits;
  }
  if (bytes > bounds.maxHeadBytes) return TOO_LARGE;
  // :authority counts, a Host header beside it is dropped: an upstream must not read another name than the router did.
  head.host = authority ?? host;
  if (head.host !== undefined && !isValidAuthority(head.host)) return INVALID;
  const { target } = head;
  for (let i = 0; i < target.length; i += 1) if (!isTargetByte(target.charCodeAt(i))) return INVALID;
  head.framing = framingOf(head, ended);
  return head;
}

// How the body goes on to an upstream that needs to be told.
function framingOf(head: RequestHead, ended: boolean): number {
  const length = (head.headers.seen & Known.ContentLength) === 0 ? undefined : head.headers.get('content-length');
  if (length !== undefined) return Number(length);
  return ended ? UNFRAMED : CHUNKED;
}
