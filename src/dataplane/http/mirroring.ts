// Copies of a request for the clusters that its route mirrors to (Envoy: shadowing). Nobody waits for them, and what comes back is thrown away.
// A copy is sent when the request is complete; a request that is cut short, or larger than what is held of one, is not copied.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-requestmirrorpolicy

import { routePolicy } from '../router/forward-policy.ts';
import { drawn } from '../router/fraction.ts';
import { DEFAULT_RETRY_POLICY } from '../router/retry-policy.ts';
import type { ForwardAction, Mirror } from '../router/route.ts';
import { withoutPort } from '../router/route-table.ts';
import type { ForwardedExchange } from './forwarded-exchange.ts';
import type { Forwarding } from './forwarding.ts';
import type { HcmConfig } from './hcm-config.ts';
import { createHcmStats } from './hcm-stats.ts';
import { RequestHead } from './head-parser.ts';
import { HttpRequest } from './http-request.ts';
import { RequestBody } from './request-body.ts';
import { MatchedRoute } from './route-mutations.ts';
import type { StreamRecord } from './stream-record.ts';

/** Forwards a copy as any request. Passed in: forwarding itself begins copies. */
export type ForwardCopy = (exchange: ForwardedExchange, matched: MatchedRoute, action: ForwardAction) => Forwarding;

/** The copies of one request, before they are sent. */
export class Mirroring {
  readonly #origin: ForwardedExchange;
  readonly #action: ForwardAction;
  readonly #mirrors: readonly Mirror[];
  readonly #timeoutMs: number;
  readonly #forward: ForwardCopy;
  /** As the upstream gets it, before an attempt leaves its traces. */
  readonly #head: RequestHead;
  readonly #body = new RequestBody();

  /**
   * The request as it is now.
   * @param mirrors those that get one
   * @param timeoutMs that of the request itself
   */
  constructor(
    origin: ForwardedExchange,
    action: ForwardAction,
    mirrors: readonly Mirror[],
    timeoutMs: number,
    forward: ForwardCopy,
  ) {
    this.#origin = origin;
    this.#action = action;
    this.#mirrors = mirrors;
    this.#timeoutMs = timeoutMs;
    this.#forward = forward;
    this.#head = headOf(origin.request, origin.config.localIp);
    for (const bytes of origin.body.held) this.#body.hold(bytes);
  }

  /** More of the body. @returns false where it is too much: no copy will be made */
  onRequestData(bytes: Buffer): boolean {
    this.#body.hold(bytes);
    return !this.#body.full;
  }

  /** The request is complete. */
  send(): void {
    for (const mirror of this.#mirrors) {
      const head = new RequestHead();
      const { fields } = head.headers;
      Object.assign(head, { ...this.#head, headers: head.headers });
      fields.push(...this.#head.headers.fields);
      head.headers.seen = this.#head.headers.seen;
      if (mirror.suffix) head.host = shadowHost(head.host ?? '');
      const copy = new RequestCopy(this.#origin, head, this.#body.held);
      const policy = routePolicy(this.#timeoutMs, DEFAULT_RETRY_POLICY);
      const action: ForwardAction = { ...this.#action, ...PLAIN, targets: [mirror.target], totalWeight: 1, policy };
      copy.start(action, this.#forward);
    }
  }
}

/** Those of a route's mirrors that this request is for. */
export function drawMirrors({ mirrors }: ForwardAction, random: () => number): readonly Mirror[] {
  return mirrors.filter(({ fraction }) => drawn(fraction, random));
}

// What a route does to its requests was done before.
const PLAIN = {
  prefixRewrite: undefined,
  regexRewrite: undefined,
  hostRewrite: '',
  hostRewriteHeader: '',
  autoHostRewrite: false,
  mirrors: [],
} as const;

/** `shop.example:8080` → `shop.example-shadow:8080` */
export function shadowHost(host: string): string {
  const bare = withoutPort(host);
  return `${bare}-shadow${host.slice(bare.length)}`;
}

function headOf(request: HttpRequest, localIp: string): RequestHead {
  const head = new RequestHead();
  head.method = request.method;
  head.target = request.path;
  head.host = request.authority;
  head.framing = request.framing;
  head.http2 = request.protocol === 'HTTP/2';
  head.headers.fields.push(...request.headers.fields);
  head.headers.seen = request.headers.seen;
  // A copy is a request of our own.
  head.headers.set('x-envoy-internal', 'true');
  head.headers.append('x-forwarded-for', localIp, ',');
  return head;
}

/** One copy on its way. Its response goes nowhere. */
class RequestCopy implements ForwardedExchange {
  readonly config: HcmConfig;
  readonly request: HttpRequest;
  readonly body = new RequestBody();
  readonly record: StreamRecord;
  readonly sampled = false;
  #forwarding: Forwarding | undefined = undefined;
  #over = false;

  constructor(origin: ForwardedExchange, head: RequestHead, body: readonly Buffer[]) {
    this.config = copiesConfig(origin.config);
    this.request = new HttpRequest(head, origin.request.remoteIp);
    this.request.scheme = origin.request.scheme;
    this.request.forwardedProto = origin.request.forwardedProto;
    this.request.internal = true;
    this.record = origin.record.ofCopy(this.request, origin.config.services.now());
    this.record.requestEndTime = this.record.startTime;
    for (const bytes of body) this.body.hold(bytes);
    this.body.ended = true;
    this.body.trailers = origin.body.trailers;
  }

  start(action: ForwardAction, forward: ForwardCopy): void {
    const matched = new MatchedRoute(PLAIN_TABLE, PLAIN_HOST, {
      name: '',
      path: { all: true, exact: undefined, matches: () => true, matchedLength: () => 0 },
      isConnect: false,
      conditions: [],
      action,
      requestMutation: undefined,
      responseMutation: undefined,
      filters: { fault: undefined, cors: undefined },
      operation: '',
      propagateOperation: false,
    });
    matched.target = action.targets[0];
    this.#forwarding = forward(this, matched, action);
    this.#forwarding.start();
    // It may have ended before it returned.
    if (this.#over) this.#end();
  }

  respondEnd(): void {
    this.#end();
  }

  reply(): void {
    this.#end();
  }

  abort(): void {
    this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#forwarding?.close();
    this.body.drop();
  }

  respondBody(): boolean {
    return true;
  }

  pauseRequest(): void {}
  resumeRequest(): void {}
  respondInformational(): void {}
  respondHead(): void {}
  respondTunnel(): void {}
  respondFlush(): void {}
  touch(): void {}
}

const PLAIN_TABLE = { requestMutation: undefined, responseMutation: undefined, mostSpecificWins: false };
const PLAIN_HOST = {
  includeAttemptCount: false,
  includeAttemptCountInResponse: false,
  requestMutation: undefined,
  responseMutation: undefined,
};

const configs = new WeakMap<HcmConfig, HcmConfig>();

// Copies count as requests of the asynchronous client, as in Envoy.
function copiesConfig(config: HcmConfig): HcmConfig {
  let own = configs.get(config);
  if (own === undefined) {
    own = { ...config, stats: createHcmStats('async-client', config.services.stats), accessLogger: undefined };
    configs.set(config, own);
  }
  return own;
}
