// The HTTP filters of a connection manager: the router at the end, faults and CORS are served; the others are harmless, left out with a line
// in the log, or refused.

import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { CorsSchema } from '../../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '../../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { HttpFilter as HttpFilterConfig } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, REPORTS_ONLY, reportsOnly } from '../istio-filters.ts';
import { compileFaultSettings } from '../router/fault-settings.ts';
import { CORS_FILTER, FAULT_FILTER } from '../router/filter-config.ts';
import type { DataplaneServices } from '../services.ts';
import { CorsFilter } from './filters/cors.ts';
import { FaultFilter } from './filters/fault.ts';
import type { HttpFilter } from './filters/http-filter.ts';

const ROUTER = 'envoy.filters.http.router';

/** Filters that do nothing by themselves, as long as they have no settings of their own: what they do is told by routes, and refused there. */
const BY_ROUTE_WHEN_EMPTY = new Set(['envoy.extensions.filters.http.stateful_session.v3.StatefulSession']);

/** A filter that is served, and where. */
interface Place {
  readonly name: string;
  /** For messages. */
  readonly where: string;
  readonly statPrefix: string;
  readonly services: DataplaneServices;
}

/** Filters that are served, by the type of their settings. */
const SERVED: ReadonlyMap<string, (settings: Any, place: Place) => HttpFilter> = new Map([
  [HTTPFaultSchema.typeName, createFault],
  [CorsSchema.typeName, createCors],
]);

function createFault(any: Any, place: Place): HttpFilter {
  requireName(place, FAULT_FILTER);
  const settings = compileFaultSettings(anyUnpack(any, HTTPFaultSchema)!, place.where);
  return new FaultFilter(settings, place.statPrefix, place.services.stats, place.services.timers);
}

function createCors(_any: Any, place: Place): HttpFilter {
  requireName(place, CORS_FILTER);
  return new CorsFilter(place.statPrefix, place.services.stats);
}

// Routes speak to the filter by this name.
function requireName({ name, where }: Place, expected: string): void {
  if (name !== expected) throw new ConfigError(`${where}: such a filter is served as ${expected} only, not as ${name}`);
}

/** Looks names up for dynamic forward proxy clusters: those do it themselves (upstream/dynamic-forward-proxy.ts). */
const DYNAMIC_FORWARD_PROXY = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig';

/** Chooses the ALPN of TLS to the mesh by the protocol of the upstream: the transport socket does that (upstream/transport-socket.ts). */
const ALPN = 'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig';

/** What is served of the filters. */
interface HttpFilters {
  readonly suppressEnvoyHeaders: boolean;
  /** Those before the router, in their order. */
  readonly filters: readonly HttpFilter[];
}

/**
 * @param statPrefix the connection manager's
 * @param onSkipped told of each filter that is left out, and why that is no harm
 * @throws ConfigError for a filter that would change what is served or who may have it
 */
export function readHttpFilters(
  filters: readonly HttpFilterConfig[],
  statPrefix: string,
  services: DataplaneServices,
  onSkipped: (name: string, why: string) => void,
): HttpFilters {
  const last = filters.at(-1);
  const typed = last?.configType.case === 'typedConfig' ? last.configType.value : undefined;
  const router = typed === undefined ? undefined : anyUnpack(typed, RouterSchema);
  if (last === undefined || (router === undefined && last.name !== ROUTER)) {
    throw new ConfigError(
      `HttpConnectionManager: http_filters: the last filter must be ${ROUTER}, got ${last?.name ?? 'none'}`,
    );
  }
  const served: HttpFilter[] = [];
  filters.slice(0, -1).forEach((filter, index) => {
    const { name, configType, isOptional, disabled } = filter;
    const any = configType.case === 'typedConfig' ? configType.value : undefined;
    const type = filterType(any);
    if (disabled || type === ALPN || type === DYNAMIC_FORWARD_PROXY) return;
    const where = `HttpConnectionManager: http_filters[${index}]`;
    const create = SERVED.get(type);
    if (create !== undefined && any !== undefined) {
      served.push(create(any, { name, where, statPrefix, services }));
      return;
    }
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
      `${where}: ${name} is not supported (${what}); without it the listener would serve what it may not`,
    );
  });
  return { suppressEnvoyHeaders: router?.suppressEnvoyHeaders ?? false, filters: served };
}
