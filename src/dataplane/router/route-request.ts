// What routing looks at in a request.

import type { HeaderList } from '../http/header-list.ts';

/** One request after path normalization and header sanitizing, before any rewrite. */
export interface RouteRequest {
  readonly method: string;
  /** As the client sent it: case and port kept. */
  readonly authority: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: HeaderList;
}

/** A request header or pseudo-header by its lower-case name; undefined when absent. */
export function requestHeader(request: RouteRequest, name: string): string | undefined {
  if (name.charCodeAt(0) === 0x3a) {
    switch (name) {
      case ':method':
        return request.method;
      case ':authority':
        return request.authority;
      case ':path':
        return request.path;
      case ':scheme':
        return request.scheme;
      default:
        return undefined;
    }
  }
  if (name === 'host') return request.authority;
  return request.headers.get(name);
}

/** A path without its query. */
export function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
