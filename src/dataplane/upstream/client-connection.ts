// One HTTP/1.1 connection to an upstream host: writes requests, parses responses. One explicit state machine.

import type { Socket } from 'node:net';
import { ChunkedDecoder } from '../http/chunked-decoder.ts';
import { HeadBuffer } from '../http/head-buffer.ts';
import { CHUNKED, parseResponseHead, type ResponseHead, UNFRAMED } from '../http/head-parser.ts';
import type { HeaderList } from '../http/header-list.ts';
import { Known } from '../http/header-names.ts';
import type { TimerEntry } from '../timer-wheel.ts';
import { connectFailure } from './connect-failure.ts';
import type { HttpPool } from './http-pool.ts';
import { RequestWriter } from './request-writer.ts';
import type { UpstreamHandler } from './upstream-handler.ts';

const State = {
  Connecting: 0,
  Idle: 1,
  Head: 2,
  Length: 3,
  Chunked: 4,
  UntilClose: 5,
  /** The response is over, the request is not. */
  ResponseDone: 6,
  /** After 101: bytes both ways. */
  Tunnel: 7,
  Closed: 8,
} as const;

// Envoy's bound on the head of an HTTP/1.1 response, and on its trailers.
const MAX_HEAD_BYTES = 80 * 1024;

/** One connection of a pool. */
export class ClientConnection implements TimerEntry {
  readonly pool: HttpPool;
  /** Owned by the timer wheel: the connect timeout, later the idle timeout. */
  bucket: Set<TimerEntry> | undefined = undefined;
  /** `ip:port` of our end. */
  localAddress = '';
  #socket: Socket | undefined = undefined;
  #writer: RequestWriter | undefined = undefined;
  #handler: UpstreamHandler | undefined = undefined;
  #state: number = State.Connecting;
  readonly #head = new HeadBuffer();
  #remaining = 0;
  #decoder: ChunkedDecoder | undefined = undefined;
  #isHeadRequest = false;
  #keepAlive = true;
  #served = 0;
  #idleSince = 0;
  #failure = '';

  constructor(pool: HttpPool) {
    this.pool = pool;
  }

  /** Starts connecting; the pool hears onConnected or onClosed. */
  connect(): void {
    const { cluster, host, serverName } = this.pool;
    const transport = cluster.transportOf(host);
    const socket = transport.connect({ host: host.ip, port: host.port, noDelay: true }, serverName);
    this.#socket = socket;
    this.#writer = new RequestWriter(socket);
    cluster.deps.timers.arm(this, cluster.connectTimeoutMs);
    socket.on(transport.connectedEvent, () => {
      if (this.#state !== State.Connecting) return;
      cluster.deps.timers.disarm(this);
      this.#state = State.Idle;
      const { localAddress, localPort } = socket;
      this.localAddress = localAddress?.includes(':')
        ? `[${localAddress}]:${localPort}`
        : `${localAddress}:${localPort}`;
      this.pool.onConnected(this);
    });
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('drain', () => this.#handler?.onUpstreamDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = connectFailure(error);
    });
    socket.on('close', () => this.#onEnd());
  }

  /** Called by the pool: the next request is this handler's. */
  attach(handler: UpstreamHandler): void {
    this.#handler = handler;
    this.#state = State.Head;
    this.#writer!.begin();
    this.#served += 1;
  }

  /** Called by the pool: nothing to do until the next request. */
  rest(): void {
    const { cluster } = this.pool;
    if (cluster.idleTimeoutMs === 0) return;
    this.#idleSince = cluster.deps.now();
    if (this.bucket === undefined) cluster.deps.timers.arm(this, cluster.idleTimeoutMs);
  }

  /** The wheel's call: connecting took too long, or the connection has (perhaps) been idle long enough. */
  onTimeout(): void {
    const { cluster } = this.pool;
    if (this.#state === State.Connecting) {
      cluster.stats.upstream_cx_connect_timeout.value += 1;
      this.#failure = 'connection_timeout';
      this.#destroy();
    } else if (this.#state === State.Idle) {
      const left = this.#idleSince + cluster.idleTimeoutMs - cluster.deps.now();
      if (left > 0) {
        cluster.deps.timers.arm(this, left);
      } else {
        cluster.stats.upstream_cx_idle_timeout.value += 1;
        this.close();
      }
    }
  }

  /**
   * Sends a request head, with the first (or only) part of its body.
   *
   * @param text the head, complete with its empty line; latin1
   * @param chunked frame `body` and what `writeBody` brings
   * @returns false when the socket's buffer is full: wait for onUpstreamDrain
   */
  writeHead(text: string, body: Buffer | undefined, chunked: boolean, isHeadRequest: boolean): boolean {
    this.#isHeadRequest = isHeadRequest;
    return this.#writer!.writeHead(text, body, chunked);
  }

  /** Sends more of the body. @returns as writeHead */
  writeBody(bytes: Buffer): boolean {
    return this.#state === State.Closed || this.#writer!.writeBody(bytes);
  }

  /** The request is complete. */
  endRequest(trailers: HeaderList | undefined): void {
    const writer = this.#writer!;
    if (this.#state === State.Closed || writer.done) return;
    writer.end(trailers);
    if (this.#state === State.ResponseDone) this.#finish();
  }

  /** Stops reading from the upstream, because the client does not take more. */
  pause(): void {
    this.#socket!.pause();
  }

  resume(): void {
    this.#socket!.resume();
  }

  /** The handler wants no more: the connection is closed unless everything of the request was over. */
  release(): void {
    if (this.#handler === undefined) return;
    this.#handler = undefined;
    this.#destroy();
  }

  /** Closes at once. A handler hears onUpstreamReset. */
  close(): void {
    this.#destroy();
  }

  #destroy(): void {
    this.#socket!.destroy();
    this.#onClose();
  }

  // A fault of ours costs the connection it happened on, never the process.
  #receive(bytes: Buffer): void {
    try {
      this.#onData(bytes);
    } catch (error) {
      const { cluster, host } = this.pool;
      cluster.deps.log.error(
        { err: error, cluster: cluster.name, upstream: host.address },
        'upstream connection failed',
      );
      this.#destroy();
    }
  }

  #onData(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case State.Head:
          at = this.#readHead(bytes, at);
          break;
        case State.Length: {
          const available = bytes.length - at;
          if (available >= this.#remaining) {
            const stop = at + this.#remaining;
            this.#handler!.onUpstreamData(at === 0 && stop === bytes.length ? bytes : bytes.subarray(at, stop));
            at = stop;
            this.#responseDone(undefined, at < bytes.length);
          } else {
            this.#remaining -= available;
            this.#handler!.onUpstreamData(at === 0 ? bytes : bytes.subarray(at));
            at = bytes.length;
          }
          break;
        }
        case State.Chunked: {
          const decoder = this.#decoder!;
          at = decoder.decode(bytes, at, this);
          if (decoder.failed) this.#protocolError();
          else if (decoder.done && this.#state === State.Chunked)
            this.#responseDone(decoder.trailers, at < bytes.length);
          break;
        }
        case State.UntilClose:
        case State.Tunnel:
          this.#handler!.onUpstreamData(at === 0 ? bytes : bytes.subarray(at));
          at = bytes.length;
          break;
        case State.Closed:
          return;
        default:
          // Bytes that no request asked for: a desynchronized or hostile upstream. Never re-use such a connection.
          this.pool.cluster.stats.upstream_cx_protocol_error.value += 1;
          this.#destroy();
          return;
      }
    }
    this.#handler?.onUpstreamFlush();
  }

  /** The chunked decoder's call. */
  onBodyBytes(bytes: Buffer): void {
    this.#handler?.onUpstreamData(bytes);
  }

  #readHead(bytes: Buffer, start: number): number {
    const end = this.#head.find(bytes, start, MAX_HEAD_BYTES);
    if (end < 0) {
      if (this.#head.tooLarge || this.#head.bareLineFeed) this.#protocolError();
      return bytes.length;
    }
    const head = parseResponseHead(this.#head.take(bytes, start, end), this.pool.cluster.maxResponseHeaders);
    if (head === undefined || !isFramedRight(head)) {
      this.#protocolError();
      return bytes.length;
    }
    const { status, headers } = head;
    if (status < 200 && status !== 101) {
      this.#handler!.onUpstreamInformational(head);
      return end;
    }
    this.#keepAlive = head.minorVersion === 1;
    if ((headers.seen & Known.Connection) !== 0) {
      const connection = headers.get('connection')!.toLowerCase();
      if (connection.includes('close')) this.#keepAlive = false;
      else if (connection.includes('keep-alive')) this.#keepAlive = true;
    }
    if (status === 101) {
      this.#state = State.Tunnel;
      this.#keepAlive = false;
      this.#handler!.onUpstreamHead(head, false);
      return end;
    }
    // RFC 9112 section 6.3
    if (this.#isHeadRequest || status === 204 || status === 304 || head.framing === 0) {
      this.#handler!.onUpstreamHead(head, true);
      this.#responseDone(undefined, end < bytes.length);
    } else if (head.framing === CHUNKED) {
      this.#state = State.Chunked;
      this.#decoder = new ChunkedDecoder(MAX_HEAD_BYTES);
      this.#handler!.onUpstreamHead(head, false);
    } else if (head.framing === UNFRAMED) {
      this.#state = State.UntilClose;
      this.#keepAlive = false;
      this.#handler!.onUpstreamHead(head, false);
    } else {
      this.#state = State.Length;
      this.#remaining = head.framing;
      this.#handler!.onUpstreamHead(head, false);
    }
    return end;
  }

  // `surplus`: bytes follow that no request asked for. They must never be taken for the answer to the next request.
  #responseDone(trailers: HeaderList | undefined, surplus: boolean): void {
    // The handler may have let go of the connection while it took the body.
    if (this.#state === State.Closed) return;
    this.#state = State.ResponseDone;
    this.#decoder = undefined;
    const handler = this.#handler!;
    // Detached first: the handler may start its next request on this very connection.
    this.#handler = undefined;
    if (surplus) {
      this.#keepAlive = false;
      this.pool.cluster.stats.upstream_cx_protocol_error.value += 1;
    }
    // An answer before the request was over: what the client still sends has nowhere to go (Envoy closes too).
    if (this.#writer!.done) this.#finish();
    else this.#destroy();
    handler.onUpstreamEnd(trailers);
  }

  #finish(): void {
    const { cluster } = this.pool;
    const limit = cluster.maxRequestsPerConnection;
    if (limit !== 0 && this.#served >= limit) {
      cluster.stats.upstream_cx_max_requests.value += 1;
      this.#keepAlive = false;
    }
    if (!this.#keepAlive) {
      this.#destroy();
      return;
    }
    this.#state = State.Idle;
    this.pool.onIdle(this);
  }

  #protocolError(): void {
    this.pool.cluster.stats.upstream_cx_protocol_error.value += 1;
    const handler = this.#handler;
    this.#handler = undefined;
    this.#destroy();
    handler?.onUpstreamReset('protocol_error');
  }

  // The upstream has closed the connection, or it is broken.
  #onEnd(): void {
    const state = this.#state;
    if ((state === State.UntilClose || state === State.Tunnel) && this.#failure === '') {
      const handler = this.#handler;
      this.#handler = undefined;
      this.#destroy();
      handler?.onUpstreamEnd(undefined);
      return;
    }
    // Envoy calls a head or a body cut short a protocol error, a connection closed before its response a termination.
    const cutShort =
      state === State.Length || state === State.Chunked || (state === State.Head && this.#head.length > 0);
    if (cutShort) this.#protocolError();
    else this.#destroy();
  }

  #onClose(): void {
    if (this.#state === State.Closed) return;
    const state = this.#state;
    this.#state = State.Closed;
    const { cluster } = this.pool;
    cluster.deps.timers.disarm(this);
    const established = state !== State.Connecting;
    const handler = this.#handler;
    this.#handler = undefined;
    this.pool.onClosed(this, established, established && state !== State.Idle, this.#failure);
    handler?.onUpstreamReset('connection_termination');
  }
}

// RFC 9112 section 6.1 and RFC 9110 section 8.6: neither 1xx nor 204 have a body, nor a length other than 0, which is taken off.
function isFramedRight(head: ResponseHead): boolean {
  const { status, framing, headers } = head;
  if (status !== 204 && status >= 200) return true;
  if (framing === 0) headers.remove('content-length');
  return framing <= 0 && framing !== CHUNKED;
}
