// One request from its head to its access log line: checked, routed, tried at upstreams, answered. The request's way is
// start() → route() → forward() → attempt() → onUpstreamHead() → finish(), top to bottom.

import { applyHeaderMutation, type HeaderMutation } from '../router/header-mutation.ts';
import { type AttemptFailure, backOffMs, retriesFailure, retriesResponse } from '../router/retry-policy.ts';
import type { ClusterTarget, CompiledRoute, ForwardAction } from '../router/route.ts';
import { type RouteRequest, requestHeader, withoutQuery } from '../router/route-request.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { CompiledVirtualHost } from '../router/virtual-host.ts';
import { record } from '../stats/stats.ts';
import { ResponseFlag, type StreamInfo } from '../stream-info.ts';
import type { TimerEntry } from '../timer-wheel.ts';
import type { ClientConnection, UpstreamHandler } from '../upstream/client-connection.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';
import type { HttpPool } from '../upstream/http-pool.ts';
import { removeHopByHop } from './connection-header.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import type { HcmConfig } from './hcm-config.ts';
import { CHUNKED, type RequestHead, type ResponseHead, UNFRAMED } from './head-parser.ts';
import { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import { mutateRequestHeaders } from './request-headers.ts';
import { httpDate } from './response-date.ts';

// A request body kept for a retry, or until an upstream connection is there: Envoy's per_connection_buffer_limit_bytes default.
const BODY_BUFFER_LIMIT = 1024 * 1024;

// Methods that say nothing about a body by having none: no `content-length: 0` for them (RFC 9110 section 8.6).
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);

const NO_REQUEST_HEADERS: readonly string[] = [];

type TimerKind = 'response' | 'per-try' | 'back-off' | 'request' | 'stream-idle' | 'duration';

class ExchangeTimer implements TimerEntry {
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly #exchange: Exchange;
  readonly #kind: TimerKind;

  constructor(exchange: Exchange, kind: TimerKind) {
    this.#exchange = exchange;
    this.#kind = kind;
  }

  onTimeout(): void {
    this.#exchange.onTimer(this.#kind);
  }
}

/** One request and its response. Used once. */
export class Exchange implements RouteRequest, UpstreamHandler {
  readonly #config: HcmConfig;
  readonly #downstream: DownstreamStream;
  readonly #startTime: number;
  readonly #minorVersion: number;
  readonly #framing: number;

  method: string;
  authority: string;
  scheme = '';
  /** Path and query, normalized; after a rewrite the upstream's. */
  path: string;
  readonly headers: HeaderList;
  #originalPath: string;
  #hasHost: boolean;
  #remoteIp: string;
  #upgrade = '';

  #table: RouteTable | undefined = undefined;
  #virtualHost: CompiledVirtualHost | undefined = undefined;
  #route: CompiledRoute | undefined = undefined;
  #action: ForwardAction | undefined = undefined;
  #target: ClusterTarget | undefined = undefined;

  #cluster: UpstreamCluster | undefined = undefined;
  #host: Host | undefined = undefined;
  #pool: HttpPool | undefined = undefined;
  #upstream: ClientConnection | undefined = undefined;
  #waiting = false;
  #attempts = 0;
  #retries = 0;
  #retrying = false;
  #tried: Set<Host> | undefined = undefined;
  #discardThenRetry = false;
  #headSent = false;
  #upstreamPaused = false;

  /** Body bytes not yet sent, or kept for a retry. */
  #body: Buffer[] | undefined = undefined;
  #bodyBytes = 0;
  #keepBody = false;
  #bodyAbandoned = false;
  #requestPaused = false;
  #requestEnded = false;
  #requestTrailers: HeaderList | undefined = undefined;
  #requestEndTime = -1;

  #responseStarted = false;
  #responseHeaders: HeaderList | undefined = undefined;
  #responseEnded = false;
  #finished = false;
  #tunnel = false;

  #status = 0;
  #details = '';
  #flags = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  #upstreamFirstByteTime = -1;
  #upstreamEndTime = -1;
  #upstreamAddress = '';
  #upstreamLocalAddress = '';
  #transportFailure = '';
  #info: StreamInfo | undefined = undefined;

  #timers: Map<TimerKind, ExchangeTimer> | undefined = undefined;

  /**
   * @param head as parsed; its headers become this exchange's and are changed in place
   * @param host the authority, undefined where the request had none
   * @param path path and query
   */
  constructor(
    config: HcmConfig,
    downstream: DownstreamStream,
    head: RequestHead,
    host: string | undefined,
    path: string,
    startTime: number,
  ) {
    this.#config = config;
    this.#downstream = downstream;
    this.#startTime = startTime;
    this.#minorVersion = head.minorVersion;
    this.#framing = head.framing;
    this.method = head.method;
    this.authority = host ?? '';
    this.#hasHost = host !== undefined;
    this.path = path;
    this.#originalPath = path;
    this.headers = head.headers;
    this.#remoteIp = downstream.connection.remoteIp;
    config.stats.downstream_rq_total.value += 1;
    config.stats.downstream_rq_http1_total.value += 1;
    config.stats.downstream_rq_active.value += 1;
  }

  /** True once the response is out and the record written. */
  get finished(): boolean {
    return this.#finished;
  }

  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  // ---- the request arrives ----

  /**
   * Runs the request up to the upstream, or answers it.
   *
   * @param body the first bytes of the body, undefined where none are there yet
   * @param ended the request is complete with them
   */
  start(body: Buffer | undefined, ended: boolean): void {
    const config = this.#config;
    if (body !== undefined) {
      this.#bytesReceived = body.length;
      this.#body = [body];
      this.#bodyBytes = body.length;
    }
    if (ended) {
      this.#requestEnded = true;
      this.#requestEndTime = this.#startTime;
    } else if (config.requestTimeoutMs !== 0) this.#arm('request', config.requestTimeoutMs);

    if (!this.#hasHost) {
      this.#reply(400, '', 'missing_host_header', 0, true);
      return;
    }
    if (this.path.charCodeAt(0) !== 0x2f && this.method !== 'CONNECT') {
      config.stats.downstream_rq_non_relative_path.value += 1;
      this.#reply(404, '', 'absolute_path_rejected', 0, false);
      return;
    }
    const normalized = config.normalizePath(this.path);
    if (normalized !== undefined && this.method !== 'CONNECT') {
      if (normalized.outcome === 'reject') {
        config.stats.downstream_rq_failed_path_normalization.value += 1;
        this.#reply(400, '', 'path_normalization_failed', 0, true);
        return;
      }
      this.path = normalized.path;
      this.#originalPath = normalized.path;
      if (normalized.outcome === 'redirect') {
        config.stats.downstream_rq_redirected_with_normalized_path.value += 1;
        this.#redirect(307, normalized.path, 'path_normalization_failed');
        return;
      }
    }
    if (config.stripAnyPort || config.stripMatchingPort || config.stripTrailingHostDot) this.#normalizeAuthority();
    const { seen } = this.headers;
    if ((seen & Known.Upgrade) !== 0) this.#upgrade = (this.headers.get('upgrade') ?? '').toLowerCase();
    const options = removeHopByHop(this.headers, true);
    if (options.invalid) {
      this.fail(400, 'Bad Request', 'http1.connection_header_rejected');
      return;
    }
    if (options.close) this.#downstream.closeAfterResponse = true;
    if ((seen & Known.Upgrade) !== 0) this.headers.remove('upgrade');
    if (!options.upgrade || this.#upgrade === 'h2c') {
      if (this.#upgrade === 'h2c') this.headers.remove('http2-settings');
      this.#upgrade = '';
    }

    this.#table = config.routes.current;
    const view = mutateRequestHeaders(
      this.headers,
      this.#downstream.connection,
      config,
      this.#table?.internalOnlyHeaders ?? NO_REQUEST_HEADERS,
    );
    this.scheme = view.scheme;
    this.#remoteIp = view.remoteIp;
    this.#findRoute(view.internal);
  }

  #findRoute(internal: boolean): void {
    const config = this.#config;
    const virtualHost = this.#table?.virtualHost(this.authority);
    this.#virtualHost = virtualHost;
    if (virtualHost !== undefined && virtualHost.requireTls !== 'none' && this.scheme !== 'https') {
      if (virtualHost.requireTls === 'all' || !internal) {
        config.stats.rq_direct_response.value += 1;
        this.#redirect(301, `https://${this.authority}${this.path}`, 'direct_response');
        return;
      }
    }
    // CONNECT asks for a tunnel, which only a connect_matcher route gives; none can be configured.
    const route = this.method === 'CONNECT' ? undefined : virtualHost?.match(this);
    if (route === undefined) {
      config.stats.no_route.value += 1;
      this.#reply(404, '', 'route_not_found', ResponseFlag.NoRouteFound, this.method === 'CONNECT');
      return;
    }
    this.#route = route;
    const { action } = route;
    switch (action.kind) {
      case 'forward':
        this.#action = action;
        this.#forward(route, action);
        break;
      case 'redirect':
        config.stats.rq_direct_response.value += 1;
        this.#redirect(
          action.redirect.status,
          action.redirect.location(this, route.path.matchedLength(withoutQuery(this.path))),
          'direct_response',
        );
        break;
      case 'direct':
        config.stats.rq_direct_response.value += 1;
        // What was "created" is where the request went.
        if (action.status === 201) this.#directWithLocation(action.status, action.body);
        else this.#reply(action.status, action.body, 'direct_response', 0, false);
    }
  }

  #forward(route: CompiledRoute, action: ForwardAction): void {
    const config = this.#config;
    const { headers } = this;
    config.stats.rq_total.value += 1;
    const target = action.targets.length === 1 ? action.targets[0]! : this.#chooseTarget(action);
    this.#target = target;
    const cluster = config.services.clusters.get(target.cluster);
    if (cluster === undefined) {
      config.stats.no_cluster.value += 1;
      this.#reply(action.clusterNotFoundStatus, '', 'cluster_not_found', ResponseFlag.NoClusterFound, false);
      return;
    }
    this.#cluster = cluster;
    if (this.#upgrade !== '') {
      const enabled = action.upgrades.get(this.#upgrade) ?? config.upgrades.get(this.#upgrade) ?? false;
      if (!enabled) {
        config.stats.downstream_rq_ws_on_non_ws_route.value += 1;
        this.#reply(403, '', 'upgrade_failed', 0, true);
        return;
      }
    }
    if (this.#requestEnded) this.#onRequestComplete();
    this.#setTimeoutHeader();
    const virtualHost = this.#virtualHost!;
    if (virtualHost.includeAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (config.tracing && route.propagateOperation && route.operation !== '') {
      headers.set('x-envoy-decorator-operation', route.operation);
    }
    this.#mutateRequest(route, target);
    this.#rewrite(route, action, target);
    const idleMs = action.idleTimeoutMs === -1 ? config.streamIdleTimeoutMs : action.idleTimeoutMs;
    if (idleMs !== 0 && (!this.#requestEnded || action.timeoutMs === 0 || idleMs < action.timeoutMs)) {
      this.#arm('stream-idle', idleMs);
    }
    const durationMs = action.maxStreamDurationMs || config.maxStreamDurationMs;
    if (durationMs !== 0) this.#arm('duration', durationMs);
    this.#keepBody = action.retry !== undefined;
    this.#attempt();
  }

  #chooseTarget(action: ForwardAction): ClusterTarget {
    let point = Math.floor(this.#config.random() * action.totalWeight);
    for (const target of action.targets) {
      point -= target.weight;
      if (point < 0) return target;
    }
    return action.targets[action.targets.length - 1]!;
  }

  #mutateRequest(route: CompiledRoute, target: ClusterTarget): void {
    const table = this.#table!;
    const virtualHost = this.#virtualHost!;
    const levels = [target.requestMutation, route.requestMutation, virtualHost.requestMutation, table.requestMutation];
    this.#applyLevels(levels, table.mostSpecificWins, this.headers);
  }

  #applyLevels(levels: (HeaderMutation | undefined)[], reversed: boolean, headers: HeaderList): void {
    // The default order lets the outer levels have the last word.
    if (reversed) levels.reverse();
    for (const mutation of levels) if (mutation !== undefined) applyHeaderMutation(mutation, headers, this);
  }

  #rewrite(route: CompiledRoute, action: ForwardAction, target: ClusterTarget): void {
    if (action.prefixRewrite !== undefined || action.regexRewrite !== undefined) {
      const bare = withoutQuery(this.path);
      const query = this.path.slice(bare.length);
      const rewritten =
        action.prefixRewrite !== undefined
          ? action.prefixRewrite + bare.slice(route.path.matchedLength(bare))
          : action.regexRewrite!(bare);
      this.headers.set('x-envoy-original-path', this.path);
      this.path = rewritten + query;
    }
    const host =
      target.hostRewrite ||
      action.hostRewrite ||
      (action.hostRewriteHeader === '' ? '' : (this.headers.get(action.hostRewriteHeader) ?? ''));
    if (host !== '') this.#rewriteHost(host, action);
  }

  #rewriteHost(host: string, action: ForwardAction): void {
    if (action.appendForwardedHost) this.headers.append('x-forwarded-host', this.authority, ',');
    this.headers.set('x-envoy-original-host', this.authority);
    this.authority = host;
  }

  // ---- attempts at upstreams ----

  #attempt(): void {
    const cluster = this.#cluster!;
    const action = this.#action!;
    const { retry } = action;
    const host = cluster.chooseHost(this.#tried, retry?.hostSelectionAttempts);
    this.#attempts += 1;
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy.value += 1;
      this.#reply(503, 'no healthy upstream', 'no_healthy_upstream', ResponseFlag.NoHealthyUpstream, false);
      return;
    }
    if (retry?.previousHosts === true) {
      this.#tried ??= new Set();
      this.#tried.add(host);
    }
    this.#host = host;
    if (action.autoHostRewrite && host.hostname !== '') this.#rewriteHost(host.hostname, action);
    if (retry !== undefined && retry.perTryTimeoutMs !== 0) this.#arm('per-try', retry.perTryTimeoutMs);
    const pool = cluster.poolOf(host);
    this.#pool = pool;
    const acquired = pool.acquire(this);
    if (acquired === 'overflow') {
      this.#attemptFailed('overflow', 'overflow', ResponseFlag.UpstreamOverflow);
      return;
    }
    this.#upstreamAddress = host.address;
    if (acquired === 'pending') this.#waiting = true;
    else this.onUpstreamReady(acquired);
  }

  onUpstreamReady(connection: ClientConnection): void {
    this.#waiting = false;
    this.#upstream = connection;
    this.#upstreamLocalAddress = connection.localAddress;
    const { headers } = this;
    const { fields } = headers;
    let text = `${this.method} ${this.path} HTTP/1.1\r\nhost: ${this.authority}\r\n`;
    for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
    if (this.#upgrade !== '') text += `upgrade: ${this.#upgrade}\r\nconnection: Upgrade\r\n`;
    let chunked = false;
    if (this.#framing === CHUNKED) {
      text += 'transfer-encoding: chunked\r\n';
      chunked = true;
    } else if (this.#framing === UNFRAMED) {
      if (!BODILESS.has(this.method)) text += 'content-length: 0\r\n';
    } else if (!headers.has('content-length')) {
      text += `content-length: ${this.#framing}\r\n`;
    }
    text += '\r\n';
    const isHead = this.method === 'HEAD';
    const body = this.#body;
    const ended = this.#requestEnded && this.#upgrade === '';
    let flowing: boolean;
    if (body === undefined || body.length === 0) {
      flowing = connection.writeHead(text, undefined, chunked, false, isHead);
    } else if (body.length === 1) {
      flowing = connection.writeHead(text, body[0], chunked, false, isHead);
    } else {
      flowing = connection.writeHead(text, Buffer.concat(body), chunked, false, isHead);
    }
    this.#headSent = true;
    if (!this.#keepBody || this.#bodyAbandoned) this.#dropBody();
    if (ended) connection.endRequest(this.#requestTrailers);
    else if (!flowing) this.#pauseRequest();
    else if (this.#requestPaused) this.#resumeRequest();
  }

  /** More of the request body. */
  onRequestData(bytes: Buffer): void {
    this.#bytesReceived += bytes.length;
    this.#touch();
    if (this.#responseEnded) return;
    const upstream = this.#upstream;
    if (upstream !== undefined && this.#headSent) {
      if (this.#keepBody && !this.#bodyAbandoned) this.#bufferBody(bytes);
      if (!upstream.writeBody(bytes)) this.#pauseRequest();
      return;
    }
    if (this.#cluster === undefined) return;
    this.#bufferBody(bytes);
    if (this.#bodyBytes > BODY_BUFFER_LIMIT) this.#pauseRequest();
  }

  /** The request is complete. */
  onRequestEnd(trailers: HeaderList | undefined): void {
    this.#requestEnded = true;
    this.#requestEndTime = this.#config.services.now();
    this.#requestTrailers = this.#config.enableTrailers ? trailers : undefined;
    this.#disarm('request');
    if (this.#responseEnded) return;
    if (this.#cluster !== undefined) this.#onRequestComplete();
    if (this.#headSent) this.#upstream?.endRequest(this.#requestTrailers);
  }

  // Envoy counts the route's timeout from the end of the request.
  #onRequestComplete(): void {
    const { timeoutMs } = this.#action!;
    if (timeoutMs !== 0 && !this.#responseStarted) this.#arm('response', timeoutMs);
  }

  #bufferBody(bytes: Buffer): void {
    this.#body ??= [];
    this.#body.push(bytes);
    this.#bodyBytes += bytes.length;
    // Too large to keep: the request goes on, without the chance of a retry.
    if (this.#keepBody && this.#upstream !== undefined && this.#bodyBytes > BODY_BUFFER_LIMIT) {
      this.#bodyAbandoned = true;
      this.#dropBody();
    }
  }

  #dropBody(): void {
    this.#body = undefined;
    this.#bodyBytes = 0;
  }

  #pauseRequest(): void {
    if (this.#requestPaused || this.#requestEnded) return;
    this.#requestPaused = true;
    this.#downstream.pauseRequest();
  }

  #resumeRequest(): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    this.#downstream.resumeRequest();
  }

  onUpstreamDrain(): void {
    this.#resumeRequest();
  }

  onUpstreamFailure(failure: string): void {
    this.#waiting = false;
    this.#transportFailure = failure.replaceAll(' ', '_');
    const timeout = failure === 'connection_timeout';
    if (timeout) this.#transportFailure = '';
    const reason = timeout ? 'connection timeout' : 'remote connection failure';
    this.#attemptFailed('connect-failure', reason, ResponseFlag.UpstreamConnectionFailure);
  }

  onUpstreamReset(reason: 'connection_termination' | 'protocol_error'): void {
    this.#upstream = undefined;
    const protocolError = reason === 'protocol_error';
    const flag = protocolError ? ResponseFlag.UpstreamProtocolError : ResponseFlag.UpstreamConnectionTermination;
    if (this.#responseStarted) {
      this.#abortResponse(`upstream_reset_after_response_started{${reason}}`, flag);
      return;
    }
    this.#attemptFailed('reset', protocolError ? 'protocol error' : 'connection termination', flag);
  }

  // An attempt ended without a response head: try again or say so.
  #attemptFailed(failure: AttemptFailure, reason: string, flag: number): void {
    const host = this.#host!;
    host.stats.rq_error += 1;
    this.#disarm('per-try');
    if (this.#retry(() => retriesFailure(this.#action!.retry!, failure))) return;
    const prefix = this.#retries > 0 ? 'retried and the latest reset reason: ' : 'reset reason: ';
    const transport = this.#transportFailure === '' ? '' : `|${this.#transportFailure}`;
    const details = `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}${transport}}`;
    const status = flag === ResponseFlag.UpstreamProtocolError ? 502 : 503;
    const text = `upstream connect error or disconnect/reset before headers. ${prefix}${reason}`;
    this.#cluster!.stats.countResponse(status);
    if (flag === ResponseFlag.UpstreamOverflow) this.#replyOverloaded(status, text, details, flag);
    else this.#reply(status, text, details, flag, false);
  }

  // True when another attempt was arranged.
  #retry(wanted: () => boolean): boolean {
    const action = this.#action!;
    const { retry } = action;
    if (retry === undefined || !wanted()) return false;
    const cluster = this.#cluster!;
    if (this.#bodyAbandoned) return false;
    if (this.#retries >= retry.numRetries) {
      this.#flags |= ResponseFlag.UpstreamRetryLimitExceeded;
      cluster.stats.upstream_rq_retry_limit_exceeded.value += 1;
      return false;
    }
    if (cluster.retriesActive >= cluster.limits.maxRetries) {
      this.#flags |= ResponseFlag.UpstreamOverflow;
      cluster.stats.upstream_rq_retry_overflow.value += 1;
      return false;
    }
    this.#retries += 1;
    this.#retrying = true;
    cluster.retriesActive += 1;
    cluster.stats.upstream_rq_retry.value += 1;
    cluster.stats.upstream_rq_retry_backoff_exponential.value += 1;
    this.#releaseUpstream();
    this.#arm('back-off', backOffMs(retry, this.#retries, this.#config.random));
    return true;
  }

  #attemptAgain(): void {
    this.#endRetryState();
    this.#headSent = false;
    this.#transportFailure = '';
    if (this.#virtualHost!.includeAttemptCount) {
      this.headers.set('x-envoy-attempt-count', String(this.#attempts + 1));
    }
    this.#setTimeoutHeader();
    this.#attempt();
  }

  #endRetryState(): void {
    if (!this.#retrying) return;
    this.#retrying = false;
    this.#cluster!.retriesActive -= 1;
  }

  #setTimeoutHeader(): void {
    const action = this.#action!;
    if (this.#config.suppressEnvoyHeaders) return;
    const perTry = action.retry?.perTryTimeoutMs ?? 0;
    const elapsed = this.#attempts === 0 ? 0 : this.#config.services.now() - this.#startTime;
    let expected = perTry;
    if (action.timeoutMs !== 0 && (expected === 0 || elapsed + expected > action.timeoutMs)) {
      expected = Math.max(1, action.timeoutMs - elapsed);
    }
    if (expected !== 0) this.headers.set('x-envoy-expected-rq-timeout-ms', String(Math.floor(expected)));
  }

  #releaseUpstream(): void {
    if (this.#waiting) {
      this.#waiting = false;
      this.#pool!.cancel(this);
    }
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.release();
  }

  // ---- the response ----

  onUpstreamInformational(head: ResponseHead): void {
    this.#touch();
    this.#cluster!.stats.countResponse(head.status);
    // Envoy passes on 100 where it was asked to, and no other.
    if (head.status === 100 && this.#config.proxy100Continue) this.#downstream.sendInformational(100, undefined);
  }

  onUpstreamHead(head: ResponseHead, ended: boolean): void {
    const config = this.#config;
    const now = config.services.now();
    const cluster = this.#cluster!;
    const action = this.#action!;
    const { status, headers } = head;
    this.#disarm('per-try');
    this.#touch();
    const hostStats = this.#host!.stats;
    if (status >= 500) hostStats.rq_error += 1;
    else hostStats.rq_success += 1;
    if (action.retry !== undefined) {
      if (retriesResponse(action.retry, head)) {
        const upstream = this.#upstream;
        // A response without body leaves its connection usable: let it end before the next attempt.
        if (ended) this.#upstream = undefined;
        if (this.#retry(() => true)) {
          if (ended) this.#discardThenRetry = true;
          return;
        }
        if (ended) this.#upstream = upstream;
      } else if (this.#retries > 0) cluster.stats.upstream_rq_retry_success.value += 1;
    }
    this.#disarm('response');
    if (!this.#keepBody || this.#requestEnded) this.#dropBody();
    else this.#bodyAbandoned = true;
    this.#upstreamFirstByteTime = now;
    cluster.stats.countResponse(status);
    if (this.#requestEnded) record(cluster.stats.upstream_rq_time, now - this.#requestEndTime);

    this.#status = status;
    this.#details = 'via_upstream';
    this.#responseStarted = true;
    this.#responseHeaders = headers;
    const options = removeHopByHop(headers, false);
    const upgraded = status === 101 && this.#upgrade !== '' && options.upgrade;
    if ((headers.seen & Known.Upgrade) !== 0 && !upgraded) headers.remove('upgrade');
    if (this.#upgrade !== '' && !upgraded) {
      this.#upgradeRefused(status);
      return;
    }
    if (status === 101 && !upgraded) {
      // A switch of protocols that nobody asked for.
      this.#responseStarted = false;
      this.#releaseUpstream();
      this.#attemptFailed('reset', 'protocol error', ResponseFlag.UpstreamProtocolError);
      return;
    }
    if (status === 204 && (headers.seen & Known.ContentLength) !== 0) headers.remove('content-length');
    if (!config.suppressEnvoyHeaders && this.#requestEnded && !upgraded) {
      const time = String(Math.max(0, Math.round(now - this.#requestEndTime)));
      if ((headers.seen & Known.UpstreamServiceTime) !== 0) headers.set('x-envoy-upstream-service-time', time);
      else headers.add('x-envoy-upstream-service-time', time);
    }
    if (this.#virtualHost!.includeAttemptCountInResponse) {
      headers.set('x-envoy-attempt-count', String(this.#attempts));
    }
    this.#mutateResponse(headers);
    this.#completeResponseHeaders(headers, now);
    if (upgraded) {
      this.#tunnel = true;
      config.stats.downstream_cx_upgrades_total.value += 1;
      config.stats.downstream_cx_upgrades_active.value += 1;
      this.#downstream.startTunnel();
      // The order in which Envoy writes them.
      headers.fields.unshift('upgrade', headers.get('upgrade') ?? '', 'connection', 'Upgrade');
      for (let i = headers.fields.length - 2; i >= 4; i -= 2) {
        if (headers.fields[i] === 'upgrade') headers.fields.splice(i, 2);
      }
      this.#downstream.sendHead(101, headers, false);
      this.#downstream.flush();
      return;
    }
    this.#downstream.sendHead(status, headers, ended);
  }

  #upgradeRefused(status: number): void {
    // Envoy ends a refused handshake with the upstream's status and no body.
    this.#releaseUpstream();
    this.#responseStarted = false;
    this.#reply(status, '', 'websocket_handshake_unsuccessful', 0, true);
  }

  #mutateResponse(headers: HeaderList): void {
    const route = this.#route!;
    const virtualHost = this.#virtualHost!;
    const table = this.#table!;
    const target = this.#target?.responseMutation;
    if (
      target === undefined &&
      route.responseMutation === undefined &&
      virtualHost.responseMutation === undefined &&
      table.responseMutation === undefined
    ) {
      return;
    }
    const levels = [target, route.responseMutation, virtualHost.responseMutation, table.responseMutation];
    this.#applyLevels(levels, table.mostSpecificWins, headers);
  }

  // What every response carries, local or not. `headers.seen` says what an upstream sent.
  #completeResponseHeaders(headers: HeaderList, now: number): void {
    const config = this.#config;
    const { seen } = headers;
    if (config.alwaysSetRequestIdInResponse) {
      const id = this.headers.get('x-request-id');
      if (id !== undefined) headers.set('x-request-id', id);
    }
    if ((seen & Known.Date) === 0) headers.add('date', httpDate(now));
    if ((seen & Known.Server) === 0) {
      if (config.serverHeader !== 'pass-through') headers.add('server', config.serverName);
    } else if (config.serverHeader === 'overwrite') headers.set('server', config.serverName);
    if (config.via !== '') headers.append('via', config.via, ', ');
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.#discardThenRetry) return;
    this.#bytesSent += bytes.length;
    this.#touch();
    if (!this.#downstream.sendData(bytes) && !this.#upstreamPaused) {
      this.#upstreamPaused = true;
      this.#upstream?.pause();
    }
  }

  /** The client takes more again. */
  onDownstreamDrain(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#upstream?.resume();
  }

  onUpstreamFlush(): void {
    this.#downstream.flush();
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    // A paused connection goes back to its pool (or to its end) reading.
    if (this.#upstreamPaused) {
      this.#upstreamPaused = false;
      this.#upstream?.resume();
    }
    this.#upstream = undefined;
    if (this.#discardThenRetry) {
      this.#discardThenRetry = false;
      return;
    }
    this.#upstreamEndTime = this.#config.services.now();
    this.#endResponse(trailers);
  }

  #endResponse(trailers: HeaderList | undefined): void {
    if (this.#responseEnded) return;
    this.#responseEnded = true;
    if (!this.#requestEnded) {
      // The rest of the request has no reader: the connection cannot be used again.
      this.#downstream.closeAfterResponse = true;
      this.#config.stats.downstream_rq_response_before_rq_complete.value += 1;
    }
    this.#finish();
    this.#downstream.sendEnd(this.#config.enableTrailers ? trailers : undefined);
  }

  #abortResponse(details: string, flag: number): void {
    this.#details = details;
    this.#flags |= flag;
    this.#responseEnded = true;
    this.#config.stats.rq_reset_after_downstream_response_started.value += 1;
    this.#config.stats.downstream_rq_tx_reset.value += 1;
    this.#releaseUpstream();
    this.#finish();
    this.#downstream.abort();
  }

  // ---- local replies ----

  /** Answers a request that the codec refused half-way (a bad chunk). */
  fail(status: number, body: string, details: string): void {
    if (this.#responseEnded) return;
    this.#releaseUpstream();
    this.#config.stats.downstream_rq_rx_reset.value += 1;
    if (this.#responseStarted) this.#abortResponse(details, ResponseFlag.DownstreamProtocolError);
    else this.#reply(status, body, details, ResponseFlag.DownstreamProtocolError, true);
  }

  /** Answers a client that did not finish its request head in time. */
  timeOutHead(): void {
    this.#reply(408, 'request header timeout', 'request_header_timeout', 0, true);
  }

  #redirect(status: number, location: string, details: string): void {
    const headers = new HeaderList();
    headers.add('location', location);
    this.#replyWith(status, headers, '', details, 0, false);
  }

  #directWithLocation(status: number, body: string): void {
    const headers = localHeaders(body);
    headers.add('location', `${this.scheme}://${this.authority}${this.path}`);
    this.#replyWith(status, headers, body, 'direct_response', 0, false);
  }

  #replyOverloaded(status: number, body: string, details: string, flag: number): void {
    const headers = new HeaderList();
    headers.add('x-envoy-overloaded', 'true');
    headers.fields.push(...localHeaders(body).fields);
    this.#replyWith(status, headers, body, details, flag, false);
  }

  #reply(status: number, body: string, details: string, flag: number, close: boolean): void {
    this.#replyWith(status, localHeaders(body), body, details, flag, close);
  }

  #replyWith(status: number, headers: HeaderList, body: string, details: string, flag: number, close: boolean): void {
    if (this.#responseEnded) return;
    this.#status = status;
    this.#details = details;
    this.#flags |= flag;
    this.#responseStarted = true;
    this.#responseEnded = true;
    this.#responseHeaders = headers;
    if (this.#route !== undefined && details === 'direct_response') this.#mutateResponse(headers);
    this.#completeResponseHeaders(headers, this.#config.services.now());
    if (close || !this.#requestEnded) this.#downstream.closeAfterResponse = true;
    if (!this.#requestEnded) this.#config.stats.downstream_rq_response_before_rq_complete.value += 1;
    const sent = this.method === 'HEAD' ? '' : body;
    this.#bytesSent = Buffer.byteLength(sent);
    this.#finish();
    this.#downstream.sendWhole(status, headers, sent);
  }

  // ---- the end ----

  /** The client is gone before the response was out. */
  onDownstreamClosed(): void {
    if (this.#finished) return;
    this.#flags |= ResponseFlag.DownstreamConnectionTermination;
    this.#details = 'downstream_remote_disconnect';
    this.#responseEnded = true;
    this.#config.stats.downstream_rq_rx_reset.value += 1;
    this.#releaseUpstream();
    this.#finish();
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    const { stats, services, accessLogger } = this.#config;
    if (this.#timers !== undefined) for (const timer of this.#timers.values()) services.timers.disarm(timer);
    this.#endRetryState();
    this.#dropBody();
    stats.downstream_rq_active.value -= 1;
    stats.downstream_rq_completed.value += 1;
    if (this.#tunnel) stats.downstream_cx_upgrades_active.value -= 1;
    const ofClass = stats.byClass[(this.#status / 100) | 0];
    if (ofClass !== undefined) ofClass.value += 1;
    record(stats.downstream_rq_time, services.now() - this.#startTime);
    if (accessLogger !== undefined) accessLogger.log(this.streamInfo());
  }

  /** The wheel's call. */
  onTimer(kind: TimerKind): void {
    if (this.#responseEnded) return;
    const { stats } = this.#config;
    switch (kind) {
      case 'back-off':
        this.#attemptAgain();
        break;
      case 'response':
        this.#cluster!.stats.upstream_rq_timeout.value += 1;
        if (this.#host !== undefined) this.#host.stats.rq_timeout += 1;
        this.#timedOut('response_timeout', ResponseFlag.UpstreamRequestTimeout, 504, 'upstream request timeout');
        break;
      case 'per-try':
        this.#cluster!.stats.upstream_rq_per_try_timeout.value += 1;
        if (this.#host !== undefined) this.#host.stats.rq_timeout += 1;
        this.#releaseUpstream();
        if (this.#retry(() => retriesFailure(this.#action!.retry!, 'per-try-timeout'))) break;
        this.#timedOut(
          'upstream_per_try_timeout',
          ResponseFlag.UpstreamRequestTimeout,
          504,
          'upstream request timeout',
        );
        break;
      case 'request':
        stats.downstream_rq_timeout.value += 1;
        this.#timedOut('request_overall_timeout', 0, 408, 'request timeout');
        break;
      case 'stream-idle':
        stats.downstream_rq_idle_timeout.value += 1;
        this.#timedOut('stream_idle_timeout', ResponseFlag.StreamIdleTimeout, this.#timeoutStatus(), 'stream timeout');
        break;
      case 'duration':
        stats.downstream_rq_max_duration_reached.value += 1;
        this.#timedOut('max_duration_timeout', 0, this.#timeoutStatus(), 'downstream duration timeout');
    }
  }

  // Whose fault the waiting was: the client's while its request is not complete, else the upstream's.
  #timeoutStatus(): number {
    return this.#requestEnded ? 504 : 408;
  }

  #timedOut(details: string, flag: number, status: number, body: string): void {
    this.#releaseUpstream();
    if (this.#responseStarted) this.#abortResponse(details, flag);
    else {
      if (status === 504) this.#cluster?.stats.countResponse(504);
      this.#reply(status, body, details, flag, false);
    }
  }

  #arm(kind: TimerKind, ms: number): void {
    this.#timers ??= new Map();
    let timer = this.#timers.get(kind);
    if (timer === undefined) {
      timer = new ExchangeTimer(this, kind);
      this.#timers.set(kind, timer);
    }
    this.#config.services.timers.arm(timer, ms);
  }

  #disarm(kind: TimerKind): void {
    const timer = this.#timers?.get(kind);
    if (timer !== undefined) this.#config.services.timers.disarm(timer);
  }

  // Something moved: the stream is not idle.
  #touch(): void {
    const timer = this.#timers?.get('stream-idle');
    if (timer === undefined) return;
    const ms = this.#action?.idleTimeoutMs ?? -1;
    this.#config.services.timers.arm(timer, ms === -1 ? this.#config.streamIdleTimeoutMs : ms);
  }

  #normalizeAuthority(): void {
    const { stripAnyPort, stripMatchingPort, stripTrailingHostDot } = this.#config;
    const { localAddress } = this.#downstream.connection;
    let host = this.authority;
    let port = '';
    const colon = host.lastIndexOf(':');
    if (colon > host.lastIndexOf(']')) {
      port = host.slice(colon);
      host = host.slice(0, colon);
    }
    if (stripAnyPort || (stripMatchingPort && port !== '' && localAddress.endsWith(port))) port = '';
    if (stripTrailingHostDot && host.endsWith('.')) host = host.slice(0, -1);
    this.authority = host + port;
  }

  /** The record of this request as it stands. */
  streamInfo(): StreamInfo {
    const { connection } = this.#downstream;
    const start = this.#startTime;
    const since = (time: number): number => (time < 0 ? -1 : time - start);
    const info: StreamInfo = this.#info ?? ({} as StreamInfo);
    this.#info = info;
    info.startTime = start;
    info.requestLastByteMs = since(this.#requestEndTime);
    info.upstreamFirstByteMs = since(this.#upstreamFirstByteTime);
    info.upstreamLastByteMs = since(this.#upstreamEndTime);
    info.durationMs = this.#finished ? this.#config.services.now() - start : -1;
    info.protocol = this.#minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0';
    info.method = this.method;
    info.originalPath = this.headers.get('x-envoy-original-path') ?? this.#originalPath;
    info.path = this.path;
    info.authority = this.authority;
    info.responseCode = this.#status;
    info.responseCodeDetails = this.#details;
    info.connectionTerminationDetails = '';
    info.responseFlags = this.#flags;
    info.bytesReceived = this.#bytesReceived;
    info.bytesSent = this.#bytesSent;
    info.routeName = this.#route?.name ?? '';
    info.upstreamCluster = this.#cluster?.name ?? '';
    info.upstreamHost = this.#upstreamAddress;
    info.upstreamLocalAddress = this.#upstreamLocalAddress;
    info.upstreamTransportFailureReason = this.#transportFailure;
    info.upstreamRequestAttemptCount = this.#attempts;
    info.downstreamLocalAddress = connection.localAddress;
    info.downstreamRemoteAddress =
      this.#remoteIp === connection.remoteIp ? connection.remoteAddress : `${this.#remoteIp}:0`;
    info.requestedServerName = connection.serverName;
    info.downstreamTlsVersion = connection.tls?.version ?? '';
    info.downstreamTlsCipher = connection.tls?.cipher ?? '';
    info.downstreamPeerSubject = connection.tls?.peer?.subject ?? '';
    info.downstreamPeerUriSan = connection.tls?.peer?.uriSan ?? '';
    info.requestHeader = (name) =>
      this.#hasHost || name.charCodeAt(0) !== 0x3a ? requestHeader(this, name) : undefined;
    info.responseHeader = (name) =>
      name === ':status' ? (this.#status === 0 ? undefined : String(this.#status)) : this.#responseHeaders?.get(name);
    return info;
  }
}

/** The headers of a local reply with this body; one without has none. */
function localHeaders(body: string): HeaderList {
  const headers = new HeaderList();
  if (body !== '') {
    headers.add('content-length', String(Buffer.byteLength(body)));
    headers.add('content-type', 'text/plain');
  }
  return headers;
}
