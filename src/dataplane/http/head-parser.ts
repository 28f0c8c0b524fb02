// Parses the head of an HTTP/1.1 message out of one string, once and strictly: whatever a second parser could read differently is refused.
// RFC 9112; https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details

import { HeaderList } from './header-list.ts';
import { KNOWN_NAMES, Known } from './header-names.ts';

/** Why a message was refused: the status to answer and Envoy's response code details. */
export interface ParseError {
  readonly status: number;
  readonly details: string;
}

const badRequest = (details: string): ParseError => ({ status: 400, details });

export const CODEC_ERROR = badRequest('http1.codec_error');
const INVALID_CHARACTERS = badRequest('http1.invalid_characters');
export const INVALID_URL = badRequest('http1.invalid_url');
export const INVALID_AUTHORITY = badRequest('http.invalid_authority');
export const BODY_DISALLOWED = badRequest('http1.body_disallowed');
const LENGTH_AND_CHUNKED = badRequest('http1.content_length_and_chunked_not_allowed');
export const INVALID_TRANSFER_ENCODING: ParseError = { status: 501, details: 'http1.invalid_transfer_encoding' };
export const HEADERS_TOO_LARGE: ParseError = { status: 431, details: 'http1.headers_too_large' };
const TOO_MANY_HEADERS: ParseError = { status: 431, details: 'http1.too_many_headers' };
export const LOW_VERSION: ParseError = { status: 426, details: 'low_version' };
export const HTTPS_URL_ON_PLAINTEXT: ParseError = {
  status: 403,
  details: 'http1.https_url_on_plaintext_connection',
};

/** Body framing of a message. A number ≥ 0 is a Content-Length. */
export const CHUNKED = -1;
/** No framing header: no body in a request, until the connection closes in a response. */
export const UNFRAMED = -2;

// Character classes as bits of one table.
const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;
const UPPER = 8;
const CLASSES = new Uint8Array(256);
for (let code = 0; code < 256; code += 1) {
  const char = String.fromCharCode(code);
  let bits = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char)) bits |= TOKEN; // RFC 9110 section 5.6.2
  if (code === 0x09 || (code >= 0x20 && code !== 0x7f)) bits |= VALUE; // field-vchar, obs-text, SP, HTAB
  if (code > 0x20 && code < 0x7f) bits |= TARGET;
  if (code >= 0x41 && code <= 0x5a) bits |= UPPER;
  CLASSES[code] = bits;
}

// The methods of the IANA registry that Envoy's parser knows. With allow_custom_methods any token would do.
const METHODS: ReadonlySet<string> = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST ' +
    'PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);

/** True for a byte that may stand in a method. Used on heads that are not complete yet. */
export function isTokenByte(byte: number): boolean {
  return (CLASSES[byte]! & TOKEN) !== 0;
}

/** True for a byte that may stand in a request target. */
export function isTargetByte(byte: number): boolean {
  return (CLASSES[byte]! & TARGET) !== 0;
}

/** The head of a request. */
export class RequestHead {
  method = '';
  /** The request target as sent. */
  target = '';
  /** As the client says it, in lower case: `:scheme` of HTTP/2, the scheme of a target in absolute-form. '' where it says nothing. */
  scheme = '';
  /** 0 for HTTP/1.0, 1 for HTTP/1.1 */
  minorVersion = 1;
  http2 = false;
  /** undefined where there was no Host header. */
  host: string | undefined = undefined;
  /** CHUNKED, UNFRAMED or the Content-Length. */
  framing = UNFRAMED;
  /** The protocol the client asks to change to, in lower case; '' for none. Set by `checkHead`. */
  upgrade = '';
  /** Without Host, which is kept apart. */
  readonly headers = new HeaderList();
}

/** The head of a response. */
export class ResponseHead {
  status = 0;
  minorVersion = 1;
  /** CHUNKED, UNFRAMED or the Content-Length. */
  framing = UNFRAMED;
  readonly headers = new HeaderList();
}

/**
 * Parses a request head.
 *
 * @param text request line and header lines, each with its CRLF, without the empty line; latin1
 * @param maxHeaders most header lines accepted
 * @param customMethods accept any token as method
 */
export function parseRequestHead(text: string, maxHeaders: number, customMethods: boolean): RequestHead | ParseError {
  const lineEnd = text.indexOf('\r\n');
  const methodEnd = text.indexOf(' ');
  if (methodEnd <= 0 || methodEnd > lineEnd) return CODEC_ERROR;
  const head = new RequestHead();
  const method = text.slice(0, methodEnd);
  if (!METHODS.has(method) && !(customMethods && isToken(method))) return CODEC_ERROR;
  head.method = method;

  let at = methodEnd + 1;
  for (; at < lineEnd; at += 1) {
    const code = text.charCodeAt(at);
    if ((CLASSES[code]! & TARGET) === 0) {
      if (code === 0x20) break;
      return code < 0x20 || code === 0x7f ? INVALID_CHARACTERS : CODEC_ERROR;
    }
  }
  if (at === methodEnd + 1) return CODEC_ERROR;
  head.target = text.slice(methodEnd + 1, at);
  if (at === lineEnd) return LOW_VERSION; // HTTP/0.9

  // "HTTP/" DIGIT "." DIGIT and nothing after it. RFC 9112 section 2.3
  if (lineEnd - at !== 9 || !text.startsWith('HTTP/', at + 1) || text.charCodeAt(at + 7) !== 0x2e) return CODEC_ERROR;
  const major = text.charCodeAt(at + 6) - 0x30;
  const minor = text.charCodeAt(at + 8) - 0x30;
  if (major < 0 || major > 9 || minor < 0 || minor > 9) return CODEC_ERROR;
  if (major !== 1 || minor > 1) return LOW_VERSION;
  head.minorVersion = minor;

  const error = parseHeaders(text, lineEnd + 2, head, maxHeaders);
  if (error !== undefined) return error;
  return head;
}

/**
 * Parses a response head; undefined when it is not valid HTTP/1.
 *
 * @param text as for parseRequestHead
 */
export function parseResponseHead(text: string, maxHeaders: number): ResponseHead | undefined {
  const lineEnd = text.indexOf('\r\n');
  // "HTTP/1." DIGIT SP 3DIGIT [SP reason]; the space before an absent reason may be missing.
  if (lineEnd < 12 || !text.startsWith('HTTP/1.') || text.charCodeAt(8) !== 0x20) return undefined;
  const head = new ResponseHead();
  const minor = text.charCodeAt(7) - 0x30;
  if (minor !== 0 && minor !== 1) return undefined;
  head.minorVersion = minor;
  const hundreds = text.charCodeAt(9) - 0x30;
  const tens = text.charCodeAt(10) - 0x30;
  const ones = text.charCodeAt(11) - 0x30;
  if (hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return undefined;
  if (lineEnd > 12 && text.charCodeAt(12) !== 0x20) return undefined;
  for (let at = 13; at < lineEnd; at += 1) if ((CLASSES[text.charCodeAt(at)]! & VALUE) === 0) return undefined;
  head.status = hundreds * 100 + tens * 10 + ones;
  return parseHeaders(text, lineEnd + 2, head, maxHeaders) === undefined ? head : undefined;
}

/** Parses trailer lines (each with its CRLF) into a list; undefined when one is not valid. Framing headers in it are dropped. */
export function parseTrailers(text: string, maxHeaders: number): HeaderList | undefined {
  const head = new ResponseHead();
  if (parseHeaders(text, 0, head, maxHeaders) !== undefined) return undefined;
  // RFC 9110 section 6.5.1: framing and routing do not belong into trailers.
  for (const name of ['content-length', 'transfer-encoding', 'host', 'connection', 'trailer'])
    head.headers.remove(name);
  return head.headers;
}

function parseHeaders(
  text: string,
  start: number,
  head: RequestHead | ResponseHead,
  maxHeaders: number,
): ParseError | undefined {
  const fields = head.headers.fields;
  const end = text.length;
  let at = start;
  let seen = 0;
  let count = 0;
  while (at < end) {
    count += 1;
    if (count > maxHeaders) return TOO_MANY_HEADERS;
    const nameStart = at;
    let nameBits = 0;
    let code = 0;
    for (; at < end; at += 1) {
      code = text.charCodeAt(at);
      const bits = CLASSES[code]!;
      if ((bits & TOKEN) === 0) break;
      nameBits |= bits;
    }
    // An empty name, a space before the colon, an obs-fold and a line without colon all end here.
    if (code !== 0x3a || at === nameStart) return CODEC_ERROR;
    const rawName = text.slice(nameStart, at);
    at += 1;
    while (at < end && isBlank(text.charCodeAt(at))) at += 1;
    const valueStart = at;
    for (; at < end; at += 1) {
      code = text.charCodeAt(at);
      if ((CLASSES[code]! & VALUE) === 0) break;
    }
    if (code !== 0x0d || text.charCodeAt(at + 1) !== 0x0a) {
      // A bare CR or LF inside a value is a smuggling attempt; other control bytes are invalid characters.
      return code === 0x0d || code === 0x0a ? CODEC_ERROR : INVALID_CHARACTERS;
    }
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    const value = text.slice(valueStart, valueEnd);
    at += 2;

    let known = KNOWN_NAMES.get(rawName);
    let name = rawName;
    if (known === undefined && (nameBits & UPPER) !== 0) {
      name = rawName.toLowerCase();
      known = KNOWN_NAMES.get(name);
    }
    if (known === undefined) {
      fields.push(name, value);
      continue;
    }
    name = known.name;
    const bits = known.bits;
    if ((bits & (Known.Host | Known.ContentLength | Known.TransferEncoding)) !== 0) {
      if ((seen & bits) !== 0) return bits === Known.TransferEncoding ? INVALID_TRANSFER_ENCODING : CODEC_ERROR;
      seen |= bits;
      if (bits === Known.Host) {
        if (head instanceof RequestHead) {
          head.host = value;
          continue;
        }
      } else if (bits === Known.ContentLength) {
        const length = parseLength(value);
        if (length < 0) return CODEC_ERROR;
        head.framing = length;
      } else {
        // RFC 9112 section 6.1: a coding we do not know is answered with 501.
        if (value !== 'chunked' && value.toLowerCase() !== 'chunked') return INVALID_TRANSFER_ENCODING;
        continue;
      }
    } else if ((bits & Known.Joined) !== 0 && (seen & Known.Joined) !== 0 && head.headers.has(name)) {
      head.headers.append(name, value, ',');
      continue;
    }
    seen |= bits;
    fields.push(name, value);
  }
  if ((seen & Known.TransferEncoding) !== 0) {
    if ((seen & Known.ContentLength) !== 0) return LENGTH_AND_CHUNKED;
    // RFC 9112 section 6.1: HTTP/1.0 knows no transfer codings, so its framing would be a guess.
    if (head.minorVersion === 0) return INVALID_TRANSFER_ENCODING;
    head.framing = CHUNKED;
  }
  head.headers.seen = seen;
  return undefined;
}

// Space or tab: optional white space around a value. RFC 9110 section 5.6.3
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** A Content-Length: only digits, at most 15 of them (exact in a double); -1 when it is anything else. */
function parseLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1;
  let length = 0;
  for (let i = 0; i < value.length; i += 1) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if ((CLASSES[text.charCodeAt(i)]! & TOKEN) === 0) return false;
  return text.length > 0;
}
