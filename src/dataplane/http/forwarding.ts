// One request's way to an upstream and its response's way back: a cluster, a host, an attempt, and again where the policy
// says so. Envoy's router filter: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter

import { expectedTimeoutMs, type ForwardPolicy, withRetries, withTimeouts } from '../router/forward-policy.ts';
import { type AttemptFailure, retriesFailure, retriesResponse } from '../router/retry-policy.ts';
import type { ForwardAction } from '../router/route.ts';
import { record } from '../stats/stats.ts';
import { ResponseFlag, raise } from '../stream-info.ts';
import type { RequestHosts } from '../upstream/cluster.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';
import { Attempts } from './attempts.ts';
import { injectSpan, type TraceContext, traceContext } from './b3-tracing.ts';
import { removeHopByHop } from './connection-header.ts';
import type { ForwardedExchange, Forwarder } from './forwarded-exchange.ts';
import type { ResponseHead } from './head-parser.ts';
import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import {
  clusterNotFound,
  type LocalReply,
  noHealthyUpstream,
  streamDurationReached,
  upgradeNotAllowed,
  upstreamFailed,
  upstreamTimeout,
} from './local-reply.ts';
import { drawMirrors, Mirroring } from './mirroring.ts';
import { hostNamedBy } from './named-host.ts';
import { setServiceTime, switchingHeaders } from './response-headers.ts';
import { Retries } from './retries.ts';
import { type MatchedRoute, mutateRequest, mutateResponse } from './route-mutations.ts';
import { type TimeoutOwner, Timeouts } from './timeouts.ts';
import { type AttemptOwner, type AttemptTimeout, UpstreamAttempt } from './upstream-attempt.ts';
import { rewriteHost, rewritePath, rewrittenHost } from './upstream-request.ts';

/** Interim responses that Envoy passes on; others it drops. 100 Continue, Processing, Early Hints, Upload Resumption Supported */
const PASSED_ON: ReadonlySet<number> = new Set([100, 102, 103, 104]);

/** Forwards one request. Used once. */
export class Forwarding implements Forwarder, AttemptOwner, TimeoutOwner<'response' | 'back-off'> {
  readonly #exchange: ForwardedExchange;
  readonly #matched: MatchedRoute;
  readonly #action: ForwardAction;
  #policy: ForwardPolicy;
  #cluster: UpstreamCluster | undefined = undefined;
  /** The host that the request itself names, where the cluster goes by that. */
  #namedHost: Host | undefined = undefined;
  readonly #attempts = new Attempts();
  /** Another attempt follows after a wait. */
  #backingOff = false;
  /** Bytes of the request were sent to an upstream. */
  #started = false;
  /** The client may have got an interim response: no attempt follows. */
  #informed = false;
  /** The head of the response is with the client. */
  #responding = false;
  /** Nobody waits for an answer any more. */
  #over = false;
  #retries: Retries | undefined = undefined;
  #mirroring: Mirroring | undefined = undefined;
  #trace: TraceContext | undefined = undefined;
  #timeouts: Timeouts<'response' | 'back-off'> | undefined = undefined;

  constructor(exchange: ForwardedExchange, matched: MatchedRoute, action: ForwardAction) {
    this.#exchange = exchange;
    this.#matched = matched;
    this.#action = action;
    this.#policy = withTimeouts(action.policy, exchange.request.headers);
  }

  // ---- the request ----

  /** How long the whole response may take, in milliseconds; 0: for ever. */
  get timeoutMs(): number {
    return this.#policy.timeoutMs;
  }

  /** Chooses the cluster, makes the request what the upstream is to get, and tries it. */
  start(): void {
    const exchange = this.#exchange;
    const action = this.#action;
    const { config, request, body } = exchange;
    const { route, virtualHost } = this.#matched;
    config.stats.rq_total.value += 1;
    const target = this.#matched.target!;
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
    this.#policy = withRetries(this.#policy, headers);
    if (config.b3 !== undefined) this.#trace = traceContext(headers, exchange.sampled, config.random);
    const { retry } = this.#policy;
    body.keep = retry.on !== 0 && retry.numRetries > 0;
    if (action.mirrors.length > 0 && upgrade === '') this.#mirror();
    const { requestHosts } = cluster;
    if (requestHosts === undefined) this.#try();
    else this.#tryNamedHost(requestHosts);
    if (body.ended) this.#mirroring?.send();
  }

  #tryNamedHost(requestHosts: RequestHosts): void {
    const exchange = this.#exchange;
    hostNamedBy(exchange.request, requestHosts, {
      found: (host) => {
        this.#namedHost = host;
        if (!this.#over) this.#try();
      },
      none: (reply) => {
        if (!this.#over) exchange.reply(reply);
      },
      failed: (error) => {
        exchange.config.services.log.error({ err: error }, 'a request whose host was looked up failed');
        if (!this.#over) exchange.abort('internal_error', ResponseFlag.LocalReset);
      },
    });
  }

  #mirror(): void {
    const exchange = this.#exchange;
    const mirrors = drawMirrors(this.#action, exchange.config.random);
    if (mirrors.length === 0) return;
    const forward = (...copy: ConstructorParameters<typeof Forwarding>) => new Forwarding(...copy);
    this.#mirroring = new Mirroring(exchange, this.#action, mirrors, this.#policy.timeoutMs, forward);
  }

  /** More of the body. */
  onRequestData(bytes: Buffer): void {
    const { body } = this.#exchange;
    if (this.#mirroring?.onRequestData(bytes) === false) {
      this.#mirroring = undefined;
      this.#cluster!.stats.retry_or_shadow_abandoned.value += 1;
    }
    const attempt = this.#attempts.newest;
    if (attempt?.sending === true) {
      body.passed(bytes);
      if (!attempt.writeBody(bytes)) this.#exchange.pauseRequest();
      return;
    }
    body.hold(bytes);
    if (body.full) this.#exchange.pauseRequest();
  }

  /** The request is complete, as `body` says. Envoy counts the timeouts from here. */
  onRequestComplete(): void {
    const { timeoutMs } = this.#policy;
    if (timeoutMs !== 0 && !this.#responding) this.#arm('response', timeoutMs);
    this.#attempts.newest?.onRequestComplete();
    this.#mirroring?.send();
  }

  // ---- attempts ----

  #try(): void {
    const exchange = this.#exchange;
    const { autoHostRewrite } = this.#action;
    const cluster = this.#cluster!;
    const host = this.#namedHost ?? cluster.chooseHost(this.#retries?.tried, this.#policy.retry.hostSelectionAttempts);
    exchange.record.upstreamRequestAttemptCount += 1;
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy.value += 1;
      exchange.reply(noHealthyUpstream());
      return;
    }
    if (autoHostRewrite) rewriteHost(exchange.request, host.hostname, this.#action);
    if (this.#trace !== undefined) injectSpan(exchange.request.headers, this.#trace, exchange.config.random);
    const pool = cluster.poolOf(host, exchange.request.authority);
    const attempt = new UpstreamAttempt(this, exchange, this.#policy, pool);
    this.#attempts.add(attempt);
    attempt.start();
  }

  onAttemptFailed(attempt: UpstreamAttempt, failure: AttemptFailure, reason: string, flag: number): void {
    const exchange = this.#exchange;
    this.#attempts.remove(attempt);
    if (this.#responding) {
      exchange.abort(`upstream_reset_after_response_started{${reason.replaceAll(' ', '_')}}`, flag);
      return;
    }
    attempt.host.stats.rq_error += 1;
    if (this.#retriesFailure(attempt, failure) || this.#othersMayAnswer(attempt)) return;
    const { upstreamRequestAttemptCount, upstreamTransportFailureReason } = exchange.record;
    this.#giveUp(
      upstreamFailed(reason, flag, {
        transportFailure: upstreamTransportFailureReason,
        retried: upstreamRequestAttemptCount > 1,
        informed: this.#informed,
      }),
    );
  }

  onAttemptTimeout(attempt: UpstreamAttempt, kind: AttemptTimeout): void {
    const { hedge, retry, timeoutStatus } = this.#policy;
    if (kind === 'per-try' && hedge) {
      // It may still win: another one is made beside it.
      if (!this.#informed && retry.on !== 0) attempt.repeated = this.#retry(attempt);
      return;
    }
    attempt.leave();
    this.#attempts.remove(attempt);
    if (kind === 'per-try') {
      this.#cluster!.stats.upstream_rq_per_try_timeout.value += 1;
      attempt.host.stats.rq_timeout += 1;
    }
    if (!this.#responding && this.#retriesFailure(attempt, 'reset')) return;
    this.#giveUp(
      kind === 'per-try'
        ? upstreamTimeout('upstream_per_try_timeout', timeoutStatus)
        : streamDurationReached(this.#exchange.body.ended ? 504 : 408),
    );
  }

  #retriesFailure(attempt: UpstreamAttempt, failure: AttemptFailure): boolean {
    const { retry } = this.#policy;
    if (attempt.started) this.#started = true;
    if (retry.on === 0 || this.#informed || attempt.repeated) return false;
    return retriesFailure(retry, failure, this.#started) && this.#retry(attempt);
  }

  // Arranges another attempt; false where that cannot be. The policy has agreed.
  #retry(attempt: UpstreamAttempt): boolean {
    const { config, body, record } = this.#exchange;
    if (!body.repeatable) return false;
    this.#retries ??= new Retries(this.#policy.retry, this.#cluster!);
    const attempts = record.upstreamRequestAttemptCount;
    const limit = this.#retries.begin(attempts, attempt.host);
    record.responseFlags = raise(record.responseFlags, limit);
    if (limit !== 0) return false;
    this.#backingOff = true;
    this.#arm('back-off', this.#retries.backOffMs(attempts, config.random));
    return true;
  }

  // An attempt other than this one, under way or to come.
  #othersMayAnswer(attempt: UpstreamAttempt): boolean {
    return this.#backingOff || this.#attempts.besides(attempt);
  }

  #tryAgain(): void {
    const { config, request, record } = this.#exchange;
    this.#backingOff = false;
    record.upstreamTransportFailureReason = '';
    if (this.#matched.virtualHost.includeAttemptCount) {
      request.headers.set('x-envoy-attempt-count', String(record.upstreamRequestAttemptCount + 1));
    }
    const { requestEndTime } = record;
    this.#setExpectedTimeout(requestEndTime < 0 ? 0 : config.services.now() - requestEndTime);
    this.#try();
  }

  #setExpectedTimeout(elapsedMs: number): void {
    const { config, request } = this.#exchange;
    if (config.suppressEnvoyHeaders) return;
    const expected = expectedTimeoutMs(this.#policy, elapsedMs);
    if (expected !== 0) request.headers.set('x-envoy-expected-rq-timeout-ms', String(expected));
  }

  // ---- the response ----

  onAttemptInformational(attempt: UpstreamAttempt, head: ResponseHead): void {
    const exchange = this.#exchange;
    exchange.touch();
    this.#cluster!.stats.countResponse(head.status);
    this.#settleOn(attempt);
    this.#informed = true;
    if (!exchange.config.proxy100Continue || !PASSED_ON.has(head.status)) return;
    removeHopByHop(head.headers, false);
    exchange.respondInformational(head.status, head.headers);
  }

  onAttemptHead(attempt: UpstreamAttempt, head: ResponseHead, ended: boolean): void {
    const exchange = this.#exchange;
    const { config, request, body, record } = exchange;
    const { status, headers } = head;
    const connection = removeHopByHop(headers, false);
    exchange.touch();
    if (status === 101 && !(connection.upgrade && request.upgrade !== '')) {
      // A switch of protocols that nobody asked for.
      attempt.leave();
      this.onAttemptFailed(attempt, 'reset', 'protocol error', ResponseFlag.UpstreamProtocolError);
      return;
    }
    if (this.#triesAnother(attempt, head)) {
      // A response without body leaves its connection usable.
      attempt.leave(ended);
      this.#attempts.remove(attempt);
      return;
    }
    const now = config.services.now();
    this.#beginResponse(attempt, status, headers, now);
    if (status === 101) {
      switchingHeaders(headers);
      this.#addRouteHeaders(headers);
      exchange.respondTunnel(101, headers);
      return;
    }
    if ((headers.seen & Known.Upgrade) !== 0) headers.remove('upgrade');
    // An upstream may rename the operation for the gateway's span; that is not for the client.
    if (config.tracing && (headers.seen & Known.EnvoyInternal) !== 0) headers.remove('x-envoy-decorator-operation');
    if (status < 400 && request.upgrade === 'websocket') {
      this.#refuseHandshake(attempt, status, headers);
      return;
    }
    // A request for an upgrade has no end to count from.
    const timed = body.ended && request.upgrade === '' && !config.suppressEnvoyHeaders;
    if (timed) setServiceTime(headers, now - record.requestEndTime);
    this.#addRouteHeaders(headers);
    exchange.respondHead(status, headers, ended);
  }

  // Neither a WebSocket nor an error: to Envoy a failed handshake, of which the head alone passes.
  #refuseHandshake(attempt: UpstreamAttempt, status: number, headers: HeaderList): void {
    attempt.leave();
    headers.remove('content-length');
    headers.remove('content-type');
    this.#exchange.record.responseCodeDetails = 'websocket_handshake_unsuccessful';
    this.#addRouteHeaders(headers);
    this.#exchange.respondHead(status, headers, true);
    this.onAttemptEnd(undefined);
  }

  // True where the policy wants another attempt in place of this response, and gets it or has it under way.
  #triesAnother(attempt: UpstreamAttempt, head: ResponseHead): boolean {
    const { retry } = this.#policy;
    const hostStats = attempt.host.stats;
    if (head.status >= 500) hostStats.rq_error += 1;
    else hostStats.rq_success += 1;
    if (retry.on === 0 || this.#informed) return false;
    if (!retriesResponse(retry, head)) {
      if (this.#exchange.record.upstreamRequestAttemptCount > 1) {
        this.#cluster!.stats.upstream_rq_retry_success.value += 1;
      }
      return false;
    }
    if (!attempt.repeated && this.#retry(attempt)) return true;
    return this.#othersMayAnswer(attempt);
  }

  #beginResponse(attempt: UpstreamAttempt, status: number, headers: HeaderList, now: number): void {
    const { body, record: info } = this.#exchange;
    const { stats } = this.#cluster!;
    this.#settleOn(attempt);
    this.#responding = true;
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

  // This attempt answers: all others are void.
  #settleOn(attempt: UpstreamAttempt): void {
    this.#retries?.end();
    if (this.#backingOff) {
      this.#backingOff = false;
      this.#timeouts?.disarm('back-off');
    }
    this.#attempts.settleOn(attempt);
  }

  #addRouteHeaders(headers: HeaderList): void {
    const { record } = this.#exchange;
    if (this.#matched.virtualHost.includeAttemptCountInResponse) {
      headers.set('x-envoy-attempt-count', String(record.upstreamRequestAttemptCount));
    }
    mutateResponse(this.#matched, headers, record);
  }

  /** The client takes more again. */
  onDownstreamDrain(): void {
    this.#attempts.newest?.onDownstreamDrain();
  }

  onAttemptEnd(trailers: HeaderList | undefined): void {
    const { config, record } = this.#exchange;
    record.upstreamEndTime = config.services.now();
    this.#exchange.respondEnd(trailers);
  }

  // ---- the end ----

  /** The wheel's call. */
  onTimeout(kind: 'response' | 'back-off'): void {
    if (kind === 'back-off') {
      this.#tryAgain();
      return;
    }
    for (const attempt of this.#attempts.all()) {
      this.#cluster!.stats.upstream_rq_timeout.value += 1;
      attempt.host.stats.rq_timeout += 1;
    }
    this.#giveUp(upstreamTimeout('response_timeout', this.#policy.timeoutStatus));
  }

  #giveUp(reply: LocalReply): void {
    if (this.#responding) {
      this.#exchange.abort(reply.details, reply.flag);
      return;
    }
    this.countResponse(reply.status);
    this.#exchange.reply(reply);
  }

  /** Counts a local reply that is the upstream's fault among its responses. */
  countResponse(status: number): void {
    this.#cluster?.stats.countResponse(status);
  }

  /** The exchange is over, one way or the other: gives back all that is held. */
  close(): void {
    this.#mirroring = undefined;
    this.#over = true;
    this.#timeouts?.disarmAll();
    this.#attempts.leave();
    this.#retries?.end();
  }

  #arm(kind: 'response' | 'back-off', ms: number): void {
    this.#timeouts ??= new Timeouts(this.#exchange.config.services.timers, this);
    this.#timeouts.arm(kind, ms);
  }
}
