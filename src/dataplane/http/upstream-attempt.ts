// One attempt at an upstream: a host, a place in its pool, a connection, and the time that it may take. Envoy's UpstreamRequest.

import type { AttemptFailure } from '../router/retry-policy.ts';
import { ResponseFlag } from '../stream-info.ts';
import type { ClientConnection } from '../upstream/client-connection.ts';
import type { Host } from '../upstream/cluster-set.ts';
import type { HttpPool } from '../upstream/http-pool.ts';
import type { UpstreamHandler } from '../upstream/upstream-handler.ts';
import type { ForwardedExchange } from './forwarded-exchange.ts';
import { CHUNKED, type ResponseHead } from './head-parser.ts';
import type { HeaderList } from './header-list.ts';
import { type TimeoutOwner, Timeouts } from './timeouts.ts';
import { requestHeadText } from './upstream-request.ts';

/** Decides what becomes of attempts. Implemented by Forwarding. */
export interface AttemptOwner {
  /** It ended without a (complete) response. @param reason in words, @param flag of ResponseFlag */
  onAttemptFailed(attempt: UpstreamAttempt, failure: AttemptFailure, reason: string, flag: number): void;
  onAttemptTimeout(attempt: UpstreamAttempt, kind: AttemptTimeout): void;
  /** 1xx other than 101. */
  onAttemptInformational(attempt: UpstreamAttempt, head: ResponseHead): void;
  /** `ended`: the response has no body. What follows goes to the client, unless the attempt is left. */
  onAttemptHead(attempt: UpstreamAttempt, head: ResponseHead, ended: boolean): void;
  onAttemptEnd(trailers: HeaderList | undefined): void;
}

/** `per-try` is over before the response head is there, `stream-duration` before the response is complete. */
export type AttemptTimeout = 'per-try' | 'stream-duration';

/** The times that an attempt may take, milliseconds; 0: any. */
export interface AttemptLimits {
  readonly perTryTimeoutMs: number;
  readonly streamDurationMs: number;
}

const State = {
  /** Not begun, or waiting for a connection of the pool. */
  Connecting: 0,
  /** The request is on its way to the upstream; the response head is not there. */
  Requested: 1,
  /** The response is on its way to the client. */
  Responding: 2,
  Over: 3,
} as const;

/** Sends the request once. Used once. */
export class UpstreamAttempt implements UpstreamHandler, TimeoutOwner<AttemptTimeout> {
  readonly host: Host;
  /** Another attempt was made beside this one (hedging): none follows when it fails. */
  repeated = false;
  /** Bytes of the request were sent. */
  started = false;
  readonly #owner: AttemptOwner;
  readonly #exchange: ForwardedExchange;
  readonly #limits: AttemptLimits;
  readonly #pool: HttpPool;
  #state: number = State.Connecting;
  #connection: ClientConnection | undefined = undefined;
  #localAddress = '';
  #paused = false;
  #timeouts: Timeouts<AttemptTimeout> | undefined = undefined;

  constructor(owner: AttemptOwner, exchange: ForwardedExchange, limits: AttemptLimits, pool: HttpPool) {
    this.#owner = owner;
    this.#exchange = exchange;
    this.#limits = limits;
    this.#pool = pool;
    this.host = pool.host;
  }

  /** Asks the pool for a connection. The owner may hear of the attempt's end before this returns. */
  start(): void {
    const acquired = this.#pool.acquire(this);
    if (acquired === 'overflow') {
      this.#fail('overflow', 'overflow', ResponseFlag.UpstreamOverflow);
      return;
    }
    this.#exchange.record.upstreamHost = this.host.address;
    if (acquired !== 'pending') this.onUpstreamReady(acquired);
  }

  // ---- the request ----

  /** Takes body bytes. False where it has no connection: they are to be held. */
  get sending(): boolean {
    return this.#connection !== undefined;
  }

  /** More of the body. @returns false when the upstream is slower: it will resume the request by itself */
  writeBody(bytes: Buffer): boolean {
    return this.#connection!.writeBody(bytes);
  }

  /** The request is complete, as `body` says. */
  onRequestComplete(): void {
    if (this.#connection === undefined) return;
    this.#connection.endRequest(this.#exchange.body.trailers);
    if (this.#state === State.Requested) this.#armPerTry();
  }

  onUpstreamReady(connection: ClientConnection): void {
    const exchange = this.#exchange;
    const { request, body } = exchange;
    const { streamDurationMs } = this.#limits;
    this.#state = State.Requested;
    this.started = true;
    this.#connection = connection;
    this.#localAddress = connection.localAddress;
    exchange.record.upstreamLocalAddress = connection.localAddress;
    if (streamDurationMs !== 0) this.#arm('stream-duration', streamDurationMs);
    if (body.ended) this.#armPerTry();
    const chunked = request.framing === CHUNKED;
    const flowing = connection.writeHead(requestHeadText(request), body.take(), chunked, request.method === 'HEAD');
    // What follows an upgrade is the tunnel's.
    if (body.ended && request.upgrade === '') connection.endRequest(body.trailers);
    else if (flowing) exchange.resumeRequest();
    else exchange.pauseRequest();
  }

  onUpstreamDrain(): void {
    this.#exchange.resumeRequest();
  }

  onUpstreamFailure(failure: string): void {
    const timedOut = failure === 'connection_timeout';
    this.#exchange.record.upstreamTransportFailureReason = timedOut ? '' : failure.replaceAll(' ', '_');
    const reason = timedOut ? 'connection timeout' : 'remote connection failure';
    this.#fail('connect-failure', reason, ResponseFlag.UpstreamConnectionFailure);
  }

  onUpstreamReset(reason: 'connection_termination' | 'protocol_error'): void {
    this.#connection = undefined;
    if (reason === 'protocol_error') this.#fail('reset', 'protocol error', ResponseFlag.UpstreamProtocolError);
    else this.#fail('reset', 'connection termination', ResponseFlag.UpstreamConnectionTermination);
  }

  #fail(failure: AttemptFailure, reason: string, flag: number): void {
    this.leave();
    this.#owner.onAttemptFailed(this, failure, reason, flag);
  }

  // ---- the response ----

  onUpstreamInformational(head: ResponseHead): void {
    this.#owner.onAttemptInformational(this, head);
  }

  onUpstreamHead(head: ResponseHead, ended: boolean): void {
    this.#state = State.Responding;
    this.#timeouts?.disarm('per-try');
    this.#owner.onAttemptHead(this, head, ended);
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.#exchange.respondBody(bytes) || this.#paused) return;
    this.#paused = true;
    this.#connection?.pause();
  }

  /** The client takes more again. */
  onDownstreamDrain(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection?.resume();
  }

  onUpstreamFlush(): void {
    this.#exchange.respondFlush();
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    // A paused connection goes back to its pool (or to its end) reading.
    this.onDownstreamDrain();
    if (this.#state === State.Over) return;
    this.#connection = undefined;
    this.leave();
    this.#owner.onAttemptEnd(trailers);
  }

  // ---- the end ----

  /** Of all attempts this is the one that answers: the record is about it. */
  recordUpstream(): void {
    const { record } = this.#exchange;
    record.upstreamHost = this.host.address;
    record.upstreamLocalAddress = this.#localAddress;
  }

  /** The wheel's call. */
  onTimeout(kind: AttemptTimeout): void {
    this.#owner.onAttemptTimeout(this, kind);
  }

  /**
   * Nobody wants more of it: gives back all that it holds.
   *
   * @param ended its response is over by itself, so that the connection need not be closed
   */
  leave(ended = false): void {
    if (this.#state === State.Over) return;
    const connection = this.#connection;
    this.#connection = undefined;
    this.#timeouts?.disarmAll();
    if (this.#state === State.Connecting) this.#pool.cancel(this);
    this.#state = State.Over;
    if (!ended) connection?.release();
  }

  #armPerTry(): void {
    const { perTryTimeoutMs } = this.#limits;
    if (perTryTimeoutMs !== 0) this.#arm('per-try', perTryTimeoutMs);
  }

  #arm(kind: AttemptTimeout, ms: number): void {
    this.#timeouts ??= new Timeouts(this.#exchange.config.services.timers, this);
    this.#timeouts.arm(kind, ms);
  }
}
