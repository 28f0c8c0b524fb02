// One request's way to an upstream and its response's way back: a cluster, a host, a connection, and again where the policy
// says so. Envoy's router filter: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter

import { type AttemptFailure, retriesFailure, retriesResponse } from '../router/retry-policy.ts';
import type { ForwardAction } from '../router/route.ts';
import { record } from '../stats/stats.ts';
import { ResponseFlag, raise } from '../stream-info.ts';
import type { ClientConnection } from '../upstream/client-connection.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';
import type { HttpPool } from '../upstream/http-pool.ts';
import type { UpstreamHandler } from '../upstream/upstream-handler.ts';
import { chooseTarget } from './choose-target.ts';
import { removeHopByHop } from './connection-header.ts';
import type { ForwardedExchange } from './forwarded-exchange.ts';
import { CHUNKED, type ResponseHead } from './head-parser.ts';
import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import {
  clusterNotFound,
  type LocalReply,
  noHealthyUpstream,
  upgradeNotAllowed,
  upgradeRefused,
  upstreamFailed,
  upstreamTimeout,
} from './local-reply.ts';
import { setServiceTime, switchingHeaders } from './response-headers.ts';
import { Retries } from './retries.ts';
import { type MatchedRoute, mutateRequest, mutateResponse } from './route-mutations.ts';
import { type TimeoutOwner, Timeouts } from './timeouts.ts';
import { expectedTimeoutMs, requestHeadText, rewriteHost, rewritePath, rewrittenHost } from './upstream-request.ts';

const Phase = {
  /** No attempt under way: before the first, or over. */
  None: 0,
  /** Waits for a connection of the pool. */
  Connecting: 1,
  /** The request is on its way to the upstream, the response head is not there. */
  Requested: 2,
  /** Waits before the next attempt. */
  BackOff: 3,
  /** The response is on its way to the client. */
  Responding: 4,
} as const;

/** Forwards one request. Used once. */
export class Forwarding implements UpstreamHandler, TimeoutOwner<'response' | 'per-try' | 'back-off'> {
  readonly #exchange: ForwardedExchange;
  readonly #matched: MatchedRoute;
  readonly #action: ForwardAction;
  #phase: number = Phase.None;
  #cluster: UpstreamCluster | undefined = undefined;
  #host: Host | undefined = undefined;
  #pool: HttpPool | undefined = undefined;
  #upstream: ClientConnection | undefined = undefined;
  #upstreamPaused = false;
  #retries: Retries | undefined = undefined;
  #timeouts: Timeouts<'response' | 'per-try' | 'back-off'> | undefined = undefined;

  constructor(exchange: ForwardedExchange, matched: MatchedRoute, action: ForwardAction) {
    this.#exchange = exchange;
    this.#matched = matched;
    this.#action = action;
  }

  // ---- the request ----

  /** Chooses the cluster, makes the request what the upstream is to get, and tries it. */
  start(): void {
    const exchange = this.#exchange;
    const action = this.#action;
    const { config, request, body } = exchange;
    const { route, virtualHost } = this.#matched;
    config.stats.rq_total.value += 1;
    const target = chooseTarget(action, config.random);
    this.#matched.target = target;
    const cluster = config.services.clusters.get(target.cluster);
    if (cluster === undefined) {
      exchange.reply(clusterNotFound(action.clusterNotFoundStatus));
      return;
    }
    this.#cluster = cluster;
    exchange.record.upstreamCluster = cluster.name;
    const { upgrade, headers } = request;
    if (upgrade !== '' && (action.upgrades.get(upgrade) ?? config.upgrades.get(upgrade)) !== true) {
      exchange.reply(upgradeNotAllowed());
      return;
    }
    if (body.ended) this.onRequestComplete();
    this.#setExpectedTimeout(0);
    if (virtualHost.includeAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (config.tracing && route.propagateOperation && route.operation !== '') {
      headers.set('x-envoy-decorator-operation', route.operation);
    }
    // Mutations come before rewrites: their formats show the request as the client sent it.
    mutateRequest(this.#matched, headers, exchange.record);
    rewritePath(request, route, action);
    rewriteHost(request, rewrittenHost(request, action, target.hostRewrite), action);
    body.keep = action.retry !== undefined;
    this.#attempt();
  }

  /** More of the body. */
  onRequestData(bytes: Buffer): void {
    const { body } = this.#exchange;
    const upstream = this.#upstream;
    if (upstream !== undefined) {
      body.passed(bytes);
      if (!upstream.writeBody(bytes)) this.#exchange.pauseRequest();
      return;
    }
    body.hold(bytes);
    if (body.full) this.#exchange.pauseRequest();
  }

  /** The request is complete, as `body` says. Envoy counts the route's timeout from here. */
  onRequestComplete(): void {
    const { timeoutMs } = this.#action;
    if (timeoutMs !== 0 && this.#phase !== Phase.Responding) this.#arm('response', timeoutMs);
    this.#upstream?.endRequest(this.#exchange.body.trailers);
  }

  // ---- one attempt ----

  #attempt(): void {
    const exchange = this.#exchange;
    const { retry, autoHostRewrite } = this.#action;
    const cluster = this.#cluster!;
    this.#phase = Phase.None;
    const host = cluster.chooseHost(this.#retries?.tried, retry?.hostSelectionAttempts);
    exchange.record.upstreamRequestAttemptCount += 1;
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy.value += 1;
      exchange.reply(noHealthyUpstream());
      return;
    }
    this.#host = host;
    if (autoHostRewrite) rewriteHost(exchange.request, host.hostname, this.#action);
    if (retry !== undefined && retry.perTryTimeoutMs !== 0) this.#arm('per-try', retry.perTryTimeoutMs);
    const pool = cluster.poolOf(host, exchange.request.authority);
    this.#pool = pool;
    const acquired = pool.acquire(this);
    if (acquired === 'overflow') {
      this.#attemptFailed('overflow', 'overflow', ResponseFlag.UpstreamOverflow);
      return;
    }
    exchange.record.upstreamHost = host.address;
    if (acquired === 'pending') this.#phase = Phase.Connecting;
    else this.onUpstreamReady(acquired);
  }

  onUpstreamReady(connection: ClientConnection): void {
    const exchange = this.#exchange;
    const { request, body } = exchange;
    this.#phase = Phase.Requested;
    this.#upstream = connection;
    exchange.record.upstreamLocalAddress = connection.localAddress;
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
    this.#phase = Phase.None;
    const timedOut = failure === 'connection_timeout';
    this.#exchange.record.upstreamTransportFailureReason = timedOut ? '' : failure.replaceAll(' ', '_');
    const reason = timedOut ? 'connection timeout' : 'remote connection failure';
    this.#attemptFailed('connect-failure', reason, ResponseFlag.UpstreamConnectionFailure);
  }

  onUpstreamReset(reason: 'connection_termination' | 'protocol_error'): void {
    this.#upstream = undefined;
    const protocolError = reason === 'protocol_error';
    const flag = protocolError ? ResponseFlag.UpstreamProtocolError : ResponseFlag.UpstreamConnectionTermination;
    if (this.#phase === Phase.Responding) {
      this.#exchange.abort(`upstream_reset_after_response_started{${reason}}`, flag);
      return;
    }
    this.#attemptFailed('reset', protocolError ? 'protocol error' : 'connection termination', flag);
  }

  // The attempt ended without a response: try again, or say so.
  #attemptFailed(failure: AttemptFailure, reason: string, flag: number): void {
    this.#host!.stats.rq_error += 1;
    this.#timeouts?.disarm('per-try');
    const { retry } = this.#action;
    if (retry !== undefined && retriesFailure(retry, failure) && this.#retry()) return;
    const { upstreamRequestAttemptCount, upstreamTransportFailureReason } = this.#exchange.record;
    const reply = upstreamFailed(reason, flag, upstreamTransportFailureReason, upstreamRequestAttemptCount > 1);
    this.#cluster!.stats.countResponse(reply.status);
    this.#exchange.reply(reply);
  }

  // ---- another attempt ----

  // Arranges another attempt; false where that cannot be. The policy has agreed.
  #retry(): boolean {
    const { config, body, record } = this.#exchange;
    if (!body.repeatable) return false;
    this.#retries ??= new Retries(this.#action.retry!, this.#cluster!);
    const attempts = record.upstreamRequestAttemptCount;
    const limit = this.#retries.begin(attempts, this.#host!);
    record.responseFlags = raise(record.responseFlags, limit);
    if (limit !== 0) return false;
    this.#leaveUpstream();
    this.#phase = Phase.BackOff;
    this.#arm('back-off', this.#retries.backOffMs(attempts, config.random));
    return true;
  }

  #attemptAgain(): void {
    const { config, request, record } = this.#exchange;
    this.#retries!.end();
    record.upstreamTransportFailureReason = '';
    if (this.#matched.virtualHost.includeAttemptCount) {
      request.headers.set('x-envoy-attempt-count', String(record.upstreamRequestAttemptCount + 1));
    }
    this.#setExpectedTimeout(config.services.now() - record.startTime);
    this.#attempt();
  }

  #setExpectedTimeout(elapsedMs: number): void {
    const { config, request } = this.#exchange;
    if (config.suppressEnvoyHeaders) return;
    const expected = expectedTimeoutMs(this.#action, elapsedMs);
    if (expected !== 0) request.headers.set('x-envoy-expected-rq-timeout-ms', String(expected));
  }

  // ---- the response ----

  onUpstreamInformational(head: ResponseHead): void {
    const exchange = this.#exchange;
    exchange.touch();
    this.#cluster!.stats.countResponse(head.status);
    // Envoy passes on 100 where it was asked to, and no other.
    if (head.status === 100 && exchange.config.proxy100Continue) exchange.respondContinue();
  }

  onUpstreamHead(head: ResponseHead, ended: boolean): void {
    const exchange = this.#exchange;
    const { config, request, body, record } = exchange;
    const { status, headers } = head;
    const connection = removeHopByHop(headers, false);
    exchange.touch();
    this.#timeouts?.disarm('per-try');
    if (status === 101 && !(connection.upgrade && request.upgrade !== '')) {
      // A switch of protocols that nobody asked for.
      this.#leaveUpstream();
      this.#attemptFailed('reset', 'protocol error', ResponseFlag.UpstreamProtocolError);
      return;
    }
    if (this.#retriesInstead(head, ended)) return;
    const now = config.services.now();
    this.#beginResponse(status, headers, now);
    if (status === 101) {
      switchingHeaders(headers);
      this.#addRouteHeaders(headers);
      exchange.respondTunnel(headers);
      return;
    }
    if (request.upgrade !== '') {
      this.#leaveUpstream();
      exchange.reply(upgradeRefused(status));
      return;
    }
    if ((headers.seen & Known.Upgrade) !== 0) headers.remove('upgrade');
    if (status === 204 && (headers.seen & Known.ContentLength) !== 0) headers.remove('content-length');
    if (body.ended && !config.suppressEnvoyHeaders) setServiceTime(headers, now - record.requestEndTime);
    this.#addRouteHeaders(headers);
    exchange.respondHead(status, headers, ended);
  }

  // True where the policy wants another attempt in place of this response, and gets it.
  #retriesInstead(head: ResponseHead, ended: boolean): boolean {
    const { retry } = this.#action;
    const hostStats = this.#host!.stats;
    if (head.status >= 500) hostStats.rq_error += 1;
    else hostStats.rq_success += 1;
    if (retry === undefined) return false;
    if (!retriesResponse(retry, head)) {
      if (this.#exchange.record.upstreamRequestAttemptCount > 1) {
        this.#cluster!.stats.upstream_rq_retry_success.value += 1;
      }
      return false;
    }
    const upstream = this.#upstream;
    // A response without body leaves its connection usable: it ends by itself before the next attempt.
    if (ended) this.#upstream = undefined;
    if (this.#retry()) return true;
    this.#upstream = upstream;
    return false;
  }

  #beginResponse(status: number, headers: HeaderList, now: number): void {
    const { body, record: info } = this.#exchange;
    const { stats } = this.#cluster!;
    this.#phase = Phase.Responding;
    // The route's timeout is for the whole response; what follows 101 is no response any more.
    if (status === 101) this.#timeouts?.disarm('response');
    body.settle();
    stats.countResponse(status);
    if (body.ended) record(stats.upstream_rq_time, now - info.requestEndTime);
    info.upstreamFirstByteTime = now;
    info.responseCode = status;
    info.responseCodeDetails = 'via_upstream';
    info.responseHeaders = headers;
  }

  #addRouteHeaders(headers: HeaderList): void {
    const { record } = this.#exchange;
    if (this.#matched.virtualHost.includeAttemptCountInResponse) {
      headers.set('x-envoy-attempt-count', String(record.upstreamRequestAttemptCount));
    }
    mutateResponse(this.#matched, headers, record);
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.#exchange.respondBody(bytes) || this.#upstreamPaused) return;
    this.#upstreamPaused = true;
    this.#upstream?.pause();
  }

  /** The client takes more again. */
  onDownstreamDrain(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#upstream?.resume();
  }

  onUpstreamFlush(): void {
    this.#exchange.respondFlush();
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    // A paused connection goes back to its pool (or to its end) reading.
    this.onDownstreamDrain();
    this.#upstream = undefined;
    if (this.#phase === Phase.BackOff) return;
    const { config, record } = this.#exchange;
    record.upstreamEndTime = config.services.now();
    this.#exchange.respondEnd(trailers);
  }

  // ---- the end ----

  /** The wheel's call. */
  onTimeout(kind: 'response' | 'per-try' | 'back-off'): void {
    if (kind === 'back-off') {
      this.#attemptAgain();
      return;
    }
    const { stats } = this.#cluster!;
    if (this.#host !== undefined) this.#host.stats.rq_timeout += 1;
    if (kind === 'response') {
      stats.upstream_rq_timeout.value += 1;
      const reply = upstreamTimeout('response_timeout');
      if (this.#phase === Phase.Responding) this.#exchange.abort(reply.details, reply.flag);
      else this.#giveUp(reply);
      return;
    }
    stats.upstream_rq_per_try_timeout.value += 1;
    this.#leaveUpstream();
    if (retriesFailure(this.#action.retry!, 'per-try-timeout') && this.#retry()) return;
    this.#giveUp(upstreamTimeout('upstream_per_try_timeout'));
  }

  #giveUp(reply: LocalReply): void {
    this.countResponse(reply.status);
    this.#exchange.reply(reply);
  }

  /** Counts a local reply that is the upstream's fault among its responses. */
  countResponse(status: number): void {
    this.#cluster?.stats.countResponse(status);
  }

  /** The exchange is over, one way or the other: gives back all that is held. */
  close(): void {
    this.#timeouts?.disarmAll();
    this.#leaveUpstream();
    this.#retries?.end();
    this.#phase = Phase.None;
  }

  #leaveUpstream(): void {
    if (this.#phase === Phase.Connecting) {
      this.#phase = Phase.None;
      this.#pool!.cancel(this);
    }
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.release();
  }

  #arm(kind: 'response' | 'per-try' | 'back-off', ms: number): void {
    this.#timeouts ??= new Timeouts(this.#exchange.config.services.timers, this);
    this.#timeouts.arm(kind, ms);
  }
}
