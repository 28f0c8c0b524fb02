// The seam between codec and router: how one request's answer goes back, whatever HTTP version the client speaks.

import type { DownstreamConnection } from '../connection.ts';
import type { HeaderList } from './header-list.ts';

/** The response side of one request. Implemented by the HTTP/1 connection and the HTTP/2 stream. */
export interface DownstreamStream {
  readonly connection: DownstreamConnection;
  /** The connection closes once this response is out. */
  closeAfterResponse: boolean;
  /** 1xx other than 101, before the response. */
  sendInformational(status: number, headers: HeaderList): void;
  /** `ended`: there is no body. May be held back until `flush` or the first body bytes. */
  sendHead(status: number, headers: HeaderList, ended: boolean): void;
  /** @returns false when the client is slower: wait for Exchange.onDownstreamDrain */
  sendData(bytes: Buffer): boolean;
  /** The response is complete. */
  sendEnd(trailers: HeaderList | undefined): void;
  /** Head and body of a local reply in one write. */
  sendWhole(status: number, headers: HeaderList, body: string): void;
  /** Writes what is held back. */
  flush(): void;
  /** Cuts the response off, so that the client sees that it is incomplete. */
  abort(): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** Sends the 101, or the 200 to CONNECT; from now on bytes go both ways unframed. */
  startTunnel(status: 101 | 200, headers: HeaderList): void;
}
