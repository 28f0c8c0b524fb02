// One client's HTTP/1.1 connection: reads requests one at a time, hands each to an Exchange, and has its response written.
// One explicit state machine; what it holds between two reads is in its fields.

import type { Socket } from 'node:net';
import type { DownstreamConnection } from '../connection.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { type ConnectionTimeoutOwner, ConnectionTimeouts } from './connection-timeouts.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import { Exchange } from './exchange.ts';
import type { HcmConfig } from './hcm-config.ts';
import { HeadBuffer } from './head-buffer.ts';
import { checkHead } from './head-checks.ts';
import {
  CHUNKED,
  CODEC_ERROR,
  HEADERS_TOO_LARGE,
  isTokenByte,
  type ParseError,
  parseRequestHead,
  RequestHead,
} from './head-parser.ts';
import { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import { reasonPhrase } from './reason-phrases.ts';
import { ResponseWriter } from './response-writer.ts';

const CR = 0x0d;
const LF = 0x0a;

const State = {
  /** Between requests, or in the middle of a head. */
  Head: 0,
  /** In a body of known length, or a chunked one. */
  Length: 1,
  Chunked: 2,
  /** The request is complete; what else the client sends waits for the response. */
  Waiting: 3,
  Tunnel: 4,
  /** The last response is out; what still comes is thrown away until the client closes. RFC 9112 section 9.6 */
  Lingering: 5,
  Closed: 6,
} as const;

/** Tells the connection manager of the connection's end. */
export interface ConnectionOwner {
  readonly draining: boolean;
  onConnectionClosed(connection: ServerConnection): void;
  /** What came is the preface of HTTP/2. The connection reads no more. @param bytes all that came */
  onHttp2Preface(connection: ServerConnection, bytes: Buffer): void;
}

/** What an HTTP/2 client begins with, read as a head of HTTP/1. RFC 9113 section 3.4 */
const PREFACE = 'PRI * HTTP/2.0\r\n';

/** A client connection. */
export class ServerConnection implements DownstreamStream, ConnectionTimeoutOwner {
  readonly connection: DownstreamConnection;
  closeAfterResponse = false;
  readonly #config: HcmConfig;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #writer: ResponseWriter;
  readonly #timeouts: ConnectionTimeouts;
  readonly #head = new HeadBuffer();
  #state: number = State.Head;
  /** Body bytes still to come in Length. */
  #remaining = 0;
  #decoder: ChunkedDecoder | undefined = undefined;
  #exchange: Exchange | undefined = undefined;
  #served = 0;
  /** Bytes of requests sent before the response to the one before was out. */
  #ahead: Buffer | undefined = undefined;
  #reading = false;
  #paused = false;
  /** Nothing came but what may be the beginning of the HTTP/2 preface. */
  #mayBeHttp2: boolean;
  readonly #onBytes = (bytes: Buffer): void => this.#receive(bytes);

  /** @param mayBeHttp2 the first bytes decide */
  constructor(connection: DownstreamConnection, config: HcmConfig, owner: ConnectionOwner, mayBeHttp2: boolean) {
    this.#mayBeHttp2 = mayBeHttp2;
    this.connection = connection;
    this.#config = config;
    this.#owner = owner;
    this.#socket = connection.socket;
    this.#writer = new ResponseWriter(connection.socket);
    this.#timeouts = new ConnectionTimeouts(config, this);
  }

  /** Starts reading. */
  start(): void {
    const { connection } = this;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.on('data', this.#onBytes);
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => {
      // 'close' follows, and says all there is to say.
    });
    socket.on('close', () => this.#onClose());
    this.#timeouts.start();
    if (connection.readAhead !== undefined && connection.readAhead.length > 0) this.#receive(connection.readAhead);
    if (this.#state !== State.Closed && this.#ahead === undefined) socket.resume();
  }

  /**
   * Closes now when no request is under way, not even part of its head; otherwise once its response is out.
   *
   * @param idle `keep`: the next answer says `connection: close`, since the owner drains
   */
  drain(idle: 'close' | 'keep' = 'close'): void {
    if (idle === 'keep') return;
    if (this.#exchange !== undefined || this.#head.length > 0) {
      this.closeAfterResponse = true;
      return;
    }
    this.#config.stats.downstream_cx_drain_close.value += 1;
    this.destroy();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
    this.#onClose();
  }

  // ---- reading ----

  // A fault of ours costs the connection it happened on, never the process.
  #receive(bytes: Buffer): void {
    try {
      this.#onData(bytes);
    } catch (error) {
      this.#config.services.log.error({ err: error, remote: this.connection.remoteAddress }, 'HTTP connection failed');
      this.destroy();
    }
  }

  #onData(bytes: Buffer): void {
    this.#reading = true;
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case State.Head:
          // Who sends requests and does not read the answers waits: answers are bounded by the socket's buffer, not by memory.
          if (this.#socket.writableNeedDrain) {
            this.#hold(bytes, at);
            at = bytes.length;
          } else at = this.#readHead(bytes, at);
          break;
        case State.Length:
          at = this.#readLength(bytes, at);
          break;
        case State.Chunked:
          at = this.#readChunks(bytes, at);
          break;
        case State.Waiting:
          this.#hold(bytes, at);
          at = bytes.length;
          break;
        case State.Tunnel:
          this.#exchange?.onRequestData(at === 0 ? bytes : bytes.subarray(at));
          at = bytes.length;
          break;
        default:
          at = bytes.length;
      }
    }
    this.#reading = false;
    // Paused for a request that is over since: the next one must be read.
    if (this.#paused && this.#state === State.Head) this.resumeRequest();
  }

  #readHead(bytes: Buffer, start: number): number {
    const config = this.#config;
    const head = this.#head;
    let at = start;
    if (bytes[start] === CR || bytes[start] === LF) {
      if (head.length === 0) this.#mayBeHttp2 = false;
      at = head.skipEmptyLines(bytes, start);
      if (at >= bytes.length) return at;
    }
    const end = head.find(bytes, at, config.maxHeadBytes);
    if (end < 0) {
      const refusal = refusalOfPart(head);
      if (refusal === undefined) this.#timeouts.headBegins();
      else this.#refuse(refusal);
      return bytes.length;
    }
    const text = head.take(bytes, at, end);
    const parsed = parseRequestHead(text, config.maxHeaders, config.customMethods);
    if (!(parsed instanceof RequestHead)) {
      if (text === PREFACE && this.#mayBeHttp2) {
        this.#handOver(bytes.subarray(end));
        return bytes.length;
      }
      this.#refuse(parsed);
      return bytes.length;
    }
    const refusal = checkHead(parsed, config, this.connection.tls !== undefined);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return bytes.length;
    }
    return this.#onRequest(parsed, bytes, end);
  }

  #handOver(rest: Buffer): void {
    const socket = this.#socket;
    this.#state = State.Closed;
    this.#timeouts.stop();
    socket.off('data', this.#onBytes);
    socket.pause();
    this.#owner.onHttp2Preface(this, Buffer.concat([Buffer.from(`${PREFACE}\r\n`, 'latin1'), rest]));
  }

  #onRequest(head: RequestHead, bytes: Buffer, end: number): number {
    const config = this.#config;
    this.#mayBeHttp2 = false;
    this.#timeouts.busy();
    this.#writer.begin(head.minorVersion, head.method === 'HEAD');
    this.#served += 1;
    if (config.maxRequestsPerConnection !== 0 && this.#served >= config.maxRequestsPerConnection) {
      config.stats.downstream_cx_max_requests_reached.value += 1;
      this.closeAfterResponse = true;
    }
    // What follows an upgrade that is refused was meant for a tunnel: it must never be read as a request.
    if (head.minorVersion === 0 || head.upgrade !== '') this.closeAfterResponse = true;
    const exchange = new Exchange(config, this, head, config.services.now());
    this.#exchange = exchange;
    if ((head.headers.seen & Known.Expect) !== 0 && !config.proxy100Continue) this.#answerExpect(head.headers);

    const { framing } = head;
    if (framing === CHUNKED) {
      this.#state = State.Chunked;
      this.#decoder = new ChunkedDecoder(config.maxHeadBytes);
      exchange.start(undefined, false);
      return end;
    }
    if (framing <= 0) {
      this.#state = State.Waiting;
      exchange.start(undefined, true);
      return end;
    }
    const available = bytes.length - end;
    if (available >= framing) {
      this.#state = State.Waiting;
      exchange.start(bytes.subarray(end, end + framing), true);
      return end + framing;
    }
    this.#state = State.Length;
    this.#remaining = framing - available;
    exchange.start(available === 0 ? undefined : bytes.subarray(end), false);
    return bytes.length;
  }

  // RFC 9110 section 10.1.1: the upstream is not asked, so it is we who say that the body may come.
  #answerExpect(headers: HeaderList): void {
    if (headers.get('expect')!.toLowerCase() !== '100-continue') return;
    headers.remove('expect');
    this.#writer.writeInformational(100, new HeaderList());
  }

  #readLength(bytes: Buffer, at: number): number {
    const take = Math.min(bytes.length - at, this.#remaining);
    this.#remaining -= take;
    const exchange = this.#exchange;
    if (this.#remaining === 0) this.#state = State.Waiting;
    exchange?.onRequestData(take === bytes.length ? bytes : bytes.subarray(at, at + take));
    // The answer may have come meanwhile, and the next exchange with it.
    if (this.#remaining === 0 && exchange === this.#exchange) exchange?.onRequestEnd(undefined);
    return at + take;
  }

  #readChunks(bytes: Buffer, start: number): number {
    const decoder = this.#decoder!;
    const at = decoder.decode(bytes, start, this);
    if (this.#state !== State.Chunked) return at;
    if (decoder.failed) this.#refuseBody();
    else if (decoder.done) {
      this.#state = State.Waiting;
      this.#decoder = undefined;
      this.#exchange?.onRequestEnd(decoder.trailers);
    }
    return at;
  }

  /** The chunked decoder's call. */
  onBodyBytes(bytes: Buffer): void {
    this.#exchange?.onRequestData(bytes);
  }

  // What came is not a request: answer as Envoy's codec does, and close.
  #refuse(error: ParseError): void {
    const { stats } = this.#config;
    stats.downstream_cx_protocol_error.value += 1;
    if (error.status === 431) stats.downstream_rq_too_large.value += 1;
    this.#exchangeWithoutRequest().fail(error.status, reasonPhrase(error.status), error.details);
  }

  #refuseBody(): void {
    this.#config.stats.downstream_cx_protocol_error.value += 1;
    this.#state = State.Waiting;
    this.closeAfterResponse = true;
    if (this.#exchange === undefined) this.destroy();
    else this.#exchange.fail(400, reasonPhrase(400), CODEC_ERROR.details);
  }

  // Also what is no request gets an answer, a line in the access log and its place in the statistics.
  #exchangeWithoutRequest(): Exchange {
    this.#state = State.Waiting;
    this.#writer.begin(1, false);
    const exchange = new Exchange(this.#config, this, new RequestHead(), this.#config.services.now());
    this.#exchange = exchange;
    return exchange;
  }

  pauseRequest(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resumeRequest(): void {
    if (!this.#paused || this.#ahead !== undefined) return;
    this.#paused = false;
    this.#socket.resume();
  }

  // ---- writing ----

  sendInformational(status: number, headers: HeaderList): void {
    this.#writer.writeInformational(status, headers);
  }

  sendHead(status: number, headers: HeaderList, ended: boolean): void {
    this.closeAfterResponse = this.#writer.writeHead(status, headers, ended, this.#closes());
  }

  sendData(bytes: Buffer): boolean {
    return this.#writer.writeBody(bytes);
  }

  sendEnd(trailers: HeaderList | undefined): void {
    this.#writer.writeEnd(trailers);
    this.#onResponseDone();
  }

  sendWhole(status: number, headers: HeaderList, body: string): void {
    if (this.#state !== State.Closed) this.#writer.writeWhole(status, headers, body, this.#closes());
    this.#onResponseDone();
  }

  // An answer that comes before its request is complete is the last one: the rest of the request has no reader.
  #closes(): boolean {
    if (this.#owner.draining || this.#exchange?.body.ended === false) this.closeAfterResponse = true;
    return this.closeAfterResponse;
  }

  flush(): void {
    this.#writer.flush();
  }

  abort(): void {
    this.#writer.flush();
    this.#exchange = undefined;
    // What was sent of the response goes out, its end never comes.
    this.#socket.destroySoon();
    this.#linger();
  }

  startTunnel(status: 101 | 200, headers: HeaderList): void {
    this.#state = State.Tunnel;
    this.#writer.writeSwitching(status, headers);
    const ahead = this.#ahead;
    if (ahead === undefined) return;
    this.#ahead = undefined;
    this.resumeRequest();
    queueMicrotask(() => this.#receive(ahead));
  }

  #onResponseDone(): void {
    const requestDone = this.#state === State.Waiting;
    this.#exchange = undefined;
    if (this.#state === State.Closed) return;
    if (!requestDone || this.closeAfterResponse) {
      this.#socket.end();
      this.#linger();
      return;
    }
    this.#state = State.Head;
    this.#timeouts.idle();
    if (!this.#reading) this.#readAhead();
  }

  /** Keeps what came too early, and reads no more until it was taken. */
  #hold(bytes: Buffer, at: number): void {
    this.#ahead = at === 0 ? bytes : bytes.subarray(at);
    this.pauseRequest();
  }

  #readAhead(): void {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) this.#receive(ahead);
    // Another request of the same read may wait again.
    if ((this.#state as number) !== State.Closed) this.resumeRequest();
  }

  #onDrain(): void {
    if (this.#exchange !== undefined) this.#exchange.onDownstreamDrain();
    else if (this.#state === State.Head) this.#readAhead();
  }

  #linger(): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Lingering;
    this.#ahead = undefined;
    this.resumeRequest();
    this.#timeouts.linger();
  }

  // ---- time and end ----

  onIdleTimeout(): void {
    this.#config.stats.downstream_cx_idle_timeout.value += 1;
    this.destroy();
  }

  onMaxDuration(): void {
    this.#config.stats.downstream_cx_max_duration_reached.value += 1;
    this.drain();
  }

  onHeadTimeout(): void {
    this.#config.stats.downstream_rq_header_timeout.value += 1;
    this.#exchangeWithoutRequest().timeOutHead();
  }

  onLingerTimeout(): void {
    this.destroy();
  }

  #onEnd(): void {
    // Envoy takes a half-closed client for gone. A lingering one is expected to close.
    if (this.#state !== State.Lingering && this.#state !== State.Closed) this.destroy();
  }

  #onClose(): void {
    if (this.#state === State.Closed) return;
    // A request that began and got no further than its head.
    const exchange = this.#state === State.Head && this.#head.begun ? this.#exchangeWithoutRequest() : this.#exchange;
    this.#state = State.Closed;
    this.#timeouts.stop();
    this.#writer.drop();
    this.#ahead = undefined;
    this.#exchange = undefined;
    if (exchange !== undefined) this.#config.stats.downstream_cx_destroy_active_rq.value += 1;
    exchange?.onDownstreamClosed();
    this.#owner.onConnectionClosed(this);
  }
}

// What can never become a request is refused now, not at the timeout: another protocol, bare line feeds, too much.
function refusalOfPart(head: HeadBuffer): ParseError | undefined {
  if (head.tooLarge) return HEADERS_TOO_LARGE;
  if (head.bareLineFeed) return CODEC_ERROR;
  const { partial } = head;
  for (let i = 0; i < partial.length && partial[i] !== 0x20; i += 1) {
    if (!isTokenByte(partial[i]!) && partial[i] !== 0x0d) return CODEC_ERROR;
  }
  return undefined;
}
