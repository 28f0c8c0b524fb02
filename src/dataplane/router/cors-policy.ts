// The CORS policy of a route, compiled; what it leaves open its virtual host's says.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/cors/v3/cors.proto

import type { RuntimeFractionalPercent } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { CorsPolicy as CorsPolicyConfig } from '../../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { type Fraction, fractionOf } from './fraction.ts';
import { compileStringMatcher, type StringPredicate } from './string-matcher.ts';

/** A compiled CorsPolicy. */
export interface CorsPolicy {
  /** Of how many requests. */
  readonly enabled: Fraction;
  /** Of how many others the origin is only counted. */
  readonly shadow: Fraction;
  /** undefined: any. */
  readonly allowsOrigin: StringPredicate | undefined;
  /** The values of headers, '' for none; `*` in the first two: what the request asks for. */
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean;
  readonly allowPrivateNetwork: boolean;
  /** Preflights of other origins are for the upstream to answer. */
  readonly forwardUnmatched: boolean;
}

const ALL: Fraction = { numerator: 100, denominator: 100 };
const NONE: Fraction = { numerator: 0, denominator: 100 };

/**
 * @param inherited the virtual host's
 * @throws ConfigError naming `field`
 */
export function compileCorsPolicy(config: CorsPolicyConfig, field: string, inherited?: CorsPolicy): CorsPolicy {
  const origins = config.allowOriginStringMatch.map((matcher, index) =>
    compileStringMatcher(matcher, `${field}.allow_origin_string_match[${index}]`),
  );
  return {
    enabled: shareOf(config.filterEnabled, ALL),
    shadow: shareOf(config.shadowEnabled, NONE),
    allowsOrigin: origins.length === 0 && inherited !== undefined ? inherited.allowsOrigin : anyOf(origins),
    allowMethods: config.allowMethods || inherited?.allowMethods || '',
    allowHeaders: config.allowHeaders || inherited?.allowHeaders || '',
    exposeHeaders: config.exposeHeaders || inherited?.exposeHeaders || '',
    maxAge: config.maxAge || inherited?.maxAge || '',
    allowCredentials: config.allowCredentials ?? inherited?.allowCredentials ?? false,
    allowPrivateNetwork: config.allowPrivateNetworkAccess ?? inherited?.allowPrivateNetwork ?? false,
    forwardUnmatched: config.forwardNotMatchingPreflights ?? inherited?.forwardUnmatched ?? true,
  };
}

function shareOf(percent: RuntimeFractionalPercent | undefined, otherwise: Fraction): Fraction {
  return percent === undefined ? otherwise : fractionOf(percent.defaultValue);
}

// A matcher that takes the text "*" takes any origin.
function anyOf(origins: readonly StringPredicate[]): StringPredicate | undefined {
  if (origins.some((matches) => matches('*'))) return undefined;
  return (origin) => origins.some((matches) => matches(origin));
}
