// Where a RedirectAction sends the client.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction

import {
  RedirectAction_RedirectResponseCode as Code,
  type RedirectAction,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { compileRegexRewrite } from './path-rewrite.ts';
import { type RouteRequest, withoutQuery } from './route-request.ts';

/** A compiled redirect. */
export interface Redirect {
  readonly status: number;
  /** @param matchedLength length of the path that the route matched */
  readonly location: (request: RouteRequest, matchedLength: number) => string;
}

const STATUS: Readonly<Record<Code, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};

/** @throws ConfigError naming `field` */
export function compileRedirect(config: RedirectAction, field: string): Redirect {
  const scheme = config.schemeRewriteSpecifier;
  const path = config.pathRewriteSpecifier;
  const regexRewrite =
    path.case === 'regexRewrite' ? compileRegexRewrite(path.value, `${field}.regex_rewrite`) : undefined;
  return {
    status: STATUS[config.responseCode] ?? 301,
    location: (request, matchedLength) => {
      let newScheme = request.scheme;
      if (scheme.case === 'httpsRedirect' && scheme.value) newScheme = 'https';
      else if (scheme.case === 'schemeRedirect' && scheme.value !== '') newScheme = scheme.value.toLowerCase();
      const host = config.hostRedirect || requestHost(request.authority, newScheme, config.portRedirect !== 0);
      const port = config.portRedirect !== 0 ? `:${config.portRedirect}` : '';

      const whole = request.path;
      const bare = withoutQuery(whole);
      const query = config.stripQuery ? '' : whole.slice(bare.length);
      let newPath = bare + query;
      if (path.case === 'pathRedirect' && path.value !== '') {
        newPath = path.value.includes('?') ? path.value : path.value + query;
      } else if (path.case === 'prefixRewrite') {
        newPath = path.value + bare.slice(matchedLength) + query;
      } else if (regexRewrite !== undefined) {
        newPath = regexRewrite(bare) + query;
      }
      return `${newScheme}://${host}${port}${newPath}`;
    },
  };
}

// A new port replaces the old one; a port that was the default of the old scheme does not go along to a new scheme.
function requestHost(authority: string, newScheme: string, newPort: boolean): string {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return authority;
  const port = authority.slice(colon + 1);
  const dropped = newPort || (newScheme === 'https' && port === '80') || (newScheme === 'http' && port === '443');
  return dropped ? authority.slice(0, colon) : authority;
}
