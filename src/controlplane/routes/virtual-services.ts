// VirtualServices made ready: names qualified, delegates merged in, and found by the Gateway they are bound to.

import { resolveGatewayName, resolveShortName } from '../../resources/names.ts';
import { byAge, keyOf, type ObjectKey } from '../../resources/object.ts';
import type { VirtualService } from '../../resources/types.ts';
import { HostIndex } from '../hosts.ts';
import type { Memo } from '../memo.ts';
import type { Notice } from '../notice.ts';
import { isVisibleTo, type Visibility, visibilityOf } from '../visibility.ts';
import { mergeDelegates } from './delegate.ts';
import type { HttpRouteSpec, L4RouteSpec, WeightedDestination } from './http-route.ts';

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
  /** `namespace/name`, and perhaps `mesh`. */
  readonly gateways: readonly string[];
  readonly visibility: Visibility;
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

/** Indexes VirtualServices, oldest first. */
export function createVirtualServiceIndex(virtualServices: readonly VirtualService[], memo: Memo): VirtualServiceIndex {
  return memo.get('virtual-service-index', [virtualServices], () => {
    const delegates = new Map<string, RoutedVirtualService>();
    const roots: RoutedVirtualService[] = [];
    for (const object of virtualServices) {
      const prepared = prepare(object);
      if (prepared.hosts.length === 0) delegates.set(`${prepared.namespace}/${prepared.name}`, prepared);
      else roots.push(prepared);
    }
    const all = roots.map((root) => withDelegates(root, delegates, memo));
    const byGateway = new Map<string, BoundVirtualServices>();
    for (const virtualService of all) {
      for (const gateway of new Set(virtualService.gateways)) {
        let bound = byGateway.get(gateway);
        if (bound === undefined) {
          bound = new BoundVirtualServices();
          byGateway.set(gateway, bound);
        }
        bound.add(virtualService);
      }
    }
    return {
      all,
      forServer(gateway, hosts, proxyNamespace) {
        const bound = byGateway.get(gateway)?.sharing(hosts) ?? [];
        const of = (rank: number) => bound.filter((each) => rankOf(each, proxyNamespace) === rank);
        return [...of(0), ...of(1), ...of(2)];
      },
    };
  });
}

/** The VirtualServices of one Gateway, found by host: a Gateway may have as many servers as it has VirtualServices. */
class BoundVirtualServices {
  readonly #all: RoutedVirtualService[] = [];
  /** Positions by host; made when it is asked for, since a server of all hosts needs none. */
  #byHost: Map<string, number[]> | undefined;
  #hosts: HostIndex | undefined;

  add(virtualService: RoutedVirtualService): void {
    this.#all.push(virtualService);
  }

  sharing(hosts: readonly string[]): readonly RoutedVirtualService[] {
    if (hosts.includes('*')) return this.#all;
    this.#byHost ??= this.#indexHosts();
    this.#hosts ??= new HostIndex(this.#byHost.keys());
    const positions = new Set<number>();
    for (const host of hosts) {
      for (const own of this.#hosts.overlapping(host)) {
        for (const position of this.#byHost.get(own) ?? []) positions.add(position);
      }
    }
    return [...positions].sort((a, b) => a - b).map((position) => this.#all[position] as RoutedVirtualService);
  }

  #indexHosts(): Map<string, number[]> {
    const byHost = new Map<string, number[]>();
    for (const [position, { hosts }] of this.#all.entries()) {
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
  return rankOf(a, proxyNamespace) - rankOf(b, proxyNamespace) || byAge(a.object, b.object);
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
  if (!root.http.some(({ route }) => route.delegate !== undefined)) return root; // as nearly all
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
  return {
    object,
    key,
    namespace,
    name,
    hosts: (spec.hosts ?? []).map((host) => resolveShortName(host, namespace).toLowerCase()),
    // Without `gateways` it is for sidecars only.
    gateways: gatewaysOf(spec.gateways) ?? ['mesh'],
    visibility: visibilityOf(spec.exportTo, namespace),
    http: routesOf<HttpRouteSpec>('http'),
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
  if (route.route !== undefined) {
    qualified.route = route.route.map((weighted: WeightedDestination) => ({
      ...weighted,
      destination: { ...weighted.destination, host: resolveShortName(weighted.destination.host, namespace) },
    }));
  }
  if (route.match !== undefined) {
    qualified.match = route.match.map((match) => {
      const gateways = gatewaysOf(match.gateways);
      return gateways === undefined ? match : { ...match, gateways };
    });
  }
  return qualified;
}
