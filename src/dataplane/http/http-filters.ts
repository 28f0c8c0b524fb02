// The HTTP filters of a connection manager: the router at the end and the fault filter are served; the others are harmless, left out with a line
// in the log, or refused.

import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '../../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { HttpFilter as HttpFilterConfig } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, REPORTS_ONLY, reportsOnly } from '../istio-filters.ts';
import { compileFaultSettings } from '../router/fault-settings.ts';
import { FAULT_FILTER } from '../router/filter-config.ts';
import type { DataplaneServices } from '../services.ts';
import { FaultFilter } from './filters/fault.ts';
import type { HttpFilter } from './filters/http-filter.ts';

const ROUTER = 'envoy.filters.http.router';

/** Filters that do nothing by themselves: what they do is told by routes, and refused there. */
const BY_ROUTE = new Set(['envoy.extensions.filters.http.cors.v3.Cors']);

/** The same, as long as they have no settings of their own. */
const BY_ROUTE_WHEN_EMPTY = new Set(['envoy.extensions.filters.http.stateful_session.v3.StatefulSession']);

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
    const fault = disabled || any === undefined ? undefined : anyUnpack(any, HTTPFaultSchema);
    if (fault !== undefined) {
      const where = `HttpConnectionManager: http_filters[${index}]`;
      // Routes configure it by this name.
      if (name !== FAULT_FILTER)
        throw new ConfigError(`${where}: a fault filter is served as ${FAULT_FILTER} only, not as ${name}`);
      served.push(new FaultFilter(compileFaultSettings(fault, where), statPrefix, services.stats, services.timers));
      return;
    }
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
  return { suppressEnvoyHeaders: router?.suppressEnvoyHeaders ?? false, filters: served };
}
