// StringMatch into Envoy's StringMatcher.

import { create } from '@bufbuild/protobuf';
import { RegexMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/regex_pb.js';
import { type StringMatcher, StringMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';

/** One of exact, prefix or regex (RE2, the whole value). None of them asks only whether there is a value. */
export interface StringMatch {
  exact?: string;
  prefix?: string;
  regex?: string;
}

/** Whether only presence counts: nothing is given, or the regex `*`, which Istio takes for that. */
export function isPresenceOnly(match: StringMatch | undefined): boolean {
  return match === undefined || match.regex === '*' || stringMatcher(match) === undefined;
}

/** The matcher, or undefined when nothing is given. */
export function stringMatcher({ exact, prefix, regex }: StringMatch): StringMatcher | undefined {
  if (exact !== undefined) return create(StringMatcherSchema, { matchPattern: { case: 'exact', value: exact } });
  if (prefix !== undefined) return create(StringMatcherSchema, { matchPattern: { case: 'prefix', value: prefix } });
  if (regex === undefined) return undefined;
  const value = create(RegexMatcherSchema, { regex });
  return create(StringMatcherSchema, { matchPattern: { case: 'safeRegex', value } });
}
