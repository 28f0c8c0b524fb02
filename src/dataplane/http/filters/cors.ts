// Envoy's CORS filter: answers preflights, and tells browsers which origins may read a response.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter

import type { CorsPolicy } from '../../router/cors-policy.ts';
import { drawn } from '../../router/fraction.ts';
import type { CompiledRoute } from '../../router/route.ts';
import type { Counter, Stats } from '../../stats/stats.ts';
import type { HeaderList } from '../header-list.ts';
import { corsResponse, type LocalReply } from '../local-reply.ts';
import type { FilteredExchange, HttpFilter, StreamFilter } from './http-filter.ts';

/** The CORS filter of one connection manager. */
export class CorsFilter implements HttpFilter {
  readonly #valid: Counter;
  readonly #invalid: Counter;

  /** @param statPrefix the connection manager's `stat_prefix` */
  constructor(statPrefix: string, stats: Stats) {
    this.#valid = stats.counter(`http.${statPrefix}.cors.origin_valid`);
    this.#invalid = stats.counter(`http.${statPrefix}.cors.origin_invalid`);
  }

  begin({ request, config }: FilteredExchange, route: CompiledRoute): StreamFilter | undefined {
    const policy = route.filters.cors;
    if (policy === undefined || route.action.kind !== 'forward') return undefined;
    const origin = request.headers.get('origin') ?? '';
    if (origin === '') return undefined;
    const enabled = drawn(policy.enabled, config.random);
    if (!enabled && !drawn(policy.shadow, config.random)) return undefined;
    const allowed = policy.allowsOrigin === undefined || policy.allowsOrigin(origin);
    (allowed ? this.#valid : this.#invalid).value += 1;
    return enabled ? new CorsStream(policy, request, allowed ? origin : '') : undefined;
  }
}

class CorsStream implements StreamFilter {
  readonly #policy: CorsPolicy;
  readonly #request: FilteredExchange['request'];
  /** '' where it is not allowed. */
  readonly #origin: string;

  constructor(policy: CorsPolicy, request: FilteredExchange['request'], origin: string) {
    this.#policy = policy;
    this.#request = request;
    this.#origin = origin;
  }

  decodeHeaders(): LocalReply | undefined {
    const { method, headers: asked } = this.#request;
    if (method !== 'OPTIONS') return undefined;
    const askedMethod = asked.get('access-control-request-method') ?? '';
    if (askedMethod === '') return undefined;
    const policy = this.#policy;
    if (this.#origin === '' && policy.forwardUnmatched) return undefined;
    const reply = corsResponse();
    const { headers } = reply;
    if (this.#origin !== '') headers.set('access-control-allow-origin', this.#origin);
    if (policy.allowCredentials) headers.set('access-control-allow-credentials', 'true');
    setAllowed(headers, 'access-control-allow-methods', policy.allowMethods, askedMethod);
    const askedHeaders = asked.get('access-control-request-headers') ?? '';
    setAllowed(headers, 'access-control-allow-headers', policy.allowHeaders, askedHeaders);
    if (policy.maxAge !== '') headers.set('access-control-max-age', policy.maxAge);
    if (policy.allowPrivateNetwork && asked.get('access-control-request-private-network') === 'true')
      headers.set('access-control-allow-private-network', 'true');
    return reply;
  }

  encodeHeaders(headers: HeaderList): void {
    if (this.#origin === '') return;
    headers.set('access-control-allow-origin', this.#origin);
    if (this.#policy.allowCredentials) headers.set('access-control-allow-credentials', 'true');
    if (this.#policy.exposeHeaders !== '') headers.set('access-control-expose-headers', this.#policy.exposeHeaders);
  }
}

function setAllowed(headers: HeaderList, name: string, allowed: string, asked: string): void {
  if (allowed !== '') headers.set(name, allowed === '*' ? asked : allowed);
}
