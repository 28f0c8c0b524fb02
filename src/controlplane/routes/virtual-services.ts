// VirtualServices made ready: names qualified, delegates merged in, and found by the Gateway they are bound to.

import { resolveGatewayName, resolveShortName } from '../../resources/names.ts';
import { byAge, keyOf, type ObjectKey } from '../../resources/object.ts';
import type { VirtualService } from '../../resources/types.ts';
import { differences, merge } from '../differences.ts';
import { HostIndex } from '../hosts.ts';
import type { Memo } from '../memo.ts';
import type { Notice } from '../notice.ts';
import { isVisibleTo, type Visibility, visibilityOf } from '../visibility.ts';
import { mergeDelegates } from './delegate.ts';
import type { Destination, HttpRouteSpec, L4RouteSpec, WeightedDestination } from './http-route.ts';

/** A route with the place it was written at, for notices. */
export interface Origin {
  readonly object: ObjectKey;
  /** `spec.http[0]` */
  readonly field: string;
}

/** A VirtualService ready to translate. The identical object as long as it and its delegates do not change. */
export interface RoutedVirtualService {
  readonly object: VirtualService;
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  /** Fully qualified, lower case. */
  readonly hosts: readonly string[];
  /** `namespace/name`, and perhaps `mesh`; each once. */
  readonly gateways: readonly string[];
  readonly visibility: Visibility;
  /** Whether a route leads to another VirtualService. */
  readonly delegates: boolean;
  readonly http: readonly { readonly route: HttpRouteSpec; readonly origin: Origin }[];
  readonly tcp: readonly { readonly route: L4RouteSpec; readonly origin: Origin }[];
  readonly tls: readonly { readonly route: L4RouteSpec; readonly origin: Origin }[];
  readonly notices: readonly Notice[];
}

/** VirtualServices by Gateway. */
export interface VirtualServiceIndex {
  /** All that have hosts, oldest first. */
  readonly all: readonly RoutedVirtualService[];
  /**
   * Those bound to a Gateway (`namespace/name`) that a proxy of that namespace sees and that have a host in common with
   * `hosts`, in the order in which Istio lets them add routes: private ones, those exported to the namespace, public
   * ones; each oldest first.
   */
  forServer(gateway: string, hosts: readonly string[], proxyNamespace: string): readonly RoutedVirtualService[];
}

/** Indexes VirtualServices, oldest first. What did not change since the memo's context before is not looked at. */
export function createVirtualServiceIndex(virtualServices: readonly VirtualService[], memo: Memo): VirtualServiceIndex {
  const kept = memo.get<{ objects: readonly VirtualService[]; index: Index }>('virtual-service-index', [], () => ({
    objects: [],
    index: new Index([], new Map()),
  }));
  const { gone, come } = differences(kept.objects, virtualServices);
  if (gone.length === 0 && come.length === 0) return kept.index;
  const [went, came] = [gone.map(prepare), come.map(prepare)];
  const alone = [...went, ...came].every(({ hosts, delegates }) => hosts.length > 0 && !delegates);
  kept.index = alone
    ? kept.index.with(went, came)
    : new Index([], new Map()).with([], mergedWithDelegates(virtualServices.map(prepare), memo));
  kept.objects = virtualServices;
  return kept.index;
}

/** Those that have hosts, with the routes of those that have none. */
function mergedWithDelegates(virtualServices: readonly RoutedVirtualService[], memo: Memo): RoutedVirtualService[] {
  const delegates = new Map<string, RoutedVirtualService>();
  for (const each of virtualServices)
    if (each.hosts.length === 0) delegates.set(`${each.namespace}/${each.name}`, each);
  return virtualServices.filter(({ hosts }) => hosts.length > 0).map((root) => withDelegates(root, delegates, memo));
}

/** Immutable. */
class Index implements VirtualServiceIndex {
  readonly all: readonly RoutedVirtualService[];
  readonly #byGateway: ReadonlyMap<string, BoundVirtualServices>;

  constructor(all: readonly RoutedVirtualService[], byGateway: ReadonlyMap<string, BoundVirtualServices>) {
    this.all = all;
    this.#byGateway = byGateway;
  }

  /** @param came oldest first */
  with(went: readonly RoutedVirtualService[], came: readonly RoutedVirtualService[]): Index {
    const left = new Set(went);
    const changed = (list: readonly RoutedVirtualService[], more: readonly RoutedVirtualService[]) =>
      merge(left.size === 0 ? list : list.filter((each) => !left.has(each)), more, compareAge);
    const cameByGateway = new Map<string, RoutedVirtualService[]>();
    for (const virtualService of went) for (const gateway of virtualService.gateways) cameByGateway.set(gateway, []);
    for (const virtualService of came)
      for (const gateway of virtualService.gateways) {
        const list = cameByGateway.get(gateway);
        if (list === undefined) cameByGateway.set(gateway, [virtualService]);
        else list.push(virtualService);
      }
    const byGateway = new Map(this.#byGateway);
    for (const [gateway, more] of cameByGateway) {
      const bound = changed(byGateway.get(gateway)?.all ?? [], more);
      if (bound.length === 0) byGateway.delete(gateway);
      else byGateway.set(gateway, new BoundVirtualServices(bound));
    }
    return new Index(changed(this.all, came), byGateway);
  }

  forServer(gateway: string, hosts: readonly string[], proxyNamespace: string): readonly RoutedVirtualService[] {
    const bound = this.#byGateway.get(gateway)?.sharing(hosts) ?? [];
    const of = (rank: number) => bound.filter((each) => rankOf(each, proxyNamespace) === rank);
    return [...of(0), ...of(1), ...of(2)];
  }
}

/** The VirtualServices of one Gateway, found by host: a Gateway may have as many servers as it has VirtualServices. */
class BoundVirtualServices {
  /** Oldest first. */
  readonly all: readonly RoutedVirtualService[];
  /** Positions by host; made when it is asked for, since a server of all hosts needs none. */
  #byHost: Map<string, number[]> | undefined;
  #hosts: HostIndex | undefined;

  constructor(all: readonly RoutedVirtualService[]) {
    this.all = all;
  }

  sharing(hosts: readonly string[]): readonly RoutedVirtualService[] {
    if (hosts.includes('*')) return this.all;
    this.#byHost ??= this.#indexHosts();
    this.#hosts ??= new HostIndex(this.#byHost.keys());
    const positions = new Set<number>();
    for (const host of hosts) {
      for (const own of this.#hosts.overlapping(host)) {
        for (const position of this.#byHost.get(own) ?? []) positions.add(position);
      }
    }
    return [...positions].sort((a, b) => a - b).map((position) => this.all[position] as RoutedVirtualService);
  }

  #indexHosts(): Map<string, number[]> {
    const byHost = new Map<string, number[]>();
    for (const [position, { hosts }] of this.all.entries()) {
      for (const host of hosts) {
        const positions = byHost.get(host);
        if (positions === undefined) byHost.set(host, [position]);
        else positions.push(position);
      }
    }
    return byHost;
  }
}

/** The order in which VirtualServices of one server add their routes: see `VirtualServiceIndex.forServer`. */
export function compareForServer(a: RoutedVirtualService, b: RoutedVirtualService, proxyNamespace: string): number {
  return rankOf(a, proxyNamespace) - rankOf(b, proxyNamespace) || compareAge(a, b);
}

function compareAge(a: RoutedVirtualService, b: RoutedVirtualService): number {
  return byAge(a.object, b.object);
}

function rankOf({ visibility, namespace }: RoutedVirtualService, proxyNamespace: string): number {
  if (visibility === 'public') return 2;
  if (!isVisibleTo(visibility, proxyNamespace)) return -1;
  return namespace === proxyNamespace ? 0 : 1;
}

function withDelegates(
  root: RoutedVirtualService,
  delegates: ReadonlyMap<string, RoutedVirtualService>,
  memo: Memo,
): RoutedVirtualService {
  if (!root.delegates) return root; // as nearly all
  const named = root.http.flatMap(({ route }) => (route.delegate === undefined ? [] : [route.delegate]));
  const found = named.map(({ name, namespace }) => delegates.get(`${namespace || root.namespace}/${name}`));
  return memo.get(`delegates/${root.namespace}/${root.name}`, [root, ...found], () => mergeDelegates(root, delegates));
}

const preparedByObject = new WeakMap<VirtualService, RoutedVirtualService>();

function prepare(object: VirtualService): RoutedVirtualService {
  let prepared = preparedByObject.get(object);
  if (prepared === undefined) {
    prepared = qualify(object);
    preparedByObject.set(object, prepared);
  }
  return prepared;
}

function qualify(object: VirtualService): RoutedVirtualService {
  const { name, namespace = '' } = object.metadata;
  const spec = object.spec ?? {};
  const key = keyOf(object);
  const gatewaysOf = (gateways: string[] | undefined) =>
    gateways?.map((gateway) => resolveGatewayName(gateway, namespace));
  const routesOf = <Route extends HttpRouteSpec | L4RouteSpec>(kind: 'http' | 'tcp' | 'tls') =>
    // The loader checked the objects against Istio's schema, which says more than these types.
    ((spec[kind] ?? []) as unknown as Route[]).map((route, index) => ({
      route: qualifyRoute(route, namespace, gatewaysOf),
      origin: { object: key, field: `spec.${kind}[${index}]` },
    }));
  const http = routesOf<HttpRouteSpec>('http');
  return {
    object,
    key,
    namespace,
    name,
    hosts: (spec.hosts ?? []).map((host) => resolveShortName(host, namespace).toLowerCase()),
    // Without `gateways` it is for sidecars only.
    gateways: [...new Set(gatewaysOf(spec.gateways) ?? ['mesh'])],
    visibility: visibilityOf(spec.exportTo, namespace),
    delegates: http.some(({ route }) => route.delegate !== undefined),
    http,
    tcp: routesOf<L4RouteSpec>('tcp'),
    tls: routesOf<L4RouteSpec>('tls'),
    notices: [],
  };
}

function qualifyRoute<Route extends HttpRouteSpec | L4RouteSpec>(
  route: Route,
  namespace: string,
  gatewaysOf: (gateways: string[] | undefined) => string[] | undefined,
): Route {
  const qualified = { ...route };
  const qualify = (destination: Destination): Destination => ({
    ...destination,
    host: resolveShortName(destination.host, namespace),
  });
  if (route.route !== undefined) {
    qualified.route = route.route.map((weighted: WeightedDestination) => ({
      ...weighted,
      destination: qualify(weighted.destination),
    }));
  }
  if ('mirror' in qualified && qualified.mirror !== undefined) qualified.mirror = qualify(qualified.mirror);
  if ('mirrors' in qualified && qualified.mirrors !== undefined)
    qualified.mirrors = qualified.mirrors.map((each) => ({ ...each, destination: qualify(each.destination) }));
  if (route.match !== undefined) {
    qualified.match = route.match.map((match) => {
      const gateways = gatewaysOf(match.gateways);
      return gateways === undefined ? match : { ...match, gateways };
    });
  }
  return qualified;
}
