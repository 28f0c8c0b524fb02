// The seam between an upstream connection and the request that uses it.

import type { ResponseHead } from '../http/head-parser.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { ClientConnection } from './client-connection.ts';

/** Who uses a connection for one request. Calls stop after onUpstreamEnd, onUpstreamReset or `release`. */
export interface UpstreamHandler {
  /** A connection is there: send the request. */
  onUpstreamReady(connection: ClientConnection): void;
  /** No connection could be made. `failure` is what the connect said, in Envoy's words. */
  onUpstreamFailure(failure: string): void;
  /** 1xx other than 101. */
  onUpstreamInformational(head: ResponseHead): void;
  /** `ended`: the response has no body. */
  onUpstreamHead(head: ResponseHead, ended: boolean): void;
  onUpstreamData(bytes: Buffer): void;
  onUpstreamEnd(trailers: HeaderList | undefined): void;
  /** The connection broke, or what came is not HTTP, before the response was over. */
  onUpstreamReset(reason: 'connection_termination' | 'protocol_error'): void;
  /** All of one read was handed over: a good moment to write what was gathered. */
  onUpstreamFlush(): void;
  /** The connection takes more request body again. */
  onUpstreamDrain(): void;
}
