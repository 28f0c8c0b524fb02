// Delegation: the routes of other VirtualServices put in the place of a root's route that names them.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate

import type { Notice } from '../notice.ts';
import { isVisibleTo } from '../visibility.ts';
import type { HttpMatch, HttpRouteSpec } from './http-route.ts';
import type { StringMatch } from './string-match.ts';
import type { RoutedVirtualService } from './virtual-services.ts';

/**
 * The root with each delegating route replaced by the delegate's routes, narrowed to the root's matches. A delegate
 * that is missing, or not exported to the root's namespace, costs only that route.
 * @param delegates VirtualServices without hosts, by `namespace/name`
 */
export function mergeDelegates(
  root: RoutedVirtualService,
  delegates: ReadonlyMap<string, RoutedVirtualService>,
): RoutedVirtualService {
  const notices: Notice[] = [...root.notices];
  const http = root.http.flatMap((entry) => {
    const { route, origin } = entry;
    if (route.delegate === undefined) return [entry];
    const name = `${route.delegate.namespace || root.namespace}/${route.delegate.name}`;
    const delegate = delegates.get(name);
    const report = (message: string) => notices.push({ ...origin, field: `${origin.field}.delegate`, message });
    if (delegate === undefined) {
      report(
        `VirtualService ${name} does not exist (or has hosts, so it can't be a delegate): the route is not served`,
      );
      return [];
    }
    if (!isVisibleTo(delegate.visibility, root.namespace)) {
      report(`VirtualService ${name} is not exported to namespace ${root.namespace}: the route is not served`);
      return [];
    }
    return delegate.http.flatMap((inner) => {
      if (inner.route.delegate !== undefined) {
        const message = "a delegate can't delegate further: the route is not served";
        notices.push({ ...inner.origin, field: `${inner.origin.field}.delegate`, message });
        return [];
      }
      const merged = mergeRoute(route, inner.route);
      if (merged !== undefined) return [{ route: merged, origin: inner.origin }];
      const message = `no match is narrower than those of VirtualService ${root.namespace}/${root.name} ${origin.field}: the route is not served`;
      notices.push({ ...inner.origin, field: `${inner.origin.field}.match`, message });
      return [];
    });
  });
  return { ...root, http, notices };
}

/** What a delegate's route takes over from the root's when it does not say it itself. */
const INHERITED = [
  'rewrite',
  'directResponse',
  'timeout',
  'retries',
  'fault',
  'mirror',
  'mirrorPercent',
  'mirrorPercentage',
  'mirrors',
  'corsPolicy',
  'headers',
] as const satisfies (keyof HttpRouteSpec)[];

/** The delegate's route under the root's conditions; undefined when they contradict. */
function mergeRoute(root: HttpRouteSpec, delegate: HttpRouteSpec): HttpRouteSpec | undefined {
  const match = mergeMatches(root.match ?? [], delegate.match ?? []);
  if (match === undefined) return undefined;
  const inherited: Record<string, unknown> = {};
  for (const field of INHERITED)
    if (delegate[field] === undefined && root[field] !== undefined) inherited[field] = root[field];
  const name = joinNames(root.name, delegate.name);
  return { ...delegate, ...inherited, ...(name === undefined ? {} : { name }), match };
}

function joinNames(root: string | undefined, own: string | undefined): string | undefined {
  return root && own ? `${root}-${own}` : own || root;
}

/** Every match of the delegate must fit under at least one of the root; undefined when one does not. */
function mergeMatches(root: HttpMatch[], delegate: HttpMatch[]): HttpMatch[] | undefined {
  if (root.length === 0) return delegate;
  if (delegate.length === 0) return root;
  const merged: HttpMatch[] = [];
  for (const inner of delegate) {
    const outer = root.filter((candidate) => !conflicts(candidate, inner));
    if (outer.length === 0) return undefined;
    for (const each of outer) merged.push(mergeMatch(each, inner));
  }
  return merged;
}

function mergeMatch(root: HttpMatch, delegate: HttpMatch): HttpMatch {
  const merged: HttpMatch = { ...root, ...delegate };
  const name = joinNames(root.name, delegate.name);
  if (name !== undefined) merged.name = name;
  if (!delegate.gateways?.length && root.gateways !== undefined) merged.gateways = root.gateways;
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    if (root[field] !== undefined) merged[field] = { ...root[field], ...delegate[field] };
  }
  if (root.sourceLabels !== undefined) merged.sourceLabels = { ...root.sourceLabels, ...delegate.sourceLabels };
  return merged;
}

function conflicts(root: HttpMatch, delegate: HttpMatch): boolean {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    if (widens(root[field], delegate[field])) return true;
  }
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    for (const [name, value] of Object.entries(delegate[field] ?? {}))
      if (widens(root[field]?.[name], value)) return true;
  }
  if ((root.ignoreUriCase ?? false) !== (delegate.ignoreUriCase ?? false)) return true;
  if (root.port && delegate.port && root.port !== delegate.port) return true;
  if (root.sourceNamespace && root.sourceNamespace !== (delegate.sourceNamespace || root.sourceNamespace)) return true;
  for (const [name, value] of Object.entries(delegate.sourceLabels ?? {})) {
    if (root.sourceLabels?.[name] !== undefined && root.sourceLabels[name] !== value) return true;
  }
  const [outer = [], inner = []] = [root.gateways, delegate.gateways];
  return outer.length > 0 && inner.some((gateway) => !outer.includes(gateway));
}

/** Whether the inner condition allows what the outer one excludes. Two conditions of which one is a regex can't be compared. */
function widens(outer: StringMatch | undefined, inner: StringMatch | undefined): boolean {
  if (outer === undefined || inner === undefined) return false;
  if (outer.regex !== undefined || inner.regex !== undefined) return true;
  if (outer.exact !== undefined) return inner.exact !== outer.exact;
  if (outer.prefix === undefined) return false;
  return !(inner.exact ?? inner.prefix ?? outer.prefix).startsWith(outer.prefix);
}
