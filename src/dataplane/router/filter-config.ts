// What routes and virtual hosts tell HTTP filters (`typed_per_filter_config`), by the filters' names.

import { type Any, anyIs, anyUnpack } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { CorsPolicySchema } from '../../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, reportsOnly } from '../istio-filters.ts';
import { type CorsPolicy, compileCorsPolicy } from './cors-policy.ts';
import { compileFaultSettings, type FaultSettings, NO_FAULTS } from './fault-settings.ts';

/** The name under which a connection manager has the fault filter. */
export const FAULT_FILTER = 'envoy.filters.http.fault';

/** … and the CORS filter. */
export const CORS_FILTER = 'envoy.filters.http.cors';

/** Settings of a route; a filter takes its own for what is undefined. */
export interface RouteFilterConfigs {
  readonly fault: FaultSettings | undefined;
  readonly cors: CorsPolicy | undefined;
}

const NOTHING: RouteFilterConfigs = { fault: undefined, cors: undefined };

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
  let { fault, cors } = inherited;
  for (const name of names) {
    const any = typedPerFilterConfig[name]!;
    const where = `${field}.typed_per_filter_config[${name}]`;
    const wrapped = anyUnpack(any, FilterConfigSchema);
    const config = wrapped === undefined ? any : wrapped.config;
    const off = wrapped?.disabled === true;
    if (name === FAULT_FILTER && (off || (config !== undefined && anyIs(config, HTTPFaultSchema))))
      fault = off ? NO_FAULTS : compileFaultSettings(anyUnpack(config!, HTTPFaultSchema)!, where);
    else if (name === CORS_FILTER && (off || (config !== undefined && anyIs(config, CorsPolicySchema))))
      cors = off ? undefined : compileCorsPolicy(anyUnpack(config!, CorsPolicySchema)!, where, inherited.cors);
    else refuse(name, any, where);
  }
  return { fault, cors };
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
