// The seam between a connection manager and its HTTP filters: what stands between the route that was found and the router.

import type { CompiledRoute } from '../../router/route.ts';
import type { HcmConfig } from '../hcm-config.ts';
import type { HeaderList } from '../header-list.ts';
import type { HttpRequest } from '../http-request.ts';
import type { LocalReply } from '../local-reply.ts';
import type { StreamRecord } from '../stream-record.ts';

/** A request on its way through the filters. Implemented by Exchange. */
export interface FilteredExchange {
  readonly config: HcmConfig;
  readonly request: HttpRequest;
  readonly record: StreamRecord;
  /** The filter that waited passes the request on. */
  continueDecoding(): void;
  /** The filter that waited answers it. */
  reply(reply: LocalReply): void;
}

/** One filter of a connection manager, shared by its requests. */
export interface HttpFilter {
  /** Its part in this request; undefined where it has none, which costs nothing: nearly all requests of nearly all routes. */
  begin(exchange: FilteredExchange, route: CompiledRoute): StreamFilter | undefined;
}

/** What `decodeHeaders` says of a request that the filter passes on, or answers, later. */
export const WAIT = Symbol('wait');

/** A filter's part in one request. */
export interface StreamFilter {
  /** @returns the answer; WAIT: `continueDecoding` or `reply` follows; undefined: the request goes on */
  decodeHeaders(): LocalReply | typeof WAIT | undefined;
  /** The head of the final response, ours or an upstream's, is on its way to the client. */
  encodeHeaders?(headers: HeaderList): void;
  /** The request is over, one way or the other. Nothing is called any more. */
  onDestroy?(): void;
}
