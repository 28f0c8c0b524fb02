// Compiles a RouteMatch's path specifier into a test of the path (without query).

import type { RouteMatch } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { ConfigError } from '../connection.ts';
import { compileRegex, type StringPredicate } from './string-matcher.ts';

/** How a route looks at the path. */
export interface PathMatcher {
  readonly matches: StringPredicate;
  /** The part of the path that `prefix_rewrite` replaces: the matched prefix, or the whole path for exact and regex. */
  readonly matchedLength: (path: string) => number;
  /** The one path matched, where the match is exact and case-sensitive: such routes can be found by a map. */
  readonly exact: string | undefined;
  /** Everything matches: prefix `/`. */
  readonly all: boolean;
}

/** @throws ConfigError naming `field` */
export function compilePathMatcher(match: RouteMatch, field: string): PathMatcher {
  const ignoreCase = match.caseSensitive === false;
  const specifier = match.pathSpecifier;
  switch (specifier.case) {
    case 'prefix': {
      const prefix = ignoreCase ? specifier.value.toLowerCase() : specifier.value;
      const matchedLength = (): number => prefix.length;
      // Every normalized path begins with a slash.
      if (prefix === '' || prefix === '/') return { matches: () => true, matchedLength, exact: undefined, all: true };
      return {
        matches: ignoreCase ? (path) => path.toLowerCase().startsWith(prefix) : (path) => path.startsWith(prefix),
        matchedLength,
        exact: undefined,
        all: false,
      };
    }
    case 'path': {
      const exact = ignoreCase ? specifier.value.toLowerCase() : specifier.value;
      return {
        matches: ignoreCase ? (path) => path.toLowerCase() === exact : (path) => path === exact,
        matchedLength: (path) => path.length,
        exact: ignoreCase ? undefined : exact,
        all: false,
      };
    }
    case 'pathSeparatedPrefix': {
      const prefix = ignoreCase ? specifier.value.toLowerCase() : specifier.value;
      const matches = (path: string): boolean =>
        path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f);
      return {
        matches: ignoreCase ? (path) => matches(path.toLowerCase()) : matches,
        matchedLength: () => prefix.length,
        exact: undefined,
        all: false,
      };
    }
    case 'safeRegex': {
      const regex = compileRegex(specifier.value, `${field}.safe_regex`);
      return {
        matches: (path) => regex.matches(path),
        matchedLength: (path) => path.length,
        exact: undefined,
        all: false,
      };
    }
    // CONNECT alone has no path; other requests are not looked for here.
    case 'connectMatcher':
      return { matches: () => false, matchedLength: () => 0, exact: undefined, all: false };
    default:
      throw new ConfigError(
        `${field}: ${specifier.case ?? 'no path specifier'} is not supported; use prefix, path, path_separated_prefix, safe_regex or connect_matcher`,
      );
  }
}
