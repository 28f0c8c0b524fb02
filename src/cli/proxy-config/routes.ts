// `limen proxy-config routes`: which host and path is routed, and which VirtualService says so.

import type { Route, VirtualHost } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import type { Row } from '../table.ts';
import { describeManagement, describeMatch } from './describe.ts';

/** Which route configurations to show. */
export interface RouteFilter {
  /** The whole name, `http.8080`. */
  name?: string | undefined;
}

/** How a table of routes looks. */
export interface RouteTable {
  /** A line a route, else a line a route configuration with the number of its virtual hosts. */
  verbose: boolean;
  /** Names as `route/NAME`, as `proxy-config all` has. */
  named?: boolean;
}

/** More domains than this of one virtual host are counted, not listed. */
const MOST_DOMAINS = 2;

/** The route configurations that a filter lets through, ordered. */
export function filterRoutes(routes: readonly RouteConfiguration[], filter: RouteFilter): RouteConfiguration[] {
  return routes.filter(({ name }) => filter.name === undefined || filter.name === name).sort(compareRoutes);
}

/**
 * The table, header first. A virtual host without routes answers everything with 404, and says so; routes to istiod's PassthroughCluster
 * are left out, and those for tunnels, which stand beside each host of a sidecar.
 */
export function routeRows(routes: readonly RouteConfiguration[], { verbose, named = false }: RouteTable): Row[] {
  const nameOf = (route: RouteConfiguration) => (named ? `route/${route.name}` : route.name);
  if (!verbose) {
    return [['NAME', 'VIRTUAL HOSTS'], ...routes.map((route) => [nameOf(route), String(route.virtualHosts.length)])];
  }
  const rows: Row[] = [['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE']];
  for (const configuration of routes) {
    for (const host of configuration.virtualHosts) {
      const start = [nameOf(configuration), host.name, describeDomains(host)];
      if (host.routes.length === 0) rows.push([...start, '/*', '404']);
      for (const route of host.routes) {
        if (isPassthrough(route) || route.match?.pathSpecifier.case === 'connectMatcher') continue;
        rows.push([...start, describeMatch(route.match), describeManagement(route.metadata)]);
      }
    }
  }
  return rows;
}

/** Numbers (a sidecar's ports) ascending and first; names keep the order of the dump. */
function compareRoutes(a: RouteConfiguration, b: RouteConfiguration): number {
  const left = /^\d+$/.test(a.name) ? Number(a.name) : Number.POSITIVE_INFINITY;
  const right = /^\d+$/.test(b.name) ? Number(b.name) : Number.POSITIVE_INFINITY;
  return left === right ? 0 : left < right ? -1 : 1;
}

/**
 * The domains of a virtual host, without those that only repeat another one: with a port, or a longer form of the same Kubernetes name
 * (`httpbin`, `httpbin.default.svc`, `httpbin.default.svc.cluster.local`).
 */
function describeDomains({ domains }: VirtualHost): string {
  if (domains.length <= 1) return domains[0] ?? '';
  const withoutPort = domains.filter((domain) => !domain.includes(':') || domain.endsWith(']'));
  // A port that the names alone do not mean stands behind each.
  const port = withoutPort.length > 0 ? '' : (/:\d+$/.exec(domains[0] ?? '')?.[0] ?? '');
  const hosts = port === '' ? withoutPort : domains.map((domain) => domain.slice(0, -port.length));
  const all = new Set(hosts);
  const repeats = (domain: string, suffix: string) =>
    domain.endsWith(suffix) && all.has(domain.slice(0, -suffix.length));
  const shown = hosts.filter((domain) => !repeats(domain, '.svc.cluster.local') && !repeats(domain, '.svc'));
  if (shown.length === 0) return domains.join(', ');
  const first = shown
    .slice(0, MOST_DOMAINS)
    .map((host) => host + port)
    .join(', ');
  return shown.length > MOST_DOMAINS ? `${first} + ${shown.length - MOST_DOMAINS} more...` : first;
}

function isPassthrough({ action }: Route): boolean {
  if (action.case !== 'route') return false;
  const { clusterSpecifier } = action.value;
  return clusterSpecifier.case === 'cluster' && clusterSpecifier.value === 'PassthroughCluster';
}
