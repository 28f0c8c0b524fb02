// The record of one HTTP request for access log and header formats: filled in place while the request is on its way.

import type { DownstreamConnection } from '../connection.ts';
import { requestHeader } from '../router/route-request.ts';
import { NO_FLAGS, type StreamInfo } from '../stream-info.ts';
import type { HeaderList } from './header-list.ts';
import type { HttpRequest } from './http-request.ts';

/** StreamInfo of an HTTP request. What can be told from the request or the connection is told from there. */
export class StreamRecord implements StreamInfo {
  readonly #request: HttpRequest;
  readonly #connection: DownstreamConnection;

  /** Wall clock, milliseconds since the epoch; -1 for "not yet". */
  readonly startTime: number;
  requestEndTime = -1;
  upstreamFirstByteTime = -1;
  upstreamEndTime = -1;
  endTime = -1;

  responseCode = 0;
  responseCodeDetails = '';
  responseFlags = NO_FLAGS;
  bytesReceived = 0;
  bytesSent = 0;
  routeName = '';
  upstreamCluster = '';
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamTransportFailureReason = '';
  upstreamRequestAttemptCount = 0;
  responseHeaders: HeaderList | undefined = undefined;

  constructor(request: HttpRequest, connection: DownstreamConnection, startTime: number) {
    this.#request = request;
    this.#connection = connection;
    this.startTime = startTime;
  }

  /** The record of a copy of the request, on behalf of the same client. */
  ofCopy(request: HttpRequest, startTime: number): StreamRecord {
    return new StreamRecord(request, this.#connection, startTime);
  }

  get requestLastByteMs(): number {
    return this.#since(this.requestEndTime);
  }

  get upstreamFirstByteMs(): number {
    return this.#since(this.upstreamFirstByteTime);
  }

  get upstreamLastByteMs(): number {
    return this.#since(this.upstreamEndTime);
  }

  get durationMs(): number {
    return this.#since(this.endTime);
  }

  get protocol(): string {
    return this.#request.protocol;
  }

  get method(): string {
    return this.#request.method;
  }

  get originalPath(): string {
    return this.#request.headers.get('x-envoy-original-path') ?? this.#request.originalPath;
  }

  get path(): string {
    return this.#request.path;
  }

  get connectionTerminationDetails(): string {
    return '';
  }

  get downstreamLocalAddress(): string {
    return this.#connection.localAddress;
  }

  /** As far as it can be trusted. A client that a header names has no port that we know. */
  get downstreamRemoteAddress(): string {
    const { remoteIp } = this.#request;
    return remoteIp === this.#connection.remoteIp ? this.#connection.remoteAddress : `${remoteIp}:0`;
  }

  get requestedServerName(): string {
    return this.#connection.serverName;
  }

  get downstreamTlsVersion(): string {
    return this.#connection.tls?.version ?? '';
  }

  get downstreamTlsCipher(): string {
    return this.#connection.tls?.cipher ?? '';
  }

  get downstreamPeerSubject(): string {
    return this.#connection.tls?.peer?.subject ?? '';
  }

  get downstreamPeerUriSan(): string {
    return this.#connection.tls?.peer?.uriSans.join(',') ?? '';
  }

  requestHeader(name: string): string | undefined {
    // A request that never was one (bytes that are no HTTP) has no pseudo-headers either.
    if (!this.#request.hasHost && (name.charCodeAt(0) === 0x3a || name === 'host')) return undefined;
    return requestHeader(this.#request, name);
  }

  responseHeader(name: string): string | undefined {
    if (name === ':status') return this.responseCode === 0 ? undefined : String(this.responseCode);
    return this.responseHeaders?.get(name);
  }

  #since(time: number): number {
    return time < 0 ? -1 : time - this.startTime;
  }
}
