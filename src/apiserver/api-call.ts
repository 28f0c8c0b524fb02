// What a handler gets: the request's parts, already read and checked, and the world it works on.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { PodAccess } from '../resources/pod-access.ts';
import type { Store } from '../store/store.ts';
import type { ApiResource } from './api-resource.ts';
import type { User } from './authentication.ts';
import type { SnapshotPins } from './lists/snapshot-pins.ts';
import type { Representation } from './negotiation.ts';
import type { ResourceRequest } from './request-info.ts';
import type { ResourceRegistry } from './resource-registry.ts';
import type { TokenAuthority } from './service-account-tokens.ts';
import type { WatchHub } from './watch/watch-hub.ts';
import type { ServiceAddresses } from './writes/service-addresses.ts';

/** The world that handlers work on. */
export interface ApiContext {
  readonly store: Store;
  readonly registry: ResourceRegistry;
  readonly watches: WatchHub;
  readonly pins: SnapshotPins;
  readonly serviceAddresses: ServiceAddresses;
  /** Signs and takes tokens of ServiceAccounts. */
  readonly tokens: TokenAuthority;
  readonly clock: () => Date;
  /** Letters for generated names. */
  readonly randomSuffix: () => string;
  /** Undefined: nobody runs pods. */
  readonly podAccess: PodAccess | undefined;
  readonly log: Pick<Logger, 'error' | 'warn' | 'info' | 'debug'>;
}

/** One request for a resource. */
export interface ApiCall {
  readonly info: ResourceRequest;
  readonly resource: ApiResource;
  readonly query: URLSearchParams;
  readonly user: User;
  /** Who writes, where the query names no field manager: the client's name, `kubectl`. */
  readonly client: string;
  readonly representation: Representation;
  readonly contentType: string | undefined;
  /** The body, read when first asked for. */
  body(): Promise<Buffer>;
  /** Adds a Warning header to the answer. */
  warn(text: string): void;
  /** For handlers that answer by themselves: watches, streams. */
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What a handler answers; undefined when it has answered by itself. */
export interface Answer {
  status: number;
  /** An object is sent as the client accepts it. */
  body: object | RawBody;
  headers?: Readonly<Record<string, string>>;
}

/** A body that is sent as it is. */
export class RawBody {
  readonly content: string | Uint8Array;
  readonly type: string;

  constructor(content: string | Uint8Array, type: string) {
    this.content = content;
    this.type = type;
  }
}
