// One client's HTTP/2 connection: node:http2 on a socket that the listener has accepted, our exchanges on its streams, our clock.

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { DownstreamConnection } from '../connection.ts';
import { type ConnectionTimeoutOwner, ConnectionTimeouts } from '../http/connection-timeouts.ts';
import type { HcmConfig } from '../http/hcm-config.ts';
import { Timeouts } from '../http/timeouts.ts';
import { ServerStream, type StreamOwner } from './server-stream.ts';
import { UnfinishedHead, type UnfinishedHeadOwner } from './unfinished-head.ts';

const { NGHTTP2_FLAG_END_STREAM } = constants;

/** Tells the connection manager of the connection's end. */
export interface SessionOwner {
  onSessionClosed(session: ServerSession): void;
}

/** A client connection. */
export class ServerSession implements StreamOwner, ConnectionTimeoutOwner, UnfinishedHeadOwner {
  readonly connection: DownstreamConnection;
  readonly config: HcmConfig;
  readonly #owner: SessionOwner;
  readonly #session: ServerHttp2Session;
  readonly #timeouts: ConnectionTimeouts;
  readonly #unfinishedHead: UnfinishedHead;
  /** There once the connection drains. */
  #drainTimeout: Timeouts<'drain'> | undefined = undefined;
  #streams = 0;
  #served = 0;
  #closed = false;

  /** Takes the socket, with what was read of it before. */
  constructor(connection: DownstreamConnection, config: HcmConfig, owner: SessionOwner) {
    const { socket, readAhead } = connection;
    this.connection = connection;
    this.config = config;
    this.#owner = owner;
    this.#timeouts = new ConnectionTimeouts(config, this);
    socket.setNoDelay(true);
    if (readAhead !== undefined && readAhead.length > 0) socket.unshift(readAhead);
    const session = performServerHandshake(socket, config.http2.session);
    this.#session = session;
    session.on('stream', (stream, _headers, flags, list) => this.#onStream(stream, flags, list));
    session.on('error', (error) => this.#onError(error));
    session.on('close', () => this.#onClose());
    session.on('goaway', () => this.#timeouts.idle());
    socket.on('close', () => this.#onClose());
    session.setLocalWindowSize(config.http2.connectionWindow);
    this.#unfinishedHead = new UnfinishedHead(session, this, config.requestHeadersTimeoutMs, config.services);
    this.#timeouts.start();
  }

  #onStream(stream: ServerHttp2Stream, flags: number, list: readonly string[]): void {
    const { config } = this;
    this.#unfinishedHead.onHead(stream.id ?? 0);
    this.#timeouts.busy();
    this.#streams += 1;
    this.#served += 1;
    config.http2Stats.streams_active.value += 1;
    const one = new ServerStream(this, stream, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
    try {
      one.start(list);
    } catch (error) {
      config.services.log.error({ err: error, remote: this.connection.remoteAddress }, 'HTTP/2 stream failed');
      one.abort();
    }
    if (config.maxRequestsPerConnection !== 0 && this.#served === config.maxRequestsPerConnection) {
      config.stats.downstream_cx_max_requests_reached.value += 1;
      this.drain('close');
    }
  }

  onStreamClosed(): void {
    this.#streams -= 1;
    this.config.http2Stats.streams_active.value -= 1;
    if (this.#streams > 0) return;
    if (this.#session.closed) this.#timeouts.linger();
    else this.#timeouts.idle();
  }

  /**
   * Sends the client elsewhere: a GOAWAY names the last stream that is served, and the connection ends with that. What the client has begun
   * since, it may safely ask elsewhere. (Envoy sends a GOAWAY before that takes nothing back; nghttp2 would not serve what comes after one.)
   *
   * @param idle `close`: now. `keep`: with the next response, when the client is likeliest to have nothing on its way, or after `drain_timeout`
   */
  drain(idle: 'close' | 'keep'): void {
    if (idle === 'close') this.#close();
    else if (this.#drainTimeout === undefined && !this.#closed) {
      this.#drainTimeout = new Timeouts(this.config.services.timers, { onTimeout: () => this.#close() });
      this.#drainTimeout.arm('drain', Math.max(this.config.drainTimeoutMs, 1));
    }
  }

  onResponse(): void {
    if (this.#drainTimeout !== undefined) this.#close();
  }

  // Takes no new streams; the connection ends with the last one.
  #close(): void {
    const session = this.#session;
    this.#drainTimeout?.disarmAll();
    if (session.closed || session.destroyed) return;
    this.config.http2Stats.goaway_sent.value += 1;
    this.config.stats.downstream_cx_drain_close.value += 1;
    if (this.#streams === 0) this.#timeouts.linger();
    session.close();
  }

  // ---- time and end ----

  onIdleTimeout(): void {
    this.config.stats.downstream_cx_idle_timeout.value += 1;
    this.#close();
  }

  onMaxDuration(): void {
    this.config.stats.downstream_cx_max_duration_reached.value += 1;
    this.drain('close');
  }

  onHeadTimeout(): void {
    // Heads come whole out of nghttp2.
  }

  // There is no stream yet that could be answered, and nothing else can come any more.
  onUnfinishedHead(): void {
    this.config.stats.downstream_rq_header_timeout.value += 1;
    this.#session.destroy();
  }

  onLingerTimeout(): void {
    this.connection.socket.destroy();
  }

  #onError(error: Error): void {
    const { stats, services } = this.config;
    stats.downstream_cx_protocol_error.value += 1;
    services.log.debug({ err: error, remote: this.connection.remoteAddress }, 'HTTP/2 connection failed');
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timeouts.stop();
    this.#unfinishedHead.stop();
    this.#drainTimeout?.disarmAll();
    if (this.#streams > 0) this.config.stats.downstream_cx_destroy_active_rq.value += 1;
    this.#owner.onSessionClosed(this);
  }
}
