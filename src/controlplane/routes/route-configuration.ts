// A RouteConfiguration: the virtual hosts of all servers that share its name, in it, or beside it for a proxy that takes them so.

import { create } from '@bufbuild/protobuf';
import {
  type Route,
  VirtualHost_TlsRequirementType as TlsRequirement,
  type VirtualHost,
  VirtualHostSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { adsConfigSource } from '../config-source.ts';
import { bareHost, hostsForNamespace, type MergedServer } from '../gateways/server.ts';
import { HostIndex } from '../hosts.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { type BuiltRoutes, httpRoutes, routesMemo } from './http-routes.ts';
import { isCatchAll } from './match.ts';

/** The largest body of a directResponse; Envoy's own default of 4 KiB is less than Istio lets one write. */
const MAX_DIRECT_RESPONSE_BODY_BYTES = 1024 * 1024;

/** What is to become a virtual host. */
interface HostDraft {
  readonly host: string;
  readonly port: number;
  requireTls: boolean;
  readonly routes: BuiltRoutes[];
}

/** A RouteConfiguration and what is to be told about it. */
export interface BuiltRouteConfiguration {
  readonly message: RouteConfiguration;
  /** Those that are not in the message: the proxy is sent each by itself. */
  readonly virtualHosts: readonly VirtualHost[];
  readonly notices: readonly Notice[];
}

/**
 * Builds the RouteConfiguration of a name.
 * @param servers at least one, oldest Gateway first
 */
export function routeConfiguration(
  name: string,
  servers: readonly MergedServer[],
  context: PushContext,
  node: ProxyNode,
): BuiltRouteConfiguration {
  const drafts = new Map<string, HostDraft>();
  const built = new Set<BuiltRoutes>();
  for (const merged of servers) draftServer(merged, drafts, built, context, node);
  const virtualHosts =
    drafts.size === 0
      ? [blackhole(servers[0] as MergedServer, name, context, node)]
      : virtualHostsOf(drafts, name, context, node);
  const common = {
    name,
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BODY_BYTES,
  };
  const notices = [...built].flatMap((routes) => routes.notices);
  if (node.vhds === true) {
    const message = context.memo.get(`${node.id}/rds/${name}`, [], () =>
      create(RouteConfigurationSchema, { ...common, vhds: { configSource: adsConfigSource() } }),
    );
    return { message, virtualHosts, notices };
  }
  const message = context.memo.get(`${node.id}/rds/${name}`, virtualHosts, () =>
    create(RouteConfigurationSchema, { ...common, virtualHosts }),
  );
  return { message, virtualHosts: [], notices };
}

/** Adds the hosts of one server: those its VirtualServices share with it, and those it only redirects to https. */
function draftServer(
  { server, hosts, gatewayName }: MergedServer,
  drafts: Map<string, HostDraft>,
  built: Set<BuiltRoutes>,
  context: PushContext,
  node: ProxyNode,
): void {
  const port = server.port.number;
  const requireTls = server.tls?.httpsRedirect === true;
  const draftOf = (host: string) => {
    let draft = drafts.get(host);
    if (draft === undefined) {
      draft = { host, port, requireTls: false, routes: [] };
      drafts.set(host, draft);
    }
    if (requireTls) draft.requireTls = true;
    return draft;
  };
  const bareHosts = hosts.map((host) => bareHost(host).toLowerCase());
  const indexByNamespace = new Map<string, HostIndex>();
  const place = { gatewayName, port, isTls: server.tls !== undefined, node };
  const target = { ...place, memo: routesMemo(place, context) };
  for (const virtualService of context.virtualServices.forServer(gatewayName, bareHosts, node.namespace)) {
    let index = indexByNamespace.get(virtualService.namespace);
    if (index === undefined) {
      const own = hostsForNamespace(hosts, virtualService.namespace).map((host) => host.toLowerCase());
      index = new HostIndex(own);
      indexByNamespace.set(virtualService.namespace, index);
    }
    const shared = new Set<string>();
    for (const host of virtualService.hosts) for (const each of index.intersect(host)) shared.add(each);
    if (shared.size === 0) continue;
    const routes = httpRoutes(virtualService, target, context);
    built.add(routes);
    if (routes.routes.length === 0) continue;
    for (const host of shared) draftOf(host).routes.push(routes);
  }
  if (requireTls) for (const host of bareHosts) draftOf(host);
}

/** A RouteConfiguration without any host answers 404 to everything. */
function blackhole({ server }: MergedServer, name: string, context: PushContext, node: ProxyNode): VirtualHost {
  const { number } = server.port;
  return context.memo.get(`${node.id}/vhost/${name}/blackhole`, [number], () =>
    create(VirtualHostSchema, { name: `blackhole:${number}`, domains: ['*'] }),
  );
}

/** Drafts into virtual hosts, ordered by name. Hosts with the very same routes are one virtual host with several domains. */
function virtualHostsOf(
  drafts: ReadonlyMap<string, HostDraft>,
  name: string,
  context: PushContext,
  node: ProxyNode,
): VirtualHost[] {
  const groups = new Map<string, HostDraft[]>();
  const numbers = new Map<BuiltRoutes, number>();
  for (const draft of [...drafts.values()].sort((a, b) => bySpecificity(a.host, b.host))) {
    let key = String(draft.requireTls);
    for (const routes of draft.routes) {
      let number = numbers.get(routes);
      if (number === undefined) {
        number = numbers.size;
        numbers.set(routes, number);
      }
      key += `,${number}`;
    }
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [draft]);
    else group.push(draft);
  }
  const memo = context.memo.scope(`${node.id}/vhost/${name}`);
  const virtualHosts = [...groups.values()].map((group) => {
    const { host, port, requireTls, routes } = group[0] as HostDraft;
    const domains = group.map((draft) => draft.host);
    return memo.get(host, [port, requireTls, ...domains, null, ...routes], () =>
      create(VirtualHostSchema, {
        name: `${host.includes(':') ? `[${host}]` : host}:${port}`,
        domains,
        routes: catchAllLast(routes.flatMap((each) => each.routes)),
        includeRequestAttemptCount: true,
        requireTls: requireTls ? TlsRequirement.ALL : TlsRequirement.NONE,
      }),
    );
  });
  return virtualHosts.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Exact hosts before wildcards, longer before shorter, then by alphabet. */
function bySpecificity(a: string, b: string): number {
  const wildcards = Number(a.startsWith('*')) - Number(b.startsWith('*'));
  return wildcards || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Where several VirtualServices share a host, one's catch-all must not hide the other's routes. */
function catchAllLast(routes: Route[]): Route[] {
  const isLast = (route: Route) => route.match !== undefined && isCatchAll(route.match);
  return [...routes.filter((route) => !isLast(route)), ...routes.filter(isLast)];
}
