// Compiles StringMatcher and regular expressions of the configuration into predicates.

import { RE2JS } from 're2js';
import type { RegexMatcher } from '../../xds/gen/envoy/type/matcher/v3/regex_pb.js';
import type { StringMatcher } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';
import { ConfigError } from '../connection.ts';

/** A test of one string. */
export type StringPredicate = (value: string) => boolean;

/** Compiles in linear-time RE2 semantics: text comes from strangers. @throws ConfigError for a pattern RE2 does not take */
export function compileRegex(matcher: RegexMatcher, field: string): RE2JS {
  try {
    return RE2JS.compile(matcher.regex);
  } catch (error) {
    throw new ConfigError(`${field}: invalid RE2 regular expression "${matcher.regex}": ${(error as Error).message}`);
  }
}

/** A predicate that matches whole strings. @throws ConfigError naming `field` */
export function compileStringMatcher(matcher: StringMatcher, field: string): StringPredicate {
  const { matchPattern, ignoreCase } = matcher;
  switch (matchPattern.case) {
    case 'exact': {
      const exact = ignoreCase ? matchPattern.value.toLowerCase() : matchPattern.value;
      return ignoreCase ? (value) => value.toLowerCase() === exact : (value) => value === exact;
    }
    case 'prefix': {
      const prefix = ignoreCase ? matchPattern.value.toLowerCase() : matchPattern.value;
      return ignoreCase ? (value) => value.toLowerCase().startsWith(prefix) : (value) => value.startsWith(prefix);
    }
    case 'suffix': {
      const suffix = ignoreCase ? matchPattern.value.toLowerCase() : matchPattern.value;
      return ignoreCase ? (value) => value.toLowerCase().endsWith(suffix) : (value) => value.endsWith(suffix);
    }
    case 'contains': {
      const part = ignoreCase ? matchPattern.value.toLowerCase() : matchPattern.value;
      return ignoreCase ? (value) => value.toLowerCase().includes(part) : (value) => value.includes(part);
    }
    case 'safeRegex': {
      const regex = compileRegex(matchPattern.value, `${field}.safe_regex`);
      return (value) => regex.matches(value);
    }
    default:
      throw new ConfigError(
        `${field}: ${matchPattern.case ?? 'no pattern'} is not supported; use exact, prefix, suffix, contains or safe_regex`,
      );
  }
}
