// One request and its response, from the head to the access log line. The request's way is `start`, top to bottom: each layer passes
// it on or answers it. The response's way back is `respondHead`, `respondBody`, `respondEnd`, or `reply` where the answer is ours.

import type { ForwardAction } from '../router/route.ts';
import { record } from '../stats/stats.ts';
import { ResponseFlag, raise } from '../stream-info.ts';
import { admit } from './admission.ts';
import { sample } from './b3-tracing.ts';
import { chooseTarget } from './choose-target.ts';
import { ConnectTunnel } from './connect-tunnel.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import { type FilteredExchange, type StreamFilter, WAIT } from './filters/http-filter.ts';
import type { ForwardedExchange, Forwarder } from './forwarded-exchange.ts';
import { Forwarding } from './forwarding.ts';
import { grpcReply, isGrpcRequest } from './grpc-reply.ts';
import type { HcmConfig } from './hcm-config.ts';
import { CHUNKED, type RequestHead } from './head-parser.ts';
import { HeaderList } from './header-list.ts';
import { HttpRequest } from './http-request.ts';
import {
  addToReply,
  type LocalReply,
  maxDurationReached,
  protocolError,
  redirectToHttps,
  requestHeadTimeout,
  requestTimeout,
  routeNotFound,
  streamIdleTimeout,
} from './local-reply.ts';
import { RequestBody } from './request-body.ts';
import { completeResponseHeaders } from './response-headers.ts';
import { MatchedRoute, mutateResponse } from './route-mutations.ts';
import { routeReply } from './route-reply.ts';
import { StreamRecord } from './stream-record.ts';
import { type TimeoutOwner, Timeouts } from './timeouts.ts';

const State = {
  /** The head is on its way through `start`. */
  Starting: 0,
  /** No response yet. */
  Open: 1,
  /** The head of an upstream's response is with the client. */
  Responding: 2,
  /** After the 101. */
  Tunnel: 3,
  /** Recorded; nothing follows. */
  Over: 4,
} as const;

/** One request and its response. Used once. */
export class Exchange
  implements ForwardedExchange, FilteredExchange, TimeoutOwner<'request' | 'stream-idle' | 'duration'>
{
  readonly config: HcmConfig;
  readonly request: HttpRequest;
  readonly body = new RequestBody();
  readonly record: StreamRecord;
  sampled = false;
  readonly #downstream: DownstreamStream;
  #informed = false;
  #state: number = State.Starting;
  #requestPaused = false;
  #matched: MatchedRoute | undefined = undefined;
  #filters: StreamFilter[] | undefined = undefined;
  /** The filter that goes on once the one before it has waited; 0: none has. */
  #nextFilter = 0;
  #forwarding: Forwarder | undefined = undefined;
  #timeouts: Timeouts<'request' | 'stream-idle' | 'duration'> | undefined = undefined;
  #streamIdleMs = 0;

  /**
   * @param head with its target resolved to a path, and its host to the authority; its headers are changed in place
   * @param now when it began, milliseconds since the epoch
   */
  constructor(config: HcmConfig, downstream: DownstreamStream, head: RequestHead, now: number) {
    const { connection } = downstream;
    this.config = config;
    this.#downstream = downstream;
    this.request = new HttpRequest(head, connection.remoteIp);
    this.record = new StreamRecord(this.request, connection, now);
    config.stats.downstream_rq_total.value += 1;
    const { stats } = config;
    (head.http2 ? stats.downstream_rq_http2_total : stats.downstream_rq_http1_total).value += 1;
    config.stats.downstream_rq_active.value += 1;
  }

  // ---- the request ----

  /**
   * Runs the request up to the upstream, or answers it.
   *
   * @param firstBytes of the body, undefined where none are there yet
   * @param ended the request is complete with them
   */
  start(firstBytes: Buffer | undefined, ended: boolean): void {
    this.#beginBody(firstBytes, ended);
    const reply = this.#run();
    if (reply !== undefined) this.reply(reply);
    else if (this.#state === State.Starting) this.#state = State.Open;
  }

  // The request's way. Each layer passes it on or gives the answer.
  #run(): LocalReply | undefined {
    const { config, request } = this;
    // The table of this moment is the request's to its end, whatever configuration arrives.
    const table = config.routes.current;
    // First, so that routing sees one spelling of each path and no header that the client had no right to send.
    const refusal = admit(request, this.#downstream.connection, config, table?.internalOnlyHeaders);
    if (request.closes) this.#downstream.closeAfterResponse = true;
    if (refusal !== undefined) return refusal;
    if (config.b3 !== undefined) this.sampled = sample(request.headers, config.b3);

    const virtualHost = table?.virtualHost(request.authority);
    if (table === undefined || virtualHost === undefined) return routeNotFound(request.method);
    // Before routes, which may answer by themselves: nothing of the virtual host is for plain text.
    const { requireTls } = virtualHost;
    const isPlain = request.forwardedProto !== 'https';
    if (isPlain && (requireTls === 'all' || (requireTls === 'external' && !request.internal))) {
      return redirectToHttps(request);
    }
    // CONNECT asks for a tunnel, which only a connect_matcher route gives; over HTTP/2 there are none.
    const isConnect = request.method === 'CONNECT';
    const tunnels = isConnect && request.protocol !== 'HTTP/2';
    const route = tunnels ? virtualHost.matchConnect(request) : isConnect ? undefined : virtualHost.match(request);
    if (route === undefined) return routeNotFound(request.method);

    this.#matched = new MatchedRoute(table, virtualHost, route);
    this.record.routeName = route.name;
    if (route.action.kind === 'forward') this.#matched.target = chooseTarget(route.action, config.random);
    return this.#filter(0);
  }

  // The HTTP filters, in their order.
  #filter(from: number): LocalReply | undefined {
    const { filters } = this.config;
    const { route } = this.#matched!;
    for (let i = from; i < filters.length; i += 1) {
      const filter = filters[i]!.begin(this, route);
      if (filter === undefined) continue;
      this.#enter(filter);
      const verdict = filter.decodeHeaders();
      if (verdict === WAIT) {
        this.#nextFilter = i + 1;
        if (route.action.kind === 'forward') this.#armRouteTimeouts(route.action, 0);
        return undefined;
      }
      if (verdict !== undefined) return verdict;
    }
    return this.#route();
  }

  #enter(filter: StreamFilter): void {
    if (this.#filters === undefined) this.#filters = [filter];
    else this.#filters.push(filter);
    // The log names it also where the filter lets nothing through.
    const { target } = this.#matched!;
    if (target !== undefined) {
      this.record.upstreamCluster = this.config.services.clusters.get(target.cluster)?.name ?? '';
    }
  }

  continueDecoding(): void {
    const reply = this.#filter(this.#nextFilter);
    if (reply !== undefined) this.reply(reply);
  }

  // The router, behind the filters.
  #route(): LocalReply | undefined {
    const matched = this.#matched!;
    const { route } = matched;
    const { action } = route;
    if (action.kind !== 'forward') return this.#withRouteHeaders(routeReply(this.request, route, action));

    const forwarding =
      this.request.method === 'CONNECT'
        ? new ConnectTunnel(this, matched, action)
        : new Forwarding(this, matched, action);
    this.#forwarding = forwarding;
    if (this.#nextFilter === 0) this.#armRouteTimeouts(action, forwarding.timeoutMs);
    // Last, since a response (a local one too) may come back before it returns.
    forwarding.start();
    return undefined;
  }

  #beginBody(firstBytes: Buffer | undefined, ended: boolean): void {
    const { config, body, record: info } = this;
    if (firstBytes !== undefined) {
      info.bytesReceived = firstBytes.length;
      body.hold(firstBytes);
    }
    if (ended) {
      body.ended = true;
      info.requestEndTime = info.startTime;
    } else if (config.requestTimeoutMs !== 0) this.#arm('request', config.requestTimeoutMs);
  }

  #armRouteTimeouts(action: ForwardAction, timeoutMs: number): void {
    const { config, body } = this;
    const idleMs = action.idleTimeoutMs === -1 ? config.streamIdleTimeoutMs : action.idleTimeoutMs;
    // A complete request waits for its response alone, which the route's timeout bounds more tightly.
    if (idleMs !== 0 && (!body.ended || timeoutMs === 0 || idleMs < timeoutMs)) {
      this.#streamIdleMs = idleMs;
      this.#arm('stream-idle', idleMs);
    }
    const durationMs = action.maxStreamDurationMs || config.maxStreamDurationMs;
    if (durationMs !== 0) this.#arm('duration', durationMs);
  }

  /** More of the body, or of what the client sends into a tunnel. */
  onRequestData(bytes: Buffer): void {
    this.record.bytesReceived += bytes.length;
    if (this.#state === State.Over) return;
    this.touch();
    if (this.#forwarding !== undefined) this.#forwarding.onRequestData(bytes);
    else this.#holdRequestData(bytes);
  }

  // A filter waits.
  #holdRequestData(bytes: Buffer): void {
    this.body.hold(bytes);
    if (this.body.full) this.pauseRequest();
  }

  /** The request is complete. */
  onRequestEnd(trailers: HeaderList | undefined): void {
    const { config, body } = this;
    body.ended = true;
    this.record.requestEndTime = config.services.now();
    if (this.#state === State.Over) return;
    if (config.enableTrailers) body.trailers = trailers;
    this.#timeouts?.disarm('request');
    this.#forwarding?.onRequestComplete();
  }

  pauseRequest(): void {
    // A request that is complete has nothing to pause, and the next one on its connection is none of our business.
    if (this.#requestPaused || (this.body.ended && this.#state !== State.Tunnel)) return;
    this.#requestPaused = true;
    this.#downstream.pauseRequest();
  }

  resumeRequest(): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    this.#downstream.resumeRequest();
  }

  // ---- the upstream's response ----

  /** Passes the first one on: an upstream that repeats it for ever gets no further. */
  respondInformational(status: number, headers: HeaderList): void {
    if (this.#informed) return;
    this.#informed = true;
    const ofClass = this.config.stats.byClass[1];
    if (ofClass !== undefined) ofClass.value += 1;
    this.#downstream.sendInformational(status, headers);
  }

  respondHead(status: number, headers: HeaderList, ended: boolean): void {
    this.#state = State.Responding;
    this.#countEarlyResponse();
    this.#encode(headers);
    completeResponseHeaders(headers, this.request.headers, this.config, this.record.upstreamFirstByteTime);
    this.#downstream.sendHead(status, headers, ended);
  }

  respondTunnel(status: 101 | 200, headers: HeaderList): void {
    const { config } = this;
    this.#state = State.Tunnel;
    config.stats.downstream_cx_upgrades_total.value += 1;
    config.stats.downstream_cx_upgrades_active.value += 1;
    this.#encode(headers);
    completeResponseHeaders(headers, this.request.headers, config, this.record.upstreamFirstByteTime);
    this.#downstream.startTunnel(status, headers);
  }

  // The filters once more, on the way back.
  #encode(headers: HeaderList): void {
    if (this.#filters === undefined) return;
    for (let i = this.#filters.length - 1; i >= 0; i -= 1) this.#filters[i]!.encodeHeaders?.(headers);
  }

  respondBody(bytes: Buffer): boolean {
    this.record.bytesSent += bytes.length;
    this.touch();
    return this.#downstream.sendData(bytes);
  }

  respondFlush(): void {
    this.#downstream.flush();
  }

  /** The client takes more again. */
  onDownstreamDrain(): void {
    this.#forwarding?.onDownstreamDrain();
  }

  respondEnd(trailers: HeaderList | undefined): void {
    this.#finish();
    this.#downstream.sendEnd(this.config.enableTrailers ? trailers : undefined);
  }

  abort(details: string, flag: number): void {
    const { stats } = this.config;
    this.record.responseCodeDetails = details;
    this.record.responseFlags = raise(this.record.responseFlags, flag);
    stats.rq_reset_after_downstream_response_started.value += 1;
    stats.downstream_rq_tx_reset.value += 1;
    this.#finish();
    this.#downstream.abort();
  }

  // ---- our own ----

  reply(answer: LocalReply): void {
    const { config, request } = this;
    if (this.#matched?.target !== undefined && !answer.verbatim) this.#addRouteHeaders(answer, this.#matched);
    const text = request.method === 'HEAD' ? '' : answer.body;
    const grpc = !answer.verbatim && isGrpcRequest(request.headers) && request.path !== '';
    const reply = grpc ? grpcReply(answer, text) : answer;
    const { status, headers, counter } = reply;
    this.#recordReply(reply);
    if (counter !== undefined) config.stats[counter].value += 1;
    this.#encode(headers);
    completeResponseHeaders(headers, request.headers, config, config.services.now());
    // Who asked for a tunnel gets no second chance on its connection: what follows may be the tunnel already.
    if (reply.close || request.method === 'CONNECT') this.#downstream.closeAfterResponse = true;
    if (this.#state === State.Starting) this.#leaveBodyUnread();
    this.#countEarlyResponse();
    const sent = grpc ? '' : text;
    this.record.bytesSent = Buffer.byteLength(sent);
    this.#finish();
    this.#downstream.sendWhole(status, headers, sent);
  }

  // Redirects and direct responses carry the response headers that their route adds.
  #withRouteHeaders(reply: LocalReply): LocalReply {
    // Their formats may ask for what the record says of this very reply.
    this.#recordReply(reply);
    mutateResponse(this.#matched!, reply.headers, this.record);
    return reply;
  }

  // A route that forwards does to our replies what it does to an upstream's; to Envoy they have neither status nor body by then.
  #addRouteHeaders(reply: LocalReply, matched: MatchedRoute): void {
    const info = this.record;
    info.responseCodeDetails = reply.details;
    info.responseFlags = raise(info.responseFlags, reply.flag);
    const added = new HeaderList();
    mutateResponse(matched, added, info);
    if (added.fields.length > 0) addToReply(reply, added);
  }

  #recordReply(reply: LocalReply): void {
    const info = this.record;
    info.responseCode = reply.status;
    info.responseCodeDetails = reply.details;
    info.responseFlags = raise(info.responseFlags, reply.flag);
    info.responseHeaders = reply.headers;
  }

  /** Answers a request that the codec refused, whole or half-way (a bad chunk). */
  fail(status: number, body: string, details: string): void {
    this.#replyOrAbort(protocolError(status, body, details));
  }

  /** Answers a client that did not finish its request head in time. */
  timeOutHead(): void {
    this.reply(requestHeadTimeout());
  }

  /** The wheel's call. */
  onTimeout(kind: 'request' | 'stream-idle' | 'duration'): void {
    // Whose fault the waiting was: the client's while its request is not complete, else the upstream's.
    const status = this.body.ended ? 504 : 408;
    const reply =
      kind === 'request'
        ? requestTimeout()
        : kind === 'stream-idle'
          ? streamIdleTimeout(status)
          : maxDurationReached(status);
    if (this.#state === State.Open && reply.status === 504) this.#forwarding?.countResponse(504);
    this.#replyOrAbort(reply);
  }

  #replyOrAbort(reply: LocalReply): void {
    if (this.#state === State.Over) return;
    if (this.#state === State.Starting || this.#state === State.Open) {
      this.reply(reply);
      return;
    }
    if (reply.counter !== undefined) this.config.stats[reply.counter].value += 1;
    this.abort(reply.details, reply.flag);
  }

  // ---- the end ----

  /**
   * The client is gone before the response was out, or (HTTP/2) has reset the stream.
   *
   * @param details `%RESPONSE_CODE_DETAILS%`
   * @param flag a ResponseFlag
   */
  onDownstreamClosed(
    details = 'downstream_remote_disconnect',
    flag: number = ResponseFlag.DownstreamConnectionTermination,
  ): void {
    if (this.#state === State.Over) return;
    const { record: info } = this;
    info.responseFlags = raise(info.responseFlags, flag);
    info.responseCodeDetails = details;
    this.config.stats.downstream_rq_rx_reset.value += 1;
    this.#finish();
  }

  // What the head alone has answered is answered before its body, also where both came in one read: Envoy reads the one before the other.
  #leaveBodyUnread(): void {
    const { framing } = this.request;
    if (framing !== CHUNKED && framing <= 0) return;
    this.body.ended = false;
    this.record.bytesReceived = 0;
    this.record.requestEndTime = -1;
  }

  #countEarlyResponse(): void {
    if (!this.body.ended) this.config.stats.downstream_rq_response_before_rq_complete.value += 1;
  }

  #finish(): void {
    const { config, record: info } = this;
    const { stats, services, accessLogger } = config;
    if (this.#state === State.Tunnel) stats.downstream_cx_upgrades_active.value -= 1;
    this.#state = State.Over;
    this.#timeouts?.disarmAll();
    if (this.#filters !== undefined) for (const filter of this.#filters) filter.onDestroy?.();
    this.#forwarding?.close();
    this.body.drop();
    info.endTime = services.now();
    stats.downstream_rq_active.value -= 1;
    stats.downstream_rq_completed.value += 1;
    const ofClass = stats.byClass[(info.responseCode / 100) | 0];
    if (ofClass !== undefined) ofClass.value += 1;
    record(stats.downstream_rq_time, info.endTime - info.startTime);
    if (accessLogger !== undefined) accessLogger.log(info);
  }

  touch(): void {
    this.#timeouts?.restart('stream-idle', this.#streamIdleMs);
  }

  #arm(kind: 'request' | 'stream-idle' | 'duration', ms: number): void {
    this.#timeouts ??= new Timeouts(this.config.services.timers, this);
    this.#timeouts.arm(kind, ms);
  }
}
