// How long and how often one request is tried: what its route says, unless x-envoy headers of a client who may say otherwise.
// The connection manager has taken those of others off before. Names, order and precedence are Envoy's:
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#http-headers-consumed-from-downstream-clients

import type { HeaderList } from '../http/header-list.ts';
import { Known } from '../http/header-names.ts';
import { grpcConditions, httpConditions, type RetryPolicy } from './retry-policy.ts';

/** Times are milliseconds; 0: none. */
export interface ForwardPolicy {
  /** For the whole response, attempts and waits between them included. */
  readonly timeoutMs: number;
  /** For one attempt's response head. Always shorter than `timeoutMs`. */
  readonly perTryTimeoutMs: number;
  /** For one attempt from the connection to the end of its response. */
  readonly streamDurationMs: number;
  /** What a client gets when the time is over; 204 where it asked for that. */
  readonly timeoutStatus: 504 | 204;
  /** An attempt that takes too long goes on beside the next one; whichever answers first wins. */
  readonly hedge: boolean;
  readonly retry: RetryPolicy;
}

/** The policy of a route. */
export function routePolicy(timeoutMs: number, retry: RetryPolicy): ForwardPolicy {
  return {
    timeoutMs,
    perTryTimeoutMs: shorter(retry.perTryTimeoutMs, timeoutMs),
    streamDurationMs: 0,
    timeoutStatus: 504,
    hedge: false,
    retry,
  };
}

/**
 * The policy with what a request says of time; takes those headers off. To be called before headers of routes are added, which
 * can't say anything of time.
 */
export function withTimeouts(policy: ForwardPolicy, headers: HeaderList): ForwardPolicy {
  if ((headers.seen & Known.RouterDirective) === 0) return policy;
  headers.remove('x-envoy-upstream-alt-stat-name');
  const hedge = take(headers, 'x-envoy-hedge-on-per-try-timeout');
  const timeoutMs = wholeNumber(take(headers, 'x-envoy-upstream-rq-timeout-ms')) ?? policy.timeoutMs;
  const perTryMs = wholeNumber(take(headers, 'x-envoy-upstream-rq-per-try-timeout-ms')) ?? policy.retry.perTryTimeoutMs;
  const streamMs = wholeNumber(take(headers, 'x-envoy-upstream-stream-duration-ms')) ?? policy.streamDurationMs;
  const alternative = take(headers, 'x-envoy-upstream-rq-timeout-alt-response') !== undefined;
  return {
    timeoutMs,
    perTryTimeoutMs: shorter(perTryMs, timeoutMs),
    streamDurationMs: streamMs,
    timeoutStatus: alternative ? 204 : policy.timeoutStatus,
    hedge: hedge === 'true' || (hedge !== 'false' && policy.hedge),
    retry: policy.retry,
  };
}

/** The policy with what a request says of retries, be it by its client or by its route; takes those headers off. */
export function withRetries(policy: ForwardPolicy, headers: HeaderList): ForwardPolicy {
  if ((headers.seen & Known.RouterDirective) === 0) return policy;
  const retryOn = take(headers, 'x-envoy-retry-on') ?? '';
  const grpcOn = take(headers, 'x-envoy-retry-grpc-on') ?? '';
  const maxRetries = wholeNumber(take(headers, 'x-envoy-max-retries'));
  const statusCodes = list(take(headers, 'x-envoy-retriable-status-codes'));
  const headerNames = list(take(headers, 'x-envoy-retriable-header-names'));
  // Of a route: too late to be heard.
  headers.remove('x-envoy-hedge-on-per-try-timeout');
  headers.remove('x-envoy-upstream-rq-per-try-timeout-ms');
  const { retry } = policy;
  const on = retry.on | httpConditions(retryOn) | grpcConditions(grpcOn);
  if (on === 0) return policy;
  const codes = statusCodes.map(wholeNumber).filter((code) => code !== undefined);
  return {
    ...policy,
    retry: {
      ...retry,
      on,
      numRetries: maxRetries ?? retry.numRetries,
      statusCodes: codes.length === 0 ? retry.statusCodes : new Set([...retry.statusCodes, ...codes]),
      headerNames: [...retry.headerNames, ...headerNames.map((name) => name.toLowerCase())],
    },
  };
}

/**
 * What `x-envoy-expected-rq-timeout-ms` tells the upstream: how long somebody waits for this attempt.
 *
 * @param elapsedMs since the request was complete; 0 where it is not yet
 * @returns milliseconds; 0: for ever
 */
export function expectedTimeoutMs(policy: ForwardPolicy, elapsedMs: number): number {
  const { timeoutMs, perTryTimeoutMs, hedge } = policy;
  const whole = Math.floor(timeoutMs);
  const expected = hedge || perTryTimeoutMs === 0 ? whole : Math.floor(perTryTimeoutMs);
  if (whole === 0 || expected === 0) return expected;
  // Out of time is 1 ms: 0 would be for ever.
  return Math.max(1, Math.min(expected, whole - Math.floor(elapsedMs)));
}

// A time for one attempt that is no shorter than that for all is none.
function shorter(perTryMs: number, timeoutMs: number): number {
  return timeoutMs !== 0 && perTryMs >= timeoutMs ? 0 : perTryMs;
}

function take(headers: HeaderList, name: string): string | undefined {
  const value = headers.get(name);
  if (value !== undefined) headers.remove(name);
  return value;
}

/** The parts of a comma-separated list that are not empty. */
function list(value: string | undefined): string[] {
  if (value === undefined) return [];
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

// What Envoy takes for a number: digits, perhaps with a plus sign and white space around, of 64 bits.
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^[\t-\r ]*\+?\d+[\t-\r ]*$/.test(text)) return undefined;
  const number = Number(text);
  return number < 2 ** 64 ? number : undefined;
}
