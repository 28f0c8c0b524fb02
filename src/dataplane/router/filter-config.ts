// What routes and virtual hosts tell HTTP filters (`typed_per_filter_config`), by the filters' names.

import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, reportsOnly } from '../istio-filters.ts';
import { compileFaultSettings, type FaultSettings, NO_FAULTS } from './fault-settings.ts';

/** The name under which a connection manager has the fault filter. */
export const FAULT_FILTER = 'envoy.filters.http.fault';

/** Settings of a route; a filter takes its own for what is undefined. */
export interface RouteFilterConfigs {
  readonly fault: FaultSettings | undefined;
}

const NOTHING: RouteFilterConfigs = { fault: undefined };

/**
 * @param inherited what stands where this says nothing
 * @throws ConfigError naming the filter that is not served, or what of its settings
 */
export function compileFilterConfigs(
  typedPerFilterConfig: Readonly<Record<string, Any>>,
  field: string,
  inherited: RouteFilterConfigs = NOTHING,
): RouteFilterConfigs {
  const names = Object.keys(typedPerFilterConfig);
  if (names.length === 0) return inherited;
  let { fault } = inherited;
  for (const name of names) {
    const any = typedPerFilterConfig[name]!;
    const where = `${field}.typed_per_filter_config[${name}]`;
    const wrapped = anyUnpack(any, FilterConfigSchema);
    const config = wrapped === undefined ? any : wrapped.config;
    const settings = config === undefined ? undefined : anyUnpack(config, HTTPFaultSchema);
    if (name === FAULT_FILTER && wrapped?.disabled) fault = NO_FAULTS;
    else if (name === FAULT_FILTER && settings !== undefined) fault = compileFaultSettings(settings, where);
    else refuse(name, any, where);
  }
  return { fault };
}

/**
 * Where no filter's settings are served.
 * @throws ConfigError
 */
export function refuseFilterConfigs(typedPerFilterConfig: Readonly<Record<string, Any>>, field: string): void {
  for (const [name, any] of Object.entries(typedPerFilterConfig))
    refuse(name, any, `${field}.typed_per_filter_config[${name}]`);
}

// Configuration for HTTP filters that are not there would change security or behaviour silently. What is optional, disabled, or for a filter that
// only reports goes with its filter, which was told to be left out.
function refuse(name: string, any: Any, where: string): void {
  const wrapped = anyUnpack(any, FilterConfigSchema);
  if (wrapped?.isOptional || wrapped?.disabled) return;
  if (reportsOnly(name, filterType(wrapped?.config ?? any))) return;
  throw new ConfigError(`${where}: this HTTP filter is not supported`);
}
