// The settings of Envoy's fault filter, its own or a route's, compiled.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/fault/v3/fault.proto

import type { FaultDelay } from '../../xds/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js';
import type { FaultAbort, HTTPFault } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { ConfigError } from '../connection.ts';
import type { HeaderList } from '../http/header-list.ts';
import { durationMs } from '../upstream/duration.ts';
import { drawn, type Fraction, fractionOf } from './fraction.ts';
import { compileHeaderMatcher, type RequestPredicate } from './header-matcher.ts';

/** A delay, of some requests. */
interface Delay {
  readonly fraction: Fraction;
  /** Milliseconds; `header`: what `x-envoy-fault-delay-request` says. */
  readonly time: number | 'header';
}

/** An answer in the upstream's place. */
export interface AbortStatus {
  readonly http: number;
  /** For gRPC clients, in place of what `http` stands for. */
  readonly grpc: number | undefined;
}

/** An abort, of some requests. */
interface Abort {
  readonly fraction: Fraction;
  /** `header`: what `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` says. */
  readonly status: AbortStatus | 'header';
}

/** What is done to which requests. */
export interface FaultSettings {
  readonly delay: Delay | undefined;
  readonly abort: Abort | undefined;
  /** All must hold. */
  readonly conditions: readonly RequestPredicate[];
  /** Only requests of these (`x-envoy-downstream-service-node`); undefined: of all. */
  readonly downstreamNodes: ReadonlySet<string> | undefined;
  /** At so many faults under way none is added. */
  readonly maxActiveFaults: number;
}

/** Nothing, to no request. */
export const NO_FAULTS: FaultSettings = {
  delay: undefined,
  abort: undefined,
  conditions: [],
  downstreamNodes: undefined,
  maxActiveFaults: Number.POSITIVE_INFINITY,
};

/** @throws ConfigError naming `field` and what of it is not served */
export function compileFaultSettings(config: HTTPFault, field: string): FaultSettings {
  if (config.responseRateLimit !== undefined) throw new ConfigError(`${field}.response_rate_limit: not supported`);
  if (config.upstreamCluster !== '') throw new ConfigError(`${field}.upstream_cluster: not supported`);
  return {
    delay: config.delay === undefined ? undefined : compileDelay(config.delay, `${field}.delay`),
    abort: config.abort === undefined ? undefined : compileAbort(config.abort, `${field}.abort`),
    conditions: config.headers.map((matcher, index) => compileHeaderMatcher(matcher, `${field}.headers[${index}]`)),
    downstreamNodes: config.downstreamNodes.length === 0 ? undefined : new Set(config.downstreamNodes),
    maxActiveFaults: config.maxActiveFaults ?? Number.POSITIVE_INFINITY,
  };
}

function compileDelay({ percentage, faultDelaySecifier }: FaultDelay, field: string): Delay {
  const fraction = fractionOf(percentage);
  if (faultDelaySecifier.case === 'headerDelay') return { fraction, time: 'header' };
  const time = durationMs(faultDelaySecifier.value, 0);
  if (time <= 0) throw new ConfigError(`${field}.fixed_delay: expected more than nothing`);
  return { fraction, time };
}

function compileAbort({ percentage, errorType }: FaultAbort, field: string): Abort {
  const fraction = fractionOf(percentage);
  switch (errorType.case) {
    case 'headerAbort':
      return { fraction, status: 'header' };
    case 'grpcStatus':
      return { fraction, status: grpcAbort(errorType.value) };
    case 'httpStatus':
      if (!isFinalStatus(errorType.value))
        throw new ConfigError(`${field}.http_status: expected 200 to 599, got ${errorType.value}`);
      return { fraction, status: httpAbort(errorType.value) };
    default:
      throw new ConfigError(`${field}: expected http_status, grpc_status or header_abort`);
  }
}

const httpAbort = (http: number): AbortStatus => ({ http, grpc: undefined });
const grpcAbort = (grpc: number): AbortStatus => ({ http: 200, grpc });
const isFinalStatus = (status: number): boolean => status >= 200 && status < 600;

/** How long to hold this request back, in milliseconds; 0: not at all. @param random uniform in [0, 1) */
export function drawDelay({ delay }: FaultSettings, headers: HeaderList, random: () => number): number {
  if (delay === undefined) return 0;
  const { fraction, time } = delay;
  if (time !== 'header') return drawn(fraction, random) ? time : 0;
  const share = boundedBy(fraction, headers, 'x-envoy-fault-delay-request-percentage');
  if (!drawn(share, random)) return 0;
  return Math.min(wholeNumber(headers, 'x-envoy-fault-delay-request') ?? 0, MAX_DELAY_MS);
}

/** A client that may choose its delay could else choose one that outlives the process. */
const MAX_DELAY_MS = 86_400_000;

/** What to answer this request with; undefined: it goes on. @param random uniform in [0, 1) */
export function drawAbort(
  { abort }: FaultSettings,
  headers: HeaderList,
  random: () => number,
): AbortStatus | undefined {
  if (abort === undefined) return undefined;
  const { fraction, status } = abort;
  if (status !== 'header') return drawn(fraction, random) ? status : undefined;
  const share = boundedBy(fraction, headers, 'x-envoy-fault-abort-request-percentage');
  if (!drawn(share, random)) return undefined;
  const http = wholeNumber(headers, 'x-envoy-fault-abort-request');
  if (http !== undefined && isFinalStatus(http)) return httpAbort(http);
  const grpc = wholeNumber(headers, 'x-envoy-fault-abort-grpc-request');
  return grpc === undefined ? undefined : grpcAbort(grpc);
}

// A client may ask for a smaller share than is configured.
function boundedBy(fraction: Fraction, headers: HeaderList, name: string): Fraction {
  const numerator = wholeNumber(headers, name);
  if (numerator === undefined || numerator >= fraction.numerator) return fraction;
  return { numerator, denominator: fraction.denominator };
}

// Nobody vouches for these headers: the first line counts.
function wholeNumber(headers: HeaderList, name: string): number | undefined {
  const { fields } = headers;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue;
    const text = fields[i + 1]!;
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }
  return undefined;
}
