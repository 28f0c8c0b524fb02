// The virtual hosts of one RouteConfiguration, kept from push to push: what a changed VirtualService costs is the hosts that it has, not those of the
// ten thousand beside it. What comes out depends on what goes in alone, whatever was there before.

import { create } from '@bufbuild/protobuf';
import {
  type Route,
  VirtualHost_TlsRequirementType as TlsRequirement,
  type VirtualHost,
  VirtualHostSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { differences, merge } from '../differences.ts';
import { bareHost, hostsForNamespace, type MergedServer } from '../gateways/server.ts';
import { HostIndex } from '../hosts.ts';
import { sameItems } from '../memo.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { type BuiltRoutes, buildRoutes, type RouteTarget, routeInputs } from './http-routes.ts';
import { isCatchAll } from './match.ts';
import { compareForServer, type RoutedVirtualService } from './virtual-services.ts';

/** One server: which VirtualServices it has, and what they add. */
interface Place {
  /** Among the servers: the oldest Gateway's is 0. */
  readonly position: number;
  readonly target: RouteTarget;
  /** As the Gateway names them, perhaps with a namespace. */
  readonly hosts: readonly string[];
  readonly bareHosts: readonly string[];
  readonly requireTls: boolean;
  readonly indexByNamespace: Map<string, HostIndex>;
  virtualServices: readonly RoutedVirtualService[];
  readonly contributions: Map<RoutedVirtualService, Contribution>;
}

/** What a VirtualService adds to a server. */
interface Contribution {
  readonly place: Place;
  readonly virtualService: RoutedVirtualService;
  /** Those that it shares with the server. */
  readonly hosts: readonly string[];
  /** What the routes were built from. */
  readonly inputs: readonly unknown[];
  readonly routes: BuiltRoutes;
}

/** A domain, and who has routes for it. */
interface Host {
  readonly name: string;
  /** Those with routes, in the order in which these are tried. */
  contributions: Contribution[];
  /** Servers that redirect all of its requests to https, oldest first. */
  readonly redirects: Place[];
  group: Group | undefined;
}

/** Hosts with the very same routes: one virtual host with several domains. */
interface Group {
  readonly key: string;
  readonly hosts: Set<Host>;
  message: VirtualHost | undefined;
}

/** The virtual hosts of some servers. */
export class HostTable {
  readonly servers: readonly MergedServer[];
  readonly #places: readonly Place[];
  readonly #hosts = new Map<string, Host>();
  readonly #groups = new Map<string, Group>();
  /** Contributions that have something to tell. */
  readonly #noticed = new Set<Contribution>();
  /** Everything beside the VirtualServices that routes were built from. */
  #surroundings: readonly unknown[] = [];
  #virtualHosts: readonly VirtualHost[] = [];
  /** The table of other servers before this one. */
  #previous: HostTable | undefined;

  /**
   * @param servers at least one, oldest Gateway first
   * @param previous a table of other servers: what is the same there is not built again
   */
  constructor(servers: readonly MergedServer[], node: ProxyNode, previous?: HostTable) {
    this.servers = servers;
    this.#previous = previous;
    this.#places = servers.map((merged, position) => placeOf(merged, position, node));
    for (const place of this.#places)
      if (place.requireTls) for (const host of place.bareHosts) this.#host(host).redirects.push(place);
  }

  /**
   * Brings the table to a context.
   * @returns the virtual hosts by name: the identical list where nothing changed, the identical message for each that did not
   */
  update(context: PushContext, node: ProxyNode): { virtualHosts: readonly VirtualHost[]; notices: readonly Notice[] } {
    const surroundings = [context.registry.version, context.destinationRules];
    const sameSurroundings = sameItems(this.#surroundings, surroundings);
    const affected = new Set<string>();
    // Everything that may throw comes first, so that a table is never half of one state and half of another.
    const changes = this.#places.map((place) => this.#changesOf(place, sameSurroundings, context, node));
    if (this.#surroundings.length === 0) for (const host of this.#hosts.keys()) affected.add(host); // those that are only redirected
    for (const [index, { virtualServices, gone, come }] of changes.entries()) {
      const place = this.#places[index] as Place;
      place.virtualServices = virtualServices;
      for (const contribution of gone) this.#remove(contribution, affected);
      for (const contribution of come) this.#add(contribution, affected);
    }
    this.#surroundings = surroundings;
    this.#regroup(affected, node.namespace);
    this.#previous = undefined;
    return { virtualHosts: this.#virtualHosts, notices: this.#notices(node.namespace) };
  }

  #changesOf(place: Place, sameSurroundings: boolean, context: PushContext, node: ProxyNode) {
    const { target, bareHosts, contributions } = place;
    const virtualServices = context.virtualServices.forServer(target.gatewayName, bareHosts, node.namespace);
    const difference = differences(place.virtualServices, virtualServices);
    const gone = difference.gone.map((each) => contributions.get(each)).filter((each) => each !== undefined);
    const come: Contribution[] = [];
    for (const virtualService of sameSurroundings ? difference.come : virtualServices) {
      const before = contributions.get(virtualService);
      const contribution = this.#contribution(place, virtualService, before, context);
      if (contribution === before) continue;
      if (before !== undefined) gone.push(before);
      if (contribution !== undefined) come.push(contribution);
    }
    return { virtualServices, gone, come };
  }

  #contribution(
    place: Place,
    virtualService: RoutedVirtualService,
    before: Contribution | undefined,
    context: PushContext,
  ): Contribution | undefined {
    const hosts = before?.hosts ?? sharedHosts(place, virtualService);
    if (hosts.length === 0) return undefined;
    const inputs = routeInputs(virtualService, place.target, context);
    const same = [before, ...(this.#previous?.with(place.target, virtualService) ?? [])].find(
      (other) => other !== undefined && sameItems(other.inputs, inputs),
    );
    if (before !== undefined && same === before) return before;
    const routes = same?.routes ?? buildRoutes(virtualService, place.target, context);
    return { place, virtualService, hosts, inputs, routes };
  }

  /** What a VirtualService added to servers for which its routes are the same. */
  with(target: RouteTarget, virtualService: RoutedVirtualService): Contribution[] {
    const same = this.#places.filter(({ target: other }) => sameRoutes(other, target));
    return same.map(({ contributions }) => contributions.get(virtualService)).filter((each) => each !== undefined);
  }

  #remove(contribution: Contribution, affected: Set<string>): void {
    contribution.place.contributions.delete(contribution.virtualService);
    this.#noticed.delete(contribution);
    for (const name of contribution.hosts) {
      const host = this.#hosts.get(name);
      if (host === undefined) continue;
      host.contributions = host.contributions.filter((other) => other !== contribution);
      affected.add(name);
    }
  }

  #add(contribution: Contribution, affected: Set<string>): void {
    const { place, virtualService, routes, hosts } = contribution;
    place.contributions.set(virtualService, contribution);
    if (routes.notices.length > 0) this.#noticed.add(contribution);
    if (routes.routes.length === 0) return;
    for (const name of hosts) {
      this.#host(name).contributions.push(contribution);
      affected.add(name);
    }
  }

  #host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { name, contributions: [], redirects: [], group: undefined };
      this.#hosts.set(name, host);
    }
    return host;
  }

  #regroup(affected: ReadonlySet<string>, namespace: string): void {
    const touched = new Set<Group>();
    for (const name of affected) {
      const host = this.#hosts.get(name) as Host;
      if (host.group !== undefined) {
        touched.add(host.group);
        host.group.hosts.delete(host);
        host.group = undefined;
      }
      if (host.contributions.length === 0 && host.redirects.length === 0) {
        this.#hosts.delete(name);
        continue;
      }
      if (host.contributions.length > 1) host.contributions.sort((a, b) => compareContributions(a, b, namespace));
      host.group = this.#group(keyOf(host));
      host.group.hosts.add(host);
      touched.add(host.group);
    }
    const gone = new Set<VirtualHost>();
    const come: VirtualHost[] = [];
    for (const group of touched) {
      const before = group.message;
      if (group.hosts.size === 0) this.#groups.delete(group.key);
      group.message = group.hosts.size === 0 ? undefined : this.#message(group);
      if (group.message === before) continue;
      if (before !== undefined) gone.add(before);
      if (group.message !== undefined) come.push(group.message);
    }
    if (gone.size === 0 && come.length === 0) return;
    const kept = gone.size === 0 ? this.#virtualHosts : this.#virtualHosts.filter((each) => !gone.has(each));
    this.#virtualHosts = merge(kept, come.sort(byName), byName);
  }

  #group(key: string): Group {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { key, hosts: new Set(), message: undefined };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** The message of a group, the one it has (or had in the table before) where that still says it. */
  #message({ key, hosts, message: own }: Group): VirtualHost {
    const previous = this.#previous;
    const message = own ?? (previous === undefined ? undefined : previous.#groups.get(key)?.message);
    const sorted = [...hosts].sort((a, b) => bySpecificity(a.name, b.name));
    const [first] = sorted as [Host];
    const domains = sorted.map(({ name }) => name);
    const name = `${first.name.includes(':') ? `[${first.name}]` : first.name}:${portOf(first)}`;
    // Routes and redirection are what makes the group.
    if (message !== undefined && message.name === name && sameItems(message.domains, domains)) return message;
    return create(VirtualHostSchema, {
      name,
      domains,
      routes: catchAllLast(first.contributions.flatMap(({ routes }) => routes.routes)),
      includeRequestAttemptCount: true,
      requireTls: requiresTls(first) ? TlsRequirement.ALL : TlsRequirement.NONE,
    });
  }

  #notices(namespace: string): Notice[] {
    return [...this.#noticed]
      .sort((a, b) => compareContributions(a, b, namespace))
      .flatMap(({ routes }) => routes.notices);
  }
}

function placeOf({ server, hosts, gatewayName }: MergedServer, position: number, node: ProxyNode): Place {
  return {
    position,
    target: { gatewayName, port: server.port.number, isTls: server.tls !== undefined, node },
    hosts,
    bareHosts: hosts.map((host) => bareHost(host).toLowerCase()),
    requireTls: server.tls?.httpsRedirect === true,
    indexByNamespace: new Map(),
    virtualServices: [],
    contributions: new Map(),
  };
}

function sameRoutes(a: RouteTarget, b: RouteTarget): boolean {
  return a.gatewayName === b.gatewayName && a.port === b.port && a.isTls === b.isTls;
}

function sharedHosts({ hosts, indexByNamespace }: Place, { namespace, hosts: own }: RoutedVirtualService): string[] {
  let index = indexByNamespace.get(namespace);
  if (index === undefined) {
    index = new HostIndex(hostsForNamespace(hosts, namespace).map((host) => host.toLowerCase()));
    indexByNamespace.set(namespace, index);
  }
  const shared = new Set<string>();
  for (const host of own) for (const each of index.intersect(host)) shared.add(each);
  return [...shared];
}

/** The older Gateway's first, then as Istio lets VirtualServices add routes to one server. */
function compareContributions(a: Contribution, b: Contribution, namespace: string): number {
  return a.place.position - b.place.position || compareForServer(a.virtualService, b.virtualService, namespace);
}

const numbers = new WeakMap<BuiltRoutes, number>();
let count = 0;

/** Equal for hosts with the very same routes. */
function keyOf(host: Host): string {
  let key = String(requiresTls(host));
  for (const { routes } of host.contributions) {
    let number = numbers.get(routes);
    if (number === undefined) {
      number = count++;
      numbers.set(routes, number);
    }
    key += `,${number}`;
  }
  return key;
}

function requiresTls({ contributions, redirects }: Host): boolean {
  return redirects.length > 0 || contributions.some(({ place }) => place.requireTls);
}

/** That of the oldest server that has the host. */
function portOf({ contributions, redirects }: Host): number {
  const places = [contributions[0]?.place, redirects[0]].filter((place) => place !== undefined);
  return (places.sort((a, b) => a.position - b.position)[0] as Place).target.port;
}

function byName(a: VirtualHost, b: VirtualHost): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
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
