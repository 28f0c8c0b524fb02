// HTTPMatchRequest into Envoy's RouteMatch.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest

import { create } from '@bufbuild/protobuf';
import { matchesLabels } from '../../resources/selectors.ts';
import {
  type HeaderMatcher,
  HeaderMatcherSchema,
  type QueryParameterMatcher,
  QueryParameterMatcherSchema,
  type RouteMatch,
  RouteMatchSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RegexMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/regex_pb.js';
import type { ProxyNode } from '../node.ts';
import type { HttpMatch } from './http-route.ts';
import { isPresenceOnly, type StringMatch, stringMatcher } from './string-match.ts';

/** Headers of this form ask for a claim of a verified token, not for a header. */
const CLAIM = /^@request\.auth\.claims[.[]/i;

/** A condition that cannot be translated; the route must then not be served, since it would match too much. */
export function untranslatable(match: HttpMatch): string | undefined {
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const name of Object.keys(match[field] ?? {})) if (CLAIM.test(name)) return `${field}.${name}`;
  }
  return undefined;
}

/** Whether a match concerns this gateway at all: its port, Gateway names and the labels and namespace of the proxy. */
export function concerns(match: HttpMatch, port: number, gatewayName: string, node: ProxyNode): boolean {
  if (match.port && match.port !== port) return false;
  // With `gateways`, the source conditions are not looked at: they are for sidecars.
  if (match.gateways !== undefined && match.gateways.length > 0) return match.gateways.includes(gatewayName);
  if (!matchesLabels(match.sourceLabels, node.labels)) return false;
  return !match.sourceNamespace || match.sourceNamespace === node.namespace;
}

/** The match; undefined matches everything. */
export function routeMatch(match: HttpMatch | undefined): RouteMatch {
  if (match === undefined) return create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  const headers = [
    ...Object.entries(match.headers ?? {}).map(([name, value]) => headerMatcher(name, value)),
    ...Object.entries(match.withoutHeaders ?? {}).map(([name, value]) => withoutHeader(name, value)),
  ].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (match.method !== undefined) headers.push(headerMatcher(':method', match.method));
  if (match.authority !== undefined) headers.push(headerMatcher(':authority', match.authority));
  if (match.scheme !== undefined) headers.push(headerMatcher(':scheme', match.scheme));
  return create(RouteMatchSchema, {
    pathSpecifier: pathSpecifier(match.uri),
    caseSensitive: !(match.ignoreUriCase ?? false),
    headers,
    queryParameters: Object.keys(match.queryParams ?? {})
      .sort()
      .map((name) => queryParameterMatcher(name, match.queryParams?.[name])),
  });
}

function pathSpecifier(uri: StringMatch | undefined): RouteMatch['pathSpecifier'] {
  if (uri?.exact !== undefined) return { case: 'path', value: uri.exact };
  if (uri?.prefix !== undefined) return { case: 'prefix', value: uri.prefix };
  if (uri?.regex !== undefined) return { case: 'safeRegex', value: create(RegexMatcherSchema, { regex: uri.regex }) };
  return { case: 'prefix', value: '/' };
}

function headerMatcher(name: string, match: StringMatch | undefined): HeaderMatcher {
  const matcher = create(HeaderMatcherSchema, { name });
  const value = match === undefined || isPresenceOnly(match) ? undefined : stringMatcher(match);
  matcher.headerMatchSpecifier =
    value === undefined ? { case: 'presentMatch', value: true } : { case: 'stringMatch', value };
  return matcher;
}

function withoutHeader(name: string, match: StringMatch | undefined): HeaderMatcher {
  const matcher = headerMatcher(name, match);
  matcher.invertMatch = true;
  // A header that is not there has no value, so it can't have the forbidden one. Envoy refuses it beside present_match.
  if (!isPresenceOnly(match)) matcher.treatMissingHeaderAsEmpty = true;
  return matcher;
}

function queryParameterMatcher(name: string, match: StringMatch | undefined): QueryParameterMatcher {
  const matcher = create(QueryParameterMatcherSchema, { name });
  const value = match === undefined || isPresenceOnly(match) ? undefined : stringMatcher(match);
  matcher.queryParameterMatchSpecifier =
    value === undefined ? { case: 'presentMatch', value: true } : { case: 'stringMatch', value };
  return matcher;
}

/** Whether every request matches: then no later route of the virtual host is ever reached. */
export function isCatchAll({ pathSpecifier, headers, queryParameters }: RouteMatch): boolean {
  if (headers.length > 0 || queryParameters.length > 0) return false;
  if (pathSpecifier.case === 'prefix') return pathSpecifier.value === '/';
  return pathSpecifier.case === 'safeRegex' && pathSpecifier.value.regex === '.*';
}
