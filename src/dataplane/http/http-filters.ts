// The HTTP filters of a connection manager: the router at the end is served; the others are harmless, left out with a line in the log, or refused.

import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { RouterSchema } from '../../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { HttpFilter } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, REPORTS_ONLY, reportsOnly } from '../istio-filters.ts';

const ROUTER = 'envoy.filters.http.router';

/** Filters that do nothing by themselves: what they do is told by routes, and refused there. */
const BY_ROUTE = new Set(['envoy.extensions.filters.http.cors.v3.Cors']);

/** The same, as long as they have no settings of their own. */
const BY_ROUTE_WHEN_EMPTY = new Set([
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
]);

/** Chooses the ALPN of TLS to the mesh by the protocol of the upstream: the transport socket does that (upstream/transport-socket.ts). */
const ALPN = 'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig';

/**
 * @param onSkipped told of each filter that is left out, and why that is no harm
 * @throws ConfigError for a filter that would change what is served or who may have it
 */
export function readHttpFilters(
  filters: readonly HttpFilter[],
  onSkipped: (name: string, why: string) => void,
): { readonly suppressEnvoyHeaders: boolean } {
  const last = filters.at(-1);
  const typed = last?.configType.case === 'typedConfig' ? last.configType.value : undefined;
  const router = typed === undefined ? undefined : anyUnpack(typed, RouterSchema);
  if (last === undefined || (router === undefined && last.name !== ROUTER)) {
    throw new ConfigError(
      `HttpConnectionManager: http_filters: the last filter must be ${ROUTER}, got ${last?.name ?? 'none'}`,
    );
  }
  filters.slice(0, -1).forEach((filter, index) => {
    const { name, configType, isOptional, disabled } = filter;
    const any = configType.case === 'typedConfig' ? configType.value : undefined;
    const type = filterType(any);
    if (disabled || BY_ROUTE.has(type) || type === ALPN) return;
    if (BY_ROUTE_WHEN_EMPTY.has(type) && any?.value.length === 0) return;
    if (reportsOnly(name, type) || isOptional) {
      onSkipped(name, reportsOnly(name, type) ? REPORTS_ONLY : 'left out: it is optional, and not supported');
      return;
    }
    const what =
      configType.case === 'configDiscovery'
        ? 'a filter by config_discovery'
        : `a filter of type ${type === '' ? 'unknown' : type}`;
    throw new ConfigError(
      `HttpConnectionManager: http_filters[${index}]: ${name} is not supported (${what}); without it the listener would serve what it may not`,
    );
  });
  return { suppressEnvoyHeaders: router?.suppressEnvoyHeaders ?? false };
}
