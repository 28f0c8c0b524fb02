// Compiles a RetryPolicy: on what to try again, how often, how long to wait.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on

import type { RetryPolicy as RetryPolicyConfig } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { ConfigError } from '../connection.ts';
import type { ResponseHead } from '../http/head-parser.ts';
import { Known } from '../http/header-names.ts';
import { durationMs } from '../upstream/duration.ts';

/** Conditions of `retry_on` as bits. */
export const RetryOn = {
  ServerError: 1 << 0,
  GatewayError: 1 << 1,
  Reset: 1 << 2,
  ResetBeforeRequest: 1 << 3,
  ConnectFailure: 1 << 4,
  EnvoyRateLimited: 1 << 5,
  Retriable4xx: 1 << 6,
  RefusedStream: 1 << 7,
  RetriableStatusCodes: 1 << 8,
  GrpcCancelled: 1 << 9,
  GrpcDeadlineExceeded: 1 << 10,
  GrpcInternal: 1 << 11,
  GrpcResourceExhausted: 1 << 12,
  GrpcUnavailable: 1 << 13,
  RetriableHeaders: 1 << 14,
} as const;

const HTTP_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['5xx', RetryOn.ServerError],
  ['gateway-error', RetryOn.GatewayError],
  ['reset', RetryOn.Reset],
  ['reset-before-request', RetryOn.ResetBeforeRequest],
  ['connect-failure', RetryOn.ConnectFailure],
  ['envoy-ratelimited', RetryOn.EnvoyRateLimited],
  ['retriable-4xx', RetryOn.Retriable4xx],
  ['refused-stream', RetryOn.RefusedStream],
  ['retriable-status-codes', RetryOn.RetriableStatusCodes],
  ['retriable-headers', RetryOn.RetriableHeaders],
]);

const GRPC_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['cancelled', RetryOn.GrpcCancelled],
  ['deadline-exceeded', RetryOn.GrpcDeadlineExceeded],
  ['internal', RetryOn.GrpcInternal],
  ['resource-exhausted', RetryOn.GrpcResourceExhausted],
  ['unavailable', RetryOn.GrpcUnavailable],
]);

// grpc-status values. https://grpc.io/docs/guides/status-codes/
const GRPC_STATUS: ReadonlyMap<string, number> = new Map([
  ['1', RetryOn.GrpcCancelled],
  ['4', RetryOn.GrpcDeadlineExceeded],
  ['8', RetryOn.GrpcResourceExhausted],
  ['13', RetryOn.GrpcInternal],
  ['14', RetryOn.GrpcUnavailable],
]);

const GRPC_BITS =
  RetryOn.GrpcCancelled |
  RetryOn.GrpcDeadlineExceeded |
  RetryOn.GrpcResourceExhausted |
  RetryOn.GrpcInternal |
  RetryOn.GrpcUnavailable;

/** Why an attempt ended without a response head. */
export type AttemptFailure = 'connect-failure' | 'reset' | 'per-try-timeout' | 'overflow';

/** A compiled policy. */
export interface RetryPolicy {
  /** Bits of RetryOn; 0: there are no retries. */
  readonly on: number;
  readonly numRetries: number;
  /** 0: none. Forwarding goes by ForwardPolicy's, which knows the whole timeout. */
  readonly perTryTimeoutMs: number;
  readonly statusCodes: ReadonlySet<number>;
  /** Response headers whose presence is a reason to try again, in lower case. */
  readonly headerNames: readonly string[];
  readonly previousHosts: boolean;
  readonly hostSelectionAttempts: number;
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
}

/** Of a route that says nothing: no retries, and Envoy's defaults where a client asks for some. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  on: 0,
  numRetries: 1,
  perTryTimeoutMs: 0,
  statusCodes: new Set(),
  headerNames: [],
  previousHosts: false,
  hostSelectionAttempts: 1,
  baseIntervalMs: 25,
  maxIntervalMs: 250,
};

/** The conditions of `retry_on` or `x-envoy-retry-on`. Envoy ignores those it does not know, and so do we: they can only make fewer retries. */
export function httpConditions(list: string): number {
  return conditions(list, HTTP_CONDITIONS);
}

/** The conditions of `retry_on` or `x-envoy-retry-grpc-on`. */
export function grpcConditions(list: string): number {
  return conditions(list, GRPC_CONDITIONS);
}

function conditions(list: string, known: ReadonlyMap<string, number>): number {
  let on = 0;
  for (const part of list.split(',')) on |= known.get(part.trim()) ?? 0;
  return on;
}

/** @throws ConfigError naming `field` */
export function compileRetryPolicy(config: RetryPolicyConfig, field: string): RetryPolicy {
  if (config.retryPriority !== undefined) throw new ConfigError(`${field}.retry_priority: not supported`);
  if (config.rateLimitedRetryBackOff !== undefined) {
    throw new ConfigError(`${field}.rate_limited_retry_back_off: not supported; use retry_back_off`);
  }
  if (config.retriableHeaders.length > 0) throw new ConfigError(`${field}.retriable_headers: not supported`);
  if (config.retriableRequestHeaders.length > 0) {
    throw new ConfigError(`${field}.retriable_request_headers: not supported`);
  }
  let previousHosts = false;
  for (const predicate of config.retryHostPredicate) {
    if (predicate.name !== 'envoy.retry_host_predicates.previous_hosts') {
      throw new ConfigError(
        `${field}.retry_host_predicate: ${predicate.name} is not supported; use envoy.retry_host_predicates.previous_hosts`,
      );
    }
    previousHosts = true;
  }
  const baseIntervalMs = durationMs(config.retryBackOff?.baseInterval, DEFAULT_RETRY_POLICY.baseIntervalMs);
  return {
    on: httpConditions(config.retryOn) | grpcConditions(config.retryOn),
    numRetries: config.numRetries ?? DEFAULT_RETRY_POLICY.numRetries,
    perTryTimeoutMs: durationMs(config.perTryTimeout, 0),
    statusCodes: new Set(config.retriableStatusCodes),
    headerNames: [],
    previousHosts,
    hostSelectionAttempts: Number(config.hostSelectionRetryMaxAttempts) || 1,
    baseIntervalMs,
    maxIntervalMs: durationMs(config.retryBackOff?.maxInterval, baseIntervalMs * 10),
  };
}

/**
 * Would the policy try again after this failure?
 *
 * @param started bytes of the request were sent, by this attempt or one before
 */
export function retriesFailure(policy: RetryPolicy, failure: AttemptFailure, started: boolean): boolean {
  const { on } = policy;
  // Another attempt would only add to the load that opened the circuit breaker.
  if (failure === 'overflow') return false;
  if (failure === 'connect-failure' && (on & RetryOn.ConnectFailure) !== 0) return true;
  if (!started && (on & RetryOn.ResetBeforeRequest) !== 0) return true;
  return (on & (RetryOn.ServerError | RetryOn.GatewayError | RetryOn.Reset)) !== 0;
}

/** Would the policy try again after this response? */
export function retriesResponse(policy: RetryPolicy, head: ResponseHead): boolean {
  const { on } = policy;
  const { status, headers } = head;
  // Who limits the rate means it: no other condition outweighs that.
  if ((headers.seen & Known.RateLimited) !== 0) return (on & RetryOn.EnvoyRateLimited) !== 0;
  if ((on & RetryOn.ServerError) !== 0 && status >= 500 && status < 600) return true;
  if ((on & RetryOn.GatewayError) !== 0 && status >= 502 && status <= 504) return true;
  if ((on & RetryOn.Retriable4xx) !== 0 && status === 409) return true;
  if ((on & RetryOn.RetriableStatusCodes) !== 0 && policy.statusCodes.has(status)) return true;
  if ((on & RetryOn.RetriableHeaders) !== 0 && policy.headerNames.some((name) => headers.has(name))) return true;
  if ((on & GRPC_BITS) !== 0) {
    const grpcStatus = headers.get('grpc-status');
    if (grpcStatus !== undefined && (on & (GRPC_STATUS.get(grpcStatus) ?? 0)) !== 0) return true;
  }
  return false;
}

/**
 * How long to wait before a retry: fully jittered exponential back-off.
 *
 * @param retry 1 for the first retry
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function backOffMs(policy: RetryPolicy, retry: number, random: () => number): number {
  const ceiling = Math.min((2 ** retry - 1) * policy.baseIntervalMs, policy.maxIntervalMs);
  return random() * ceiling;
}
