// Compiles HeaderMatcher and QueryParameterMatcher into predicates over a request.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-headermatcher

import type { HeaderMatcher, QueryParameterMatcher } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { ConfigError } from '../connection.ts';
import { type RouteRequest, requestHeader } from './route-request.ts';
import { compileRegex, compileStringMatcher, type StringPredicate } from './string-matcher.ts';

/** A condition on a request. */
export type RequestPredicate = (request: RouteRequest) => boolean;

/** @throws ConfigError naming `field` */
export function compileHeaderMatcher(matcher: HeaderMatcher, field: string): RequestPredicate {
  const name = matcher.name.toLowerCase();
  if (name === '') throw new ConfigError(`${field}.name: expected a header name, got an empty string`);
  const { invertMatch, treatMissingHeaderAsEmpty, headerMatchSpecifier: specifier } = matcher;
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const wanted = (specifier.value ?? true) !== invertMatch;
    if (treatMissingHeaderAsEmpty) return () => wanted;
    return (request) => (requestHeader(request, name) !== undefined) === wanted;
  }
  const matches = valuePredicate(specifier, field);
  return (request) => {
    const matched = lineMatches(request, name, matches) ?? (treatMissingHeaderAsEmpty ? matches('') : undefined);
    // A header that is not there matches nothing, inverted or not.
    return matched !== undefined && matched !== invertMatch;
  };
}

/**
 * Whether a line of a header matches, each by itself (Envoy from 1.39 on, `match_headers_individually`): a second line must not hide
 * the first from a condition. Undefined when there is none.
 */
function lineMatches(request: RouteRequest, name: string, matches: StringPredicate): boolean | undefined {
  if (name.startsWith(':') || name === 'host') {
    const value = requestHeader(request, name);
    return value === undefined ? undefined : matches(value);
  }
  const { fields } = request.headers;
  let matched: boolean | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue;
    if (matches(fields[i + 1]!)) return true;
    matched = false;
  }
  return matched;
}

function valuePredicate(specifier: HeaderMatcher['headerMatchSpecifier'], field: string): StringPredicate {
  switch (specifier.case) {
    case 'stringMatch':
      return compileStringMatcher(specifier.value, `${field}.string_match`);
    case 'exactMatch': {
      const exact = specifier.value;
      return (value) => value === exact;
    }
    case 'prefixMatch': {
      const prefix = specifier.value;
      return (value) => value.startsWith(prefix);
    }
    case 'suffixMatch': {
      const suffix = specifier.value;
      return (value) => value.endsWith(suffix);
    }
    case 'containsMatch': {
      const part = specifier.value;
      return (value) => value.includes(part);
    }
    case 'safeRegexMatch': {
      const regex = compileRegex(specifier.value, `${field}.safe_regex_match`);
      return (value) => regex.matches(value);
    }
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      return (value) => {
        if (!/^[+-]?\d{1,19}$/.test(value)) return false;
        const number = BigInt(value);
        return number >= start && number < end;
      };
    }
    default:
      throw new ConfigError(`${field}: ${specifier.case} is not supported`);
  }
}

/** @throws ConfigError naming `field` */
export function compileQueryParameterMatcher(matcher: QueryParameterMatcher, field: string): RequestPredicate {
  const { name, queryParameterMatchSpecifier: specifier } = matcher;
  if (specifier.case === 'stringMatch') {
    const matches = compileStringMatcher(specifier.value, `${field}.string_match`);
    return (request) => {
      const value = queryParameter(request.path, name);
      return value !== undefined && matches(value);
    };
  }
  const present = specifier.value ?? true;
  return (request) => (queryParameter(request.path, name) !== undefined) === present;
}

/** The first value of a query parameter, as it stands in the path (not decoded); '' for one without `=`; undefined when absent. */
export function queryParameter(path: string, name: string): string | undefined {
  let at = path.indexOf('?');
  if (at < 0) return undefined;
  at += 1;
  while (at <= path.length) {
    let end = path.indexOf('&', at);
    if (end < 0) end = path.length;
    const equals = path.indexOf('=', at);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (nameEnd - at === name.length && path.startsWith(name, at))
      return nameEnd === end ? '' : path.slice(nameEnd + 1, end);
    at = end + 1;
  }
  return undefined;
}
