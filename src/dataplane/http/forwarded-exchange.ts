// The seam between the connection manager and the router: a request to forward, and where its response goes.

import type { HcmConfig } from './hcm-config.ts';
import type { HeaderList } from './header-list.ts';
import type { HttpRequest } from './http-request.ts';
import type { LocalReply } from './local-reply.ts';
import type { RequestBody } from './request-body.ts';
import type { StreamRecord } from './stream-record.ts';

/** The request that is forwarded, and the client that waits for its response. Implemented by Exchange. */
export interface ForwardedExchange {
  readonly config: HcmConfig;
  readonly request: HttpRequest;
  readonly body: RequestBody;
  readonly record: StreamRecord;
  /** Its trace is sampled, unless the client's trace context says otherwise. */
  readonly sampled: boolean;
  pauseRequest(): void;
  resumeRequest(): void;
  /** 1xx other than 101, before the response. Its headers go out as they are. */
  respondInformational(status: number, headers: HeaderList): void;
  /** The final head; the client's headers are still to be added. `ended`: it has no body. */
  respondHead(status: number, headers: HeaderList, ended: boolean): void;
  /** The answer to an upgrade (101) or to CONNECT (200): bytes go both ways from here on. */
  respondTunnel(status: 101 | 200, headers: HeaderList): void;
  /** @returns false when the client is slower: wait for `onDownstreamDrain` */
  respondBody(bytes: Buffer): boolean;
  /** All of one read was handed over. */
  respondFlush(): void;
  respondEnd(trailers: HeaderList | undefined): void;
  /** Answers instead of the upstream. */
  reply(reply: LocalReply): void;
  /** Cuts off a response that has begun. */
  abort(details: string, flag: number): void;
  /** Something came from the upstream: the stream is not idle. */
  touch(): void;
}

/** What carries a request to its upstream: as a request, or as the bytes of a tunnel. */
export interface Forwarder {
  /** How long the whole response may take, in milliseconds; 0: for ever. */
  readonly timeoutMs: number;
  /** Call once. A response (a local one too) may come back before it returns. */
  start(): void;
  onRequestData(bytes: Buffer): void;
  onRequestComplete(): void;
  /** The client takes more again. */
  onDownstreamDrain(): void;
  /** Counts a local reply that is the upstream's fault among its responses. */
  countResponse(status: number): void;
  /** The exchange is over, one way or the other: gives back all that is held. */
  close(): void;
}
