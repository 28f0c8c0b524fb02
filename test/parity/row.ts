// The vocabulary of the cases: a configuration, the requests that are sent to it, and how the upstreams behave.

/** A configuration and what is asked of it. */
export interface Configuration {
  /** What it is about, as a sentence's beginning. */
  readonly name: string;
  /**
   * Objects beside those of `mesh.ts`. `{{port NAME}}` is the port of an upstream; `{{certificate NAME}}`, `{{key NAME}}` and
   * `{{ca NAME}}` are PEM in base64, as in the `data` of a Secret.
   */
  readonly yaml: string;
  readonly rows: readonly Row[];
}

/** One connection of a client. */
export interface Row {
  /** Unique within its configuration. */
  readonly name: string;
  /** The port of the listener; 8080 unless given. */
  readonly to?: number;
  /** Over TLS. */
  readonly tls?: ClientTls;
  /** The requests of `send` go out as streams of HTTP/2, each once the one before is answered: by prior knowledge, or by ALPN where `tls` offers h2. */
  readonly http2?: true;
  /** What the client does, in order. */
  readonly send: Step | readonly Step[];
  /** How many final responses to wait for; one for each request line in `send` unless given. */
  readonly responses?: number;
  /** Upstreams are asked side by side: what arrived is compared by their names, not in the order of arrival. */
  readonly sideBySide?: true;
  /** Bytes that are no HTTP: nothing is parsed, and the connection's end is what `send` makes of it. */
  readonly raw?: true;
  /** What the upstreams answer, attempt by attempt; the last one repeats. `200 OK` with the upstream's name unless given. */
  readonly upstream?: readonly Answer[];
  /**
   * What Envoy is known to do, so that a row can't lose its meaning unnoticed: the statuses of all responses, then `closed`,
   * `reset` or the TLS error unless the connection is still open. `200`, `200 404`, `400 closed`, `ERR_SSL_…`.
   * For raw rows what was received, then the same.
   */
  readonly gives: string;
}

/** How a client speaks TLS. Certificates are not verified: which one was shown is compared instead. */
export interface ClientTls {
  readonly servername?: string;
  readonly alpn?: readonly string[];
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  /** Shows the client certificate of this name. */
  readonly certificate?: string;
}

/**
 * A string is sent; `{{port NAME}}` is the port of an upstream. `until`: wait for these bytes. `responses`: wait until so many final responses are complete. `end`: send no
 * more (a half-closed connection). `reset`: end it with a TCP reset. `attempts`: wait until upstreams have seen so many requests. `pause`: milliseconds, where
 * nothing tells that a gateway has read what it was sent.
 */
export type Step =
  | string
  | { readonly until: string }
  | { readonly responses: number }
  | { readonly attempts: number }
  | { readonly pause: number }
  | 'end'
  | 'reset';

/** A string is sent when the request is complete. */
export type Answer =
  | string
  | {
      /** Sent as soon as the request's head is there: an interim response. */
      readonly first?: string;
      /** What to send; nothing unless given. */
      readonly bytes?: string;
      /** `head`: as soon as the request's head is there; `request` (unless given): when all of it is. */
      readonly after?: 'request' | 'head';
      /** Milliseconds to wait before. */
      readonly delay?: number;
      /** `close` ends the connection, `reset` with a TCP reset; `echo`: from now on the connection's bytes are sent back. */
      readonly ending?: 'close' | 'reset' | 'echo';
    };

/** Lines of headers. */
export type Headers = Readonly<Record<string, string>>;

/** The bytes of a request: `request('GET /path', { Host: … })`; HTTP/1.1 and `Host: shop.example` unless given. */
export function request(line: string, headers: Headers = {}, body = ''): string {
  const withHost = Object.keys(headers).some((name) => name.toLowerCase() === 'host')
    ? headers
    : { Host: 'shop.example', ...headers };
  const lines = Object.entries(withHost).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${/ HTTP\/\S+$/.test(line) ? line : `${line} HTTP/1.1`}\r\n${lines.join('')}\r\n${body}`;
}

/** A GET. */
export function get(path: string, headers: Headers = {}): string {
  return request(`GET ${path}`, headers);
}

/** A POST with a content-length. */
export function post(path: string, body: string, headers: Headers = {}): string {
  return request(`POST ${path}`, { ...headers, 'Content-Length': String(body.length) }, body);
}

/** A body in chunks, with trailers. */
export function chunked(pieces: readonly string[], trailers: Headers = {}): string {
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n${lines.join('')}\r\n`;
}

/** A response with a content-length. */
export function answer(status: string, body = '', headers: Headers = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`;
}
