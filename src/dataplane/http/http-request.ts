// One request as the proxy works on it: what its head said, and what the layers above the router made of that.

import type { RouteRequest } from '../router/route-request.ts';
import type { RequestHead } from './head-parser.ts';
import type { HeaderList } from './header-list.ts';

/** Changed in place on its way to the upstream. */
export class HttpRequest implements RouteRequest {
  method: string;
  /** '' where the client named none. After a host rewrite the upstream's. */
  authority: string;
  /** As the client said it; where it said nothing, the same as `forwardedProto`. */
  scheme: string;
  /** `http` or `https`: how the client's connection came, as far as a proxy in front can be trusted. */
  forwardedProto = '';
  /** Path and query; normalized by admission, the upstream's after a rewrite. */
  path: string;
  /** Without Host. */
  readonly headers: HeaderList;
  readonly hasHost: boolean;
  /** What the client speaks, as access logs say it. */
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** CHUNKED, UNFRAMED or the Content-Length. */
  readonly framing: number;
  /** The path before any rewrite. */
  originalPath: string;
  /** The client's address as far as it can be trusted. */
  remoteIp: string;
  /** By `internal_address_config`. */
  internal = false;
  /** The protocol the client asks to change to, in lower case; '' for none. */
  readonly upgrade: string;
  /** The client will send no other request on its connection. */
  closes = false;

  /** @param head its headers become the request's */
  constructor(head: RequestHead, remoteIp: string) {
    this.method = head.method;
    this.authority = head.host ?? '';
    this.scheme = head.scheme;
    this.path = head.target;
    this.headers = head.headers;
    this.hasHost = head.host !== undefined;
    this.protocol = head.http2 ? 'HTTP/2' : head.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0';
    this.framing = head.framing;
    this.upgrade = head.upgrade;
    this.originalPath = head.target;
    this.remoteIp = remoteIp;
  }
}
