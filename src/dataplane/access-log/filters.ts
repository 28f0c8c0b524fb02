// Which records an access log entry writes: the `filter` of envoy.config.accesslog.v3.AccessLog as a predicate.

import { RE2JS } from 're2js';
import {
  type AccessLogFilter,
  type ComparisonFilter,
  ComparisonFilter_Op,
} from '../../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { HeaderMatcher } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcher } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';
import { ConfigError } from '../connection.ts';
import { RESPONSE_FLAGS, type StreamInfo } from '../stream-info.ts';

/** True where the record is to be written. */
export type RecordFilter = (info: StreamInfo) => boolean;

/** Nesting of `and_filter` and `or_filter` that is followed. */
const MAX_DEPTH = 16;

/**
 * @param path where the filter stands, for messages
 * @throws ConfigError naming the filter that Limen does not have
 */
export function compileFilter(filter: AccessLogFilter, path: string, depth = 0): RecordFilter {
  if (depth > MAX_DEPTH) throw new ConfigError(`${path}: filters nested deeper than ${MAX_DEPTH} levels`);
  const specifier = filter.filterSpecifier;
  switch (specifier.case) {
    case 'statusCodeFilter':
      return compileComparison(specifier.value.comparison, `${path}.status_code_filter`, (info) => info.responseCode);
    case 'durationFilter':
      return compileComparison(specifier.value.comparison, `${path}.duration_filter`, (info) => info.durationMs);
    case 'notHealthCheckFilter':
      // Only the health check filter marks a request as one, and no listener has it.
      return () => true;
    case 'responseFlagFilter':
      return compileFlags(specifier.value.flags, `${path}.response_flag_filter`);
    case 'andFilter': {
      const filters = specifier.value.filters.map((each, index) =>
        compileFilter(each, `${path}.and_filter.filters[${index}]`, depth + 1),
      );
      return (info) => filters.every((each) => each(info));
    }
    case 'orFilter': {
      const filters = specifier.value.filters.map((each, index) =>
        compileFilter(each, `${path}.or_filter.filters[${index}]`, depth + 1),
      );
      return (info) => filters.some((each) => each(info));
    }
    case 'headerFilter':
      return compileHeader(specifier.value.header, `${path}.header_filter.header`);
    default:
      throw new ConfigError(
        `${path}: ${snake(specifier.case)} is not supported; supported are status_code_filter, duration_filter, not_health_check_filter, response_flag_filter, header_filter, and_filter and or_filter`,
      );
  }
}

function snake(name: string | undefined): string {
  return name === undefined ? 'an empty filter' : name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function compileComparison(
  comparison: ComparisonFilter | undefined,
  path: string,
  read: (info: StreamInfo) => number,
): RecordFilter {
  const bound = comparison?.value?.defaultValue;
  if (comparison === undefined || bound === undefined)
    throw new ConfigError(`${path}.comparison.value: required, the number to compare with`);
  switch (comparison.op) {
    case ComparisonFilter_Op.EQ:
      return (info) => read(info) === bound;
    case ComparisonFilter_Op.GE:
      return (info) => read(info) >= bound;
    case ComparisonFilter_Op.LE:
      return (info) => read(info) <= bound;
    default:
      throw new ConfigError(`${path}.comparison.op: EQ, GE or LE expected`);
  }
}

/** Flags that Envoy has and Limen never sets: a filter may name them. */
const NEVER_SET = new Set('LH DI FI RL UAEX RLSE IH UMSDR RFCF NFCF DF DO DR UDO'.split(' '));

function compileFlags(shorts: readonly string[], path: string): RecordFilter {
  if (shorts.length === 0) return (info) => info.responseFlags.length > 0;
  const known = new Set(RESPONSE_FLAGS.values());
  for (const short of shorts)
    if (!known.has(short) && !NEVER_SET.has(short))
      throw new ConfigError(`${path}.flags: ${JSON.stringify(short)} is no response flag`);
  return (info) => info.responseFlags.some((flag) => shorts.includes(RESPONSE_FLAGS.get(flag)!));
}

function compileHeader(matcher: HeaderMatcher | undefined, path: string): RecordFilter {
  if (matcher === undefined || matcher.name === '') throw new ConfigError(`${path}.name: required`);
  const name = matcher.name.toLowerCase();
  const read = (info: StreamInfo): string | undefined => {
    if (name === ':method') return info.method;
    if (name === ':path') return info.path;
    return info.requestHeader(name);
  };
  const { headerMatchSpecifier: specifier, invertMatch } = matcher;
  let matches: (value: string | undefined) => boolean;
  switch (specifier.case) {
    case undefined:
      matches = (value) => value !== undefined;
      break;
    case 'presentMatch': {
      const present = specifier.value;
      matches = (value) => (value !== undefined) === present;
      break;
    }
    case 'stringMatch': {
      const test = compileStringMatcher(specifier.value, `${path}.string_match`);
      matches = (value) => value !== undefined && test(value);
      break;
    }
    default:
      throw new ConfigError(`${path}: ${snake(specifier.case)} is not supported; use string_match or present_match`);
  }
  return (info) => matches(read(info)) !== invertMatch;
}

function compileStringMatcher(matcher: StringMatcher, path: string): (value: string) => boolean {
  const fold = matcher.ignoreCase ? (text: string) => text.toLowerCase() : (text: string) => text;
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case 'exact': {
      const expected = fold(pattern.value);
      return (value) => fold(value) === expected;
    }
    case 'prefix': {
      const expected = fold(pattern.value);
      return (value) => fold(value).startsWith(expected);
    }
    case 'suffix': {
      const expected = fold(pattern.value);
      return (value) => fold(value).endsWith(expected);
    }
    case 'contains': {
      const expected = fold(pattern.value);
      return (value) => fold(value).includes(expected);
    }
    case 'safeRegex': {
      let compiled: RE2JS;
      try {
        compiled = RE2JS.compile(pattern.value.regex);
      } catch (error) {
        throw new ConfigError(`${path}.safe_regex: ${error instanceof Error ? error.message : String(error)}`);
      }
      return (value) => compiled.matches(value);
    }
    default:
      throw new ConfigError(`${path}: exact, prefix, suffix, contains or safe_regex expected`);
  }
}
