// One client's HTTP/1.1 connection: reads requests one at a time, hands each to an Exchange, writes its response.
// One explicit state machine; what it holds between two reads is in its fields.

import type { Socket } from 'node:net';
import type { DownstreamConnection } from '../connection.ts';
import type { TimerEntry } from '../timer-wheel.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import { Exchange } from './exchange.ts';
import type { HcmConfig } from './hcm-config.ts';
import { HeadBuffer } from './head-buffer.ts';
import {
  CHUNKED,
  CODEC_ERROR,
  HEADERS_TOO_LARGE,
  INVALID_AUTHORITY,
  isTokenByte,
  LOW_VERSION,
  type ParseError,
  parseRequestHead,
  RequestHead,
  UNFRAMED,
} from './head-parser.ts';
import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import { reasonPhrase, statusLine } from './reason-phrases.ts';
import { isValidAuthority, parseTarget } from './request-target.ts';

const State = {
  /** Between requests, or in the middle of a head. */
  Head: 0,
  Length: 1,
  Chunked: 2,
  /** The request is complete; what else the client sends waits for the response. */
  Waiting: 3,
  Tunnel: 4,
  /** The last response is out; what still comes is thrown away until the client closes. RFC 9112 section 9.6 */
  Lingering: 5,
  Closed: 6,
} as const;

// Up to here head and body go into one string and one write; larger bodies are written as the buffers they are.
const COPY_BELOW = 8 * 1024;

/** Tells the connection manager of the connection's end. */
export interface ConnectionOwner {
  readonly draining: boolean;
  onConnectionClosed(connection: ServerConnection): void;
}

/** A client connection. */
export class ServerConnection implements DownstreamStream, TimerEntry {
  readonly connection: DownstreamConnection;
  closeAfterResponse = false;
  /** Owned by the timer wheel. */
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly #config: HcmConfig;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #secure: boolean;
  readonly #since: number;
  #state: number = State.Head;
  readonly #head = new HeadBuffer();
  #headSince = 0;
  #idleSince = 0;
  #remaining = 0;
  #decoder: ChunkedDecoder | undefined = undefined;
  #exchange: Exchange | undefined = undefined;
  #minorVersion = 1;
  #isHeadRequest = false;
  #served = 0;
  /** Bytes of requests sent before the response to the one before was out. */
  #ahead: Buffer | undefined = undefined;
  #reading = false;
  #paused = false;
  /** Response text not written yet. */
  #held = '';
  #chunkedResponse = false;

  constructor(connection: DownstreamConnection, config: HcmConfig, owner: ConnectionOwner) {
    this.connection = connection;
    this.#config = config;
    this.#owner = owner;
    this.#socket = connection.socket;
    this.#secure = connection.tls !== undefined;
    this.#since = config.services.now();
    this.#idleSince = this.#since;
  }

  /** Starts reading. */
  start(): void {
    const { connection } = this;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('drain', () => this.#exchange?.onDownstreamDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => {
      // 'close' follows, and says all there is to say.
    });
    socket.on('close', () => this.#onClose());
    this.#armIdle();
    if (connection.readAhead !== undefined && connection.readAhead.length > 0) this.#receive(connection.readAhead);
    if (this.#state !== State.Closed && this.#ahead === undefined) socket.resume();
  }

  /** Closes now when no request is under way; otherwise once its response is out. */
  drain(): void {
    if (this.#exchange !== undefined) {
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
          at = this.#readHead(bytes, at);
          break;
        case State.Length: {
          const available = bytes.length - at;
          const take = Math.min(available, this.#remaining);
          this.#remaining -= take;
          const done = this.#remaining === 0;
          if (done) this.#state = State.Waiting;
          const exchange = this.#exchange;
          exchange?.onRequestData(take === bytes.length ? bytes : bytes.subarray(at, at + take));
          at += take;
          if (done && exchange === this.#exchange) exchange?.onRequestEnd(undefined);
          break;
        }
        case State.Chunked: {
          const decoder = this.#decoder!;
          at = decoder.decode(bytes, at, this);
          if (this.#state !== State.Chunked) break;
          if (decoder.failed) this.#refuseBody();
          else if (decoder.done) {
            this.#state = State.Waiting;
            this.#decoder = undefined;
            this.#exchange?.onRequestEnd(decoder.trailers);
          }
          break;
        }
        case State.Waiting:
          this.#ahead = at === 0 ? bytes : bytes.subarray(at);
          this.pauseRequest();
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

  /** The chunked decoder's call. */
  onBodyBytes(bytes: Buffer): void {
    this.#exchange?.onRequestData(bytes);
  }

  #readHead(bytes: Buffer, start: number): number {
    const config = this.#config;
    const head = this.#head;
    let at = start;
    if (head.length === 0) {
      // RFC 9112 section 2.2: empty lines before a request line are passed over.
      while (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2;
      if (at >= bytes.length) return at;
    }
    const end = head.find(bytes, at, config.maxHeadBytes);
    if (end < 0) {
      this.#incompleteHead();
      return bytes.length;
    }
    const parsed = parseRequestHead(head.take(bytes, at, end), config.maxHeaders, config.customMethods);
    if (!(parsed instanceof RequestHead)) {
      this.#refuse(parsed);
      return bytes.length;
    }
    return this.#onRequest(parsed, bytes, end);
  }

  #incompleteHead(): void {
    const head = this.#head;
    if (head.tooLarge) {
      this.#refuse(HEADERS_TOO_LARGE);
      return;
    }
    // What can never become a request is refused now, not at the timeout: another protocol, bare line feeds.
    const partial = head.partial;
    for (let i = 0; i < partial.length && partial[i] !== 0x20; i += 1) {
      if (!isTokenByte(partial[i]!) && partial[i] !== 0x0d) {
        this.#refuse(CODEC_ERROR);
        return;
      }
    }
    if (head.bareLineFeed) {
      this.#refuse(CODEC_ERROR);
      return;
    }
    if (this.#headSince === 0) {
      this.#headSince = this.#config.services.now();
      this.#config.services.timers.arm(this, this.#config.requestHeadersTimeoutMs);
    }
  }

  #onRequest(head: RequestHead, bytes: Buffer, end: number): number {
    const config = this.#config;
    this.#headSince = 0;
    if (head.minorVersion === 0 && !config.acceptHttp10) {
      this.#refuse(LOW_VERSION);
      return bytes.length;
    }
    this.#minorVersion = head.minorVersion;
    this.#isHeadRequest = head.method === 'HEAD';
    let { host } = head;
    let path = head.target;
    if (path.charCodeAt(0) !== 0x2f) {
      const target = parseTarget(head.method, path, this.#secure);
      if ('status' in target) {
        this.#refuse(target);
        return bytes.length;
      }
      path = target.path;
      // The target's authority stands above the Host header. RFC 9112 section 3.2.2
      host = target.authority ?? host;
    }
    if (host === undefined && head.minorVersion === 0 && config.defaultHostForHttp10 !== '') {
      host = config.defaultHostForHttp10;
    }
    if (host !== undefined && !isValidAuthority(host)) {
      this.#refuse(INVALID_AUTHORITY);
      return bytes.length;
    }
    const { headers } = head;
    if (config.rejectUnderscores || config.dropUnderscores) {
      if (headers.fields.some((field, index) => index % 2 === 0 && field.includes('_'))) {
        if (config.rejectUnderscores) {
          this.#refuse({ status: 400, details: 'http1.unexpected_underscore' });
          return bytes.length;
        }
        headers.removeWhere((name) => name.includes('_'));
      }
    }

    this.#served += 1;
    const now = config.services.now();
    if (config.maxRequestsPerConnection !== 0 && this.#served >= config.maxRequestsPerConnection) {
      config.stats.downstream_cx_max_requests_reached.value += 1;
      this.closeAfterResponse = true;
    }
    if (head.minorVersion === 0 || this.#owner.draining) this.closeAfterResponse = true;
    const exchange = new Exchange(config, this, head, host, path, now);
    this.#exchange = exchange;

    if ((headers.seen & Known.Expect) !== 0 && !config.proxy100Continue) {
      if (headers.get('expect')!.toLowerCase() === '100-continue') {
        headers.remove('expect');
        if (head.minorVersion === 1) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
      }
    }

    const { framing } = head;
    if ((headers.seen & Known.Upgrade) !== 0 && framing === UNFRAMED) {
      // The exchange decides; when it is no upgrade after all the request is complete here.
      this.#state = State.Waiting;
      exchange.start(undefined, true);
      return end;
    }
    if (framing === UNFRAMED || framing === 0) {
      this.#state = State.Waiting;
      exchange.start(undefined, true);
      return end;
    }
    if (framing === CHUNKED) {
      this.#state = State.Chunked;
      this.#decoder = new ChunkedDecoder(config.maxHeadBytes);
      exchange.start(undefined, false);
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

  // What came is not a request: answer as Envoy's codec does, and close.
  #refuse(error: ParseError): void {
    this.#config.stats.downstream_cx_protocol_error.value += 1;
    if (error.status === 431) this.#config.stats.downstream_rq_too_large.value += 1;
    this.#minorVersion = 1;
    this.#isHeadRequest = false;
    this.#state = State.Waiting;
    const exchange = new Exchange(this.#config, this, new RequestHead(), undefined, '', this.#config.services.now());
    this.#exchange = exchange;
    exchange.fail(error.status, reasonPhrase(error.status), error.details);
  }

  #refuseBody(): void {
    this.#config.stats.downstream_cx_protocol_error.value += 1;
    this.#state = State.Waiting;
    this.closeAfterResponse = true;
    if (this.#exchange === undefined) this.destroy();
    else this.#exchange.fail(400, reasonPhrase(400), CODEC_ERROR.details);
  }

  // ---- writing ----

  sendInformational(status: number, headers: HeaderList | undefined): void {
    if (this.#minorVersion === 0) return;
    let text = statusLine(status, 1);
    if (headers !== undefined) text += headerLines(headers);
    this.#socket.write(`${text}\r\n`, 'latin1');
  }

  sendHead(status: number, headers: HeaderList, ended: boolean): void {
    let text = statusLine(status, this.#minorVersion) + headerLines(headers);
    this.#chunkedResponse = false;
    if (this.#state !== State.Tunnel) {
      if (this.#owner.draining) this.closeAfterResponse = true;
      if (!headers.has('content-length') && status !== 204 && status >= 200) {
        if (ended) {
          // Envoy marks the body that a HEAD response does not have as chunked.
          if (this.#isHeadRequest) text += this.#minorVersion === 1 ? 'transfer-encoding: chunked\r\n' : '';
          else if (status !== 304) text += 'content-length: 0\r\n';
        } else if (this.#minorVersion === 1) {
          text += 'transfer-encoding: chunked\r\n';
          this.#chunkedResponse = true;
        } else {
          // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
          this.closeAfterResponse = true;
        }
      }
      if (this.closeAfterResponse) text += 'connection: close\r\n';
    }
    this.#held = `${text}\r\n`;
  }

  sendData(bytes: Buffer): boolean {
    const socket = this.#socket;
    const { length } = bytes;
    if (length === 0) return true;
    if (this.#held.length + length < COPY_BELOW) {
      const text = bytes.toString('latin1');
      this.#held += this.#chunkedResponse ? `${length.toString(16)}\r\n${text}\r\n` : text;
      return !socket.writableNeedDrain;
    }
    socket.cork();
    if (this.#chunkedResponse) this.#held += `${length.toString(16)}\r\n`;
    if (this.#held !== '') socket.write(this.#held, 'latin1');
    this.#held = this.#chunkedResponse ? '\r\n' : '';
    socket.write(bytes);
    socket.uncork();
    return !socket.writableNeedDrain;
  }

  sendEnd(trailers: HeaderList | undefined): void {
    if (this.#chunkedResponse) {
      this.#held += trailers === undefined ? '0\r\n\r\n' : `0\r\n${headerLines(trailers)}\r\n`;
    }
    this.flush();
    this.#onResponseDone();
  }

  sendWhole(status: number, headers: HeaderList, body: string): void {
    if (this.#owner.draining) this.closeAfterResponse = true;
    let text = statusLine(status, this.#minorVersion) + headerLines(headers);
    if (this.closeAfterResponse) text += 'connection: close\r\n';
    if (body === '' && !headers.has('content-length') && status !== 204 && status !== 304) {
      if (!this.#isHeadRequest) text += 'content-length: 0\r\n';
      else if (this.#minorVersion === 1) text += 'transfer-encoding: chunked\r\n';
    }
    // A configured body may hold more than latin1.
    if (this.#state !== State.Closed) this.#socket.write(`${text}\r\n${body}`, 'utf8');
    this.#onResponseDone();
  }

  flush(): void {
    const text = this.#held;
    if (text === '') return;
    this.#held = '';
    if (this.#state !== State.Closed) this.#socket.write(text, 'latin1');
  }

  abort(): void {
    this.flush();
    this.#exchange = undefined;
    // What was sent of the response goes out, its end never comes.
    this.#socket.destroySoon();
    this.#linger();
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

  startTunnel(): void {
    this.#state = State.Tunnel;
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
    this.#idleSince = this.#config.services.now();
    if (this.#reading) return;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) this.#receive(ahead);
    // Another request of the same read may wait again.
    if ((this.#state as number) !== State.Closed) this.resumeRequest();
  }

  #linger(): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Lingering;
    this.#ahead = undefined;
    this.resumeRequest();
    this.#config.services.timers.arm(this, this.#config.delayedCloseMs || 1);
  }

  // ---- time and end ----

  /** The wheel's call. Timers are checked, not re-armed per request: most of the time it finds nothing to do. */
  onTimeout(): void {
    const config = this.#config;
    const now = config.services.now();
    if (this.#state === State.Lingering) {
      this.destroy();
      return;
    }
    if (this.#headSince !== 0) {
      const left = this.#headSince + config.requestHeadersTimeoutMs - now;
      if (left > 0) {
        config.services.timers.arm(this, left);
        return;
      }
      config.stats.downstream_rq_header_timeout.value += 1;
      this.#headSince = 0;
      this.#timeOut();
      return;
    }
    const { maxConnectionDurationMs, idleTimeoutMs } = config;
    if (maxConnectionDurationMs !== 0 && now - this.#since >= maxConnectionDurationMs) {
      config.stats.downstream_cx_max_duration_reached.value += 1;
      this.drain();
      if (this.#state === State.Closed) return;
    } else if (this.#exchange === undefined && idleTimeoutMs !== 0 && now - this.#idleSince >= idleTimeoutMs) {
      config.stats.downstream_cx_idle_timeout.value += 1;
      this.destroy();
      return;
    }
    this.#armIdle();
  }

  #armIdle(): void {
    const { maxConnectionDurationMs, idleTimeoutMs, services } = this.#config;
    const now = services.now();
    let ms = Number.POSITIVE_INFINITY;
    if (idleTimeoutMs !== 0) ms = this.#exchange === undefined ? this.#idleSince + idleTimeoutMs - now : idleTimeoutMs;
    if (maxConnectionDurationMs !== 0 && this.#since + maxConnectionDurationMs > now) {
      ms = Math.min(ms, this.#since + maxConnectionDurationMs - now);
    }
    if (ms !== Number.POSITIVE_INFINITY) services.timers.arm(this, Math.max(1, ms));
  }

  #timeOut(): void {
    this.#state = State.Waiting;
    const exchange = new Exchange(this.#config, this, new RequestHead(), undefined, '', this.#config.services.now());
    this.#exchange = exchange;
    exchange.timeOutHead();
  }

  #onEnd(): void {
    // Envoy takes a half-closed client for gone. A lingering one is expected to close.
    if (this.#state !== State.Lingering) this.destroy();
  }

  #onClose(): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    this.#config.services.timers.disarm(this);
    this.#held = '';
    this.#ahead = undefined;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    const { stats } = this.#config;
    if (exchange !== undefined) stats.downstream_cx_destroy_active_rq.value += 1;
    exchange?.onDownstreamClosed();
    this.#owner.onConnectionClosed(this);
  }
}

function headerLines(headers: HeaderList): string {
  const { fields } = headers;
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return text;
}
