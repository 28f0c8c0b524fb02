// VirtualService: what Istio's validation refuses and warns of. HTTP routes are checked in http-route.ts.

import { isDeepStrictEqual } from 'node:util';
import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { hostMatches, isIpAddress, isIpSubnet, isWildcardDomain } from '../hosts.ts';
import type { HttpRoute, TcpRoute, TlsRoute, VirtualService, VirtualServiceSpec } from '../types.ts';
import { checkDestinations } from './destination.ts';
import { checkHttpRoute } from './http-route.ts';
import { checkSniWildcard } from './proxy-values.ts';
import { checkExportTo, checkGatewayNames, checkLabels, checkPort } from './syntax.ts';

/** https://istio.io/latest/docs/reference/config/networking/virtual-service/ */
export function validateVirtualService(virtualService: VirtualService): Finding[] {
  const spec = virtualService.spec ?? {};
  const { hosts = [], http = [], tcp = [], tls = [] } = spec;
  const isDelegate = hosts.length === 0;
  const findings = isDelegate ? checkDelegate(spec) : checkHosts(spec);
  findings.push(...checkGatewayNames(['spec', 'gateways'], spec.gateways));
  if (http.length + tcp.length + tls.length === 0)
    findings.push(
      error(['spec'], 'one of http, tls and tcp is required', 'add at least one route, for example under http'),
    );
  for (const [index, route] of http.entries())
    findings.push(...checkHttpRoute(route, ['spec', 'http', index], { isDelegate }));
  for (const [index, route] of tls.entries()) findings.push(...checkTlsRoute(route, hosts, ['spec', 'tls', index]));
  for (const [index, route] of tcp.entries()) findings.push(...checkTcpRoute(route, ['spec', 'tcp', index]));
  findings.push(...checkExportTo(spec.exportTo));
  for (const [field, routes] of [
    ['http', http],
    ['tls', tls],
    ['tcp', tcp],
  ] as const)
    findings.push(...findUnreachable(routes, ['spec', field]));
  return findings;
}

/** A VirtualService without hosts is one that others delegate to. */
function checkDelegate(spec: VirtualServiceSpec): Finding[] {
  const findings: Finding[] = [];
  const hint = 'without hosts this is a delegate; for any other VirtualService, add spec.hosts';
  for (const field of ['gateways', 'tls', 'tcp'] as const)
    if ((spec[field] ?? []).length > 0) findings.push(error(['spec', field], 'cannot be set without hosts', hint));
  return findings;
}

function checkHosts({ hosts = [], gateways = [] }: VirtualServiceSpec): Finding[] {
  const findings: Finding[] = [];
  const isForMesh = gateways.length === 0 || gateways.includes('mesh');
  for (const [index, host] of hosts.entries()) {
    const path: FieldPath = ['spec', 'hosts', index];
    if (!isWildcardDomain(host) && !isIpAddress(host))
      findings.push(
        error(path, `"${host}" is no host name`, 'a DNS name, one that starts with "*.", "*", or an IP address'),
      );
    else if (host === '*' && isForMesh)
      findings.push(
        error(
          path,
          '"*" cannot be used for the mesh',
          gateways.length === 0
            ? 'name the gateways it is for in spec.gateways'
            : 'take mesh out of spec.gateways, or name the hosts',
        ),
      );
    else {
      const earlier = hosts.slice(0, index).find((other) => hostMatches(other, host));
      if (earlier !== undefined) {
        const message = earlier === host ? `"${host}" stands twice` : `"${host}" is covered by "${earlier}"`;
        findings.push(error(path, message, 'delete one of the two'));
      }
    }
  }
  return findings;
}

function checkTlsRoute(route: TlsRoute, hosts: readonly string[], path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  const { match = [], route: destinations = [] } = route;
  if (match.length === 0)
    findings.push(
      error(
        [...path, 'match'],
        'a TLS route needs at least one match',
        'for example "match: [{sniHosts: [www.example.com]}]"',
      ),
    );
  for (const [index, condition] of match.entries()) {
    const at = [...path, 'match', index];
    const { sniHosts = [] } = condition;
    if (sniHosts.length === 0) findings.push(error([...at, 'sniHosts'], 'needs at least one host'));
    for (const [position, host] of sniHosts.entries())
      findings.push(...checkSniHost(host, hosts, [...at, 'sniHosts', position]));
    findings.push(...checkConnectionMatch(condition, at));
  }
  if (destinations.length === 0) findings.push(error([...path, 'route'], 'a TLS route needs a destination'));
  return [...findings, ...checkDestinations(destinations, [...path, 'route'])];
}

function checkSniHost(host: string, hosts: readonly string[], path: FieldPath): Finding[] {
  if (isIpAddress(host))
    return [warning(path, `"${host}" is an address: clients send no address as SNI`, 'use a host name')];
  if (!isWildcardDomain(host))
    return [error(path, `"${host}" is no host name`, 'a DNS name, or one that starts with "*."')];
  const partial = checkSniWildcard(path, host);
  if (partial.length > 0) return partial;
  if (hosts.some((pattern) => hostMatches(pattern, host))) return [];
  return [
    error(
      path,
      `"${host}" is not among the hosts of this VirtualService (${hosts.join(', ')})`,
      'add it to spec.hosts',
    ),
  ];
}

function checkTcpRoute(route: TcpRoute, path: FieldPath): Finding[] {
  const { match = [], route: destinations = [] } = route;
  const findings = match.flatMap((condition, index) => checkConnectionMatch(condition, [...path, 'match', index]));
  if (destinations.length === 0) findings.push(error([...path, 'route'], 'a TCP route needs a destination'));
  return [...findings, ...checkDestinations(destinations, [...path, 'route'])];
}

interface ConnectionMatch {
  destinationSubnets?: string[];
  port?: number;
  gateways?: string[];
  sourceLabels?: Record<string, string>;
}

function checkConnectionMatch(match: ConnectionMatch, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  for (const [index, subnet] of (match.destinationSubnets ?? []).entries())
    if (!isIpSubnet(subnet))
      findings.push(
        error([...path, 'destinationSubnets', index], `"${subnet}" is no address range`, 'for example 10.0.0.0/8'),
      );
  if (match.port !== undefined) findings.push(...checkPort([...path, 'port'], match.port));
  findings.push(...checkLabels([...path, 'sourceLabels'], match.sourceLabels));
  return [...findings, ...checkGatewayNames([...path, 'gateways'], match.gateways)];
}

/** Routes are tried in order: one that stands behind a route for everything, or whose matches all stood before, is never used. */
function findUnreachable(routes: readonly (HttpRoute | TlsRoute | TcpRoute)[], path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  const seen: { match: object; route: number }[] = [];
  let catchAll: number | undefined;
  for (const [index, route] of routes.entries()) {
    if (catchAll !== undefined) {
      findings.push({
        ...warning(
          [...path, index],
          `is never used: ${label(path, catchAll)} before it matches everything`,
          'move the route without match to the end',
        ),
        at: 'key',
      });
      continue;
    }
    const { match = [] } = route;
    if (match.some(isCatchAll) || match.length === 0) catchAll = index;
    const earlier = match.map(
      (condition) => seen.find((other) => isDeepStrictEqual(other.match, withoutName(condition)))?.route,
    );
    if (match.length > 0 && earlier.every((found) => found !== undefined))
      findings.push({
        ...warning(
          [...path, index],
          `is never used: ${label(path, earlier[0] as number)} has the same match`,
          'delete it, or change its match',
        ),
        at: 'key',
      });
    for (const condition of match) seen.push({ match: withoutName(condition), route: index });
  }
  return findings;
}

function label(path: FieldPath, index: number): string {
  return `${path.at(-1)}[${index}]`;
}

function withoutName(match: object): object {
  const { name: _, ...rest } = match as { name?: string };
  return rest;
}

/** A match without conditions, or with `prefix: /` as its only one. */
function isCatchAll(match: object): boolean {
  const conditions = withoutName(match) as { uri?: { prefix?: string } };
  const names = Object.keys(conditions);
  return names.length === 0 || (names.length === 1 && conditions.uri?.prefix === '/');
}
