// Makes one path of the many spellings of it, before routing sees it: RFC 3986 section 6, as `normalize_path`,
// `merge_slashes` and `path_with_escaped_slashes_action` ask. A fragment, which no client should send, is cut off, as Istio's gateways do
// (http_reject_path_with_fragment is false there).
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/header_sanitizing

import {
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  type HttpConnectionManager,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

/** The outcome for one path. */
export interface NormalizedPath {
  readonly outcome: 'ok' | 'reject' | 'redirect';
  /** Normalized, with its query. */
  readonly path: string;
}

/** Normalizes a path with query. `ok` with the path itself in the common case that nothing is to do. */
export type PathNormalizer = (path: string) => NormalizedPath | undefined;

// Characters that a URL parser leaves as they are in a path. Others are percent-encoded.
const KEEP = new Uint8Array(128);
for (let code = 0x21; code < 0x7f; code += 1) KEEP[code] = 1;
for (const char of '"<>\\^`{|}#?') KEEP[char.charCodeAt(0)] = 0;

const UNRESERVED = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~')
  UNRESERVED[char.charCodeAt(0)] = 1;

/** @returns undefined from the normalizer where the path stays as it is */
export function compilePathNormalizer(config: HttpConnectionManager): PathNormalizer {
  const normalize = config.normalizePath ?? false;
  const { mergeSlashes } = config;
  const action = config.pathWithEscapedSlashesAction;
  const unescapes = action === EscapedSlashes.UNESCAPE_AND_FORWARD || action === EscapedSlashes.UNESCAPE_AND_REDIRECT;
  const checkEscapes = unescapes || action === EscapedSlashes.REJECT_REQUEST;
  if (!normalize && !mergeSlashes && !checkEscapes) {
    return (path) => (path.includes('#') ? { outcome: 'ok', path: withoutFragment(path) } : undefined);
  }
  return (received) => {
    if (!needsWork(received)) return undefined;
    const path = withoutFragment(received);
    const queryAt = path.indexOf('?');
    let bare = queryAt < 0 ? path : path.slice(0, queryAt);
    const query = queryAt < 0 ? '' : path.slice(queryAt);
    let redirect = false;
    if (checkEscapes && /%2f|%5c/i.test(bare)) {
      if (action === EscapedSlashes.REJECT_REQUEST) return { outcome: 'reject', path };
      bare = bare.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
      redirect = action === EscapedSlashes.UNESCAPE_AND_REDIRECT;
    }
    if (normalize) {
      const canonical = canonicalPath(bare);
      if (canonical === undefined) return { outcome: 'reject', path };
      bare = canonical;
    }
    if (mergeSlashes) bare = bare.replace(/\/{2,}/g, '/');
    return { outcome: redirect ? 'redirect' : 'ok', path: bare + query };
  };
}

function withoutFragment(path: string): string {
  const fragment = path.indexOf('#');
  return fragment < 0 ? path : path.slice(0, fragment);
}

// True where any step could change the path: an escape, a dot segment, a double slash, a fragment, a character to encode.
function needsWork(path: string): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i += 1) {
    const code = path.charCodeAt(i);
    if (code === 0x3f) return path.includes('#', i);
    if (code === 0x25 || KEEP[code] !== 1) return true;
    if (previous === 0x2f && (code === 0x2f || code === 0x2e)) return true;
    previous = code;
  }
  return false;
}

/** Dot segments resolved, unreserved escapes decoded, backslashes turned, the rest percent-encoded; undefined for NUL. */
export function canonicalPath(path: string): string | undefined {
  let decoded = '';
  for (let i = 0; i < path.length; i += 1) {
    const code = path.charCodeAt(i);
    if (code === 0x25) {
      const value = hexByte(path, i + 1);
      if (value === 0) return undefined;
      if (value > 0 && UNRESERVED[value] === 1) {
        decoded += String.fromCharCode(value);
        i += 2;
        continue;
      }
      decoded += '%';
    } else if (code === 0x5c) {
      decoded += '/';
    } else if (code < 128 && KEEP[code] === 1) {
      decoded += path[i];
    } else {
      decoded += `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
    }
  }
  const segments: string[] = [];
  const parts = decoded.split('/');
  for (let i = 1; i < parts.length; i += 1) {
    const part = parts[i]!;
    const last = i === parts.length - 1;
    if (part === '..') {
      segments.pop();
      if (last) segments.push('');
    } else if (part === '.') {
      if (last) segments.push('');
    } else {
      segments.push(part);
    }
  }
  return `/${segments.join('/')}`;
}

function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}
