// A client's connection as the filters see it: the socket once TLS is done, and what is known about its two ends.

import type { Socket } from 'node:net';

/** One accepted connection, its TLS handshake (where the filter chain has one) finished. */
export interface DownstreamConnection {
  /** A `net.Socket`, or the `tls.TLSSocket` over it. Paused: whoever takes the connection starts reading. */
  readonly socket: Socket;
  /** Bytes that were read before the filter chain was chosen (TLS inspection, PASSTHROUGH) and belong to the filter; undefined when none. */
  readonly readAhead?: Buffer;
  /** `ip:port` of our end, as the listener's configuration names it (its xDS address), and of the client's. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** The client's IP alone. */
  readonly remoteIp: string;
  /** The SNI of the TLS ClientHello, '' where there is none. */
  readonly serverName: string;
  /** What ALPN agreed on; '' where nothing. */
  readonly alpn: string;
  /** Undefined in plain text. */
  readonly tls: TlsInfo | undefined;
}

/** What the handshake said. */
export interface TlsInfo {
  /** `TLSv1.2`, `TLSv1.3` */
  readonly version: string;
  readonly cipher: string;
  /** The client's certificate, or undefined where it sent none. */
  readonly peer: PeerCertificate | undefined;
}

/** What the proxy tells of a client's certificate. */
export interface PeerCertificate {
  /** As RFC 2253 writes it. */
  readonly subject: string;
  /** The names of its subjectAltName, in order. */
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** Its fingerprint in lower-case hex. */
  readonly sha256: string;
  readonly pem: string;
}

/**
 * The last filter of a filter chain (HTTP connection manager, TCP proxy). Built once per filter chain when configuration arrives;
 * each new connection is handed over and from then on is the filter's: it reads, writes, logs and closes.
 */
export interface NetworkFilter {
  onConnection(connection: DownstreamConnection): void;
  /**
   * The filter chain was replaced or removed: finish requests under way, tell keep-alive clients to go (`connection: close`). The listener
   * destroys what is left after the drain time.
   *
   * @param idle `close` (the process ends): connections without a request are closed now. `keep` (a new configuration): they get one more
   *   answer, with `connection: close`; closing them could cut off a request that is on its way.
   */
  drain(idle?: 'close' | 'keep'): void;
}

/** Configuration the data plane cannot serve: the reason of a NACK. Says which field and what would be accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
