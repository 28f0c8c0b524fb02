// Where a request went in the route table, and the header mutations that the levels on the way there ask for.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers

import { applyHeaderMutation, type HeaderMutation } from '../router/header-mutation.ts';
import type { ClusterTarget, CompiledRoute } from '../router/route.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { CompiledVirtualHost } from '../router/virtual-host.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { HeaderList } from './header-list.ts';

/** What counts of a route table, once it has matched. */
type MatchedTable = Pick<RouteTable, 'requestMutation' | 'responseMutation' | 'mostSpecificWins'>;

/** What counts of a virtual host, once it has matched. */
type MatchedHost = Pick<
  CompiledVirtualHost,
  'includeAttemptCount' | 'includeAttemptCountInResponse' | 'requestMutation' | 'responseMutation'
>;

/** The way down: table, virtual host, route and, where it forwards, the target chosen among the route's clusters. */
export class MatchedRoute {
  readonly table: MatchedTable;
  readonly virtualHost: MatchedHost;
  readonly route: CompiledRoute;
  target: ClusterTarget | undefined = undefined;

  constructor(table: MatchedTable, virtualHost: MatchedHost, route: CompiledRoute) {
    this.table = table;
    this.virtualHost = virtualHost;
    this.route = route;
  }
}

/** Changes the headers of a request on its way to the upstream. */
export function mutateRequest(matched: MatchedRoute, headers: HeaderList, info: StreamInfo): void {
  const { table, virtualHost, route, target } = matched;
  applyLevels(
    target?.requestMutation,
    route.requestMutation,
    virtualHost.requestMutation,
    table.requestMutation,
    table.mostSpecificWins,
    headers,
    info,
  );
}

/** Changes the headers of a response on its way to the client. */
export function mutateResponse(matched: MatchedRoute, headers: HeaderList, info: StreamInfo): void {
  const { table, virtualHost, route, target } = matched;
  applyLevels(
    target?.responseMutation,
    route.responseMutation,
    virtualHost.responseMutation,
    table.responseMutation,
    table.mostSpecificWins,
    headers,
    info,
  );
}

// Whoever comes last has the last word: the outermost level, unless the table says otherwise.
function applyLevels(
  target: HeaderMutation | undefined,
  route: HeaderMutation | undefined,
  virtualHost: HeaderMutation | undefined,
  table: HeaderMutation | undefined,
  mostSpecificWins: boolean,
  headers: HeaderList,
  info: StreamInfo,
): void {
  if (target === undefined && route === undefined && virtualHost === undefined && table === undefined) return;
  const levels = [target, route, virtualHost, table];
  if (mostSpecificWins) levels.reverse();
  for (const mutation of levels) if (mutation !== undefined) applyHeaderMutation(mutation, headers, info);
}
