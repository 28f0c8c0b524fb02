// One stream of a client's HTTP/2 connection: hands its request to an Exchange, and has the response written.

import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { DownstreamConnection } from '../connection.ts';
import type { DownstreamStream } from '../http/downstream-stream.ts';
import { Exchange } from '../http/exchange.ts';
import type { HcmConfig } from '../http/hcm-config.ts';
import { RequestHead } from '../http/head-parser.ts';
import { HeaderList } from '../http/header-list.ts';
import { Known } from '../http/header-names.ts';
import { ResponseFlag } from '../stream-info.ts';
import { type HeadRefusal, readRequestHead } from './request-head.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants;

/** What has no place in HTTP/2 (RFC 9113 section 8.2.2), wherever a response got it from. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Tells the connection of the stream's end. */
export interface StreamOwner {
  readonly connection: DownstreamConnection;
  readonly config: HcmConfig;
  /** A response begins. */
  onResponse(): void;
  onStreamClosed(): void;
}

/** A request and its response. */
export class ServerStream implements DownstreamStream {
  readonly connection: DownstreamConnection;
  /** Of no meaning here: a stream ends by itself, and other streams of the connection go on. */
  closeAfterResponse = false;
  readonly #owner: StreamOwner;
  readonly #stream: ServerHttp2Stream;
  #exchange: Exchange | undefined = undefined;
  #requestEnded: boolean;
  /** What follows the body; sent when nghttp2 asks. */
  #trailers: HeaderList | undefined = undefined;

  /** @param ended the request has no body */
  constructor(owner: StreamOwner, stream: ServerHttp2Stream, ended: boolean) {
    this.connection = owner.connection;
    this.#owner = owner;
    this.#stream = stream;
    this.#requestEnded = ended;
    stream.on('aborted', () => this.#onAborted());
    stream.on('close', () => this.#onClose());
    stream.on('error', () => {
      // 'close' follows, and says all there is to say.
    });
    stream.on('drain', () => this.#exchange?.onDownstreamDrain());
  }

  /** Begins. @param list the request's headers: name, value, name, value … */
  start(list: readonly string[]): void {
    const { config } = this.#owner;
    const head = readRequestHead(list, this.#requestEnded, config);
    if (!(head instanceof RequestHead)) {
      this.#refuse(head);
      return;
    }
    const exchange = new Exchange(config, this, head, config.services.now());
    this.#exchange = exchange;
    if ((head.headers.seen & Known.Expect) !== 0 && !config.proxy100Continue) this.#answerExpect(head.headers);
    // A body that is not asked for stays within the stream's window.
    exchange.start(undefined, this.#requestEnded);
    if (!this.#requestEnded && !this.#stream.destroyed) this.#readBody();
  }

  #readBody(): void {
    const stream = this.#stream;
    stream.on('data', (bytes: Buffer) => this.#guarded((exchange) => exchange.onRequestData(bytes)));
    let trailers: HeaderList | undefined;
    stream.on('trailers', (_headers, _flags, list?: string[]) => {
      this.#owner.config.http2Stats.trailers.value += 1;
      trailers = trailersOf(list ?? []);
    });
    stream.on('end', () => {
      // The end of a stream that was reset is not the end of its request.
      if (stream.aborted || stream.destroyed) return;
      this.#requestEnded = true;
      this.#guarded((exchange) => exchange.onRequestEnd(trailers));
    });
  }

  // A fault of ours costs the stream it happened on, never the process.
  #guarded(call: (exchange: Exchange) => void): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    try {
      call(exchange);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { log } = this.#owner.config.services;
    log.error({ err: error, remote: this.connection.remoteAddress }, 'HTTP/2 stream failed');
    this.abort();
  }

  // RFC 9110 section 10.1.1: the upstream is not asked, so it is we who say that the body may come.
  #answerExpect(headers: HeaderList): void {
    if (headers.get('expect')!.toLowerCase() !== '100-continue') return;
    headers.remove('expect');
    this.sendInformational(100, new HeaderList());
  }

  // What is no request gets no answer in HTTP/2, but its line in the access log.
  #refuse({ kind, details }: HeadRefusal): void {
    const { config } = this.#owner;
    const { stats, http2Stats } = config;
    if (kind === 'bound') {
      http2Stats.header_overflow.value += 1;
      stats.downstream_rq_too_large.value += 1;
    } else if (kind === 'underscore') http2Stats.requests_rejected_with_underscores_in_headers.value += 1;
    else http2Stats.rx_messaging_error.value += 1;
    const head = new RequestHead();
    head.http2 = true;
    const exchange = new Exchange(config, this, head, config.services.now());
    const flag = kind === 'bound' ? ResponseFlag.DownstreamRemoteReset : ResponseFlag.DownstreamProtocolError;
    exchange.onDownstreamClosed(details, flag);
    this.#reset(kind === 'bound' ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_PROTOCOL_ERROR);
  }

  pauseRequest(): void {
    this.#stream.pause();
  }

  resumeRequest(): void {
    if (!this.#requestEnded) this.#stream.resume();
  }

  // ---- writing ----

  sendInformational(status: number, headers: HeaderList): void {
    if (this.#gone) return;
    const fields: OutgoingHttpHeaders = { ':status': status };
    for (let i = 0; i < headers.fields.length; i += 2) {
      const name = headers.fields[i]!;
      if (!CONNECTION_SPECIFIC.has(name)) fields[name] = headers.get(name);
    }
    this.#stream.additionalHeaders(fields);
  }

  sendHead(status: number, headers: HeaderList, ended: boolean): void {
    // RFC 9112 section 7.1.2: of an HTTP/1.1 upstream, trailers follow chunks, and what has a length has none.
    const hasLength = (headers.seen & Known.ContentLength) !== 0;
    this.#respond(status, headers, ended, !ended && !hasLength && this.#owner.config.enableTrailers);
  }

  /** @param waitForTrailers costs a turn of its own, and a frame, even where none come */
  #respond(status: number, headers: HeaderList, ended: boolean, waitForTrailers: boolean): void {
    if (this.#gone) return;
    const { fields } = headers;
    const list: string[] = [':status', String(status)];
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (!CONNECTION_SPECIFIC.has(name)) list.push(name, fields[i + 1]!);
    }
    if (waitForTrailers) this.#stream.on('wantTrailers', () => this.#sendTrailers());
    try {
      this.#stream.respond(list, { endStream: ended, waitForTrailers });
    } catch (error) {
      // A status or a header that HTTP/2 cannot say.
      this.#fail(error);
    }
    this.#owner.onResponse();
  }

  sendData(bytes: Buffer): boolean {
    const stream = this.#stream;
    return stream.writableEnded || this.#gone || stream.write(bytes);
  }

  sendEnd(trailers: HeaderList | undefined): void {
    this.#trailers = trailers;
    this.#exchange = undefined;
    if (this.#gone) return;
    this.#stream.end();
    this.#leaveRequest();
  }

  sendWhole(status: number, headers: HeaderList, body: string): void {
    this.#exchange = undefined;
    this.#respond(status, headers, body === '', false);
    if (this.#gone) return;
    if (body !== '') this.#stream.end(body);
    this.#leaveRequest();
  }

  // RFC 9113 section 8.1: after a whole response to half a request the client is asked to send no more of it.
  #leaveRequest(): void {
    if (this.#requestEnded) return;
    this.#owner.config.http2Stats.tx_reset.value += 1;
    this.#stream.close(NGHTTP2_NO_ERROR);
  }

  #sendTrailers(): void {
    if (this.#gone) return;
    const headers: OutgoingHttpHeaders = {};
    const list = this.#trailers ?? new HeaderList();
    for (let i = 0; i < list.fields.length; i += 2) headers[list.fields[i]!] = list.get(list.fields[i]!);
    this.#stream.sendTrailers(headers);
  }

  flush(): void {
    // Nothing is held back: what one turn of the event loop writes goes out together.
  }

  abort(): void {
    this.#exchange = undefined;
    if (this.#gone) return;
    this.#owner.config.http2Stats.tx_reset.value += 1;
    // Not `close`, which ends the body first: a response cut short would look complete. An error makes it INTERNAL_ERROR.
    this.#stream.destroy(new Error('the response was cut short'));
  }

  startTunnel(): void {
    // HTTP/2 has no upgrade, so that no request asks for one.
    this.abort();
  }

  #reset(code: number): void {
    if (this.#gone) return;
    this.#owner.config.http2Stats.tx_reset.value += 1;
    this.#stream.close(code);
  }

  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  // ---- the end ----

  #onAborted(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined) return;
    if (this.connection.socket.destroyed) {
      exchange.onDownstreamClosed();
      return;
    }
    this.#owner.config.http2Stats.rx_reset.value += 1;
    exchange.onDownstreamClosed('http2.remote_reset', ResponseFlag.DownstreamRemoteReset);
  }

  #onClose(): void {
    this.#onAborted();
    this.#owner.onStreamClosed();
  }
}

// RFC 9110 section 6.5.1: framing and routing do not belong into trailers.
function trailersOf(list: readonly string[]): HeaderList {
  const trailers = new HeaderList();
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!;
    if (name !== 'content-length' && name !== 'host' && name !== 'trailer') trailers.add(name, list[i + 1]!);
  }
  return trailers;
}
