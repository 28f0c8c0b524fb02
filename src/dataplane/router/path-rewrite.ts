// Path rewriting by regular expression, with RE2's `\1` substitutions.

import type { RegexMatchAndSubstitute } from '../../xds/gen/envoy/type/matcher/v3/regex_pb.js';
import { ConfigError } from '../connection.ts';
import { compileRegex } from './string-matcher.ts';

/** Rewrites a path (without query): every match of the pattern by the substitution. @throws ConfigError naming `field` */
export function compileRegexRewrite(config: RegexMatchAndSubstitute, field: string): (path: string) => string {
  if (config.pattern === undefined)
    throw new ConfigError(`${field}.pattern: expected a regular expression, got nothing`);
  const regex = compileRegex(config.pattern, `${field}.pattern`);
  const pieces = parseSubstitution(config.substitution, field);
  return (path) => {
    const matcher = regex.matcher(path);
    let result = '';
    let from = 0;
    while (matcher.find()) {
      result += path.slice(from, matcher.start());
      for (const piece of pieces) result += typeof piece === 'string' ? piece : (matcher.group(piece) ?? '');
      from = matcher.end();
    }
    return result + path.slice(from);
  };
}

function parseSubstitution(substitution: string, field: string): (string | number)[] {
  const pieces: (string | number)[] = [];
  let literal = '';
  for (let at = 0; at < substitution.length; at += 1) {
    const char = substitution[at]!;
    if (char !== '\\') {
      literal += char;
      continue;
    }
    at += 1;
    const next = substitution[at];
    if (next === '\\') literal += '\\';
    else if (next !== undefined && next >= '0' && next <= '9') {
      if (literal !== '') pieces.push(literal);
      literal = '';
      pieces.push(Number(next));
    } else {
      throw new ConfigError(
        `${field}.substitution: "${substitution}": after a backslash expected a digit or a backslash`,
      );
    }
  }
  if (literal !== '') pieces.push(literal);
  return pieces;
}
