// The HTTP filters of a connection manager, in the order in which Istio has them. What fault and CORS filters do is told by routes.

import { create, type DescMessage } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { CorsSchema } from '../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '../xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { dynamicForwardProxyFilter } from './dynamic-forward-proxy.ts';

/** The names of the filters, by which routes configure them (`typed_per_filter_config`). */
export const HttpFilterName = {
  Cors: 'envoy.filters.http.cors',
  Fault: 'envoy.filters.http.fault',
  Router: 'envoy.filters.http.router',
} as const;

const FAULT = filter(HttpFilterName.Fault, HTTPFaultSchema);
const CORS = filter(HttpFilterName.Cors, CorsSchema);
const ROUTER = filter(HttpFilterName.Router, RouterSchema);

/** The filters of a proxy. */
export const HTTP_FILTERS: readonly HttpFilter[] = [FAULT, CORS, ROUTER];

/** Those of a sidecar, where requests may be for hosts that are to be looked up: what needs no upstream comes first. */
export const SIDECAR_HTTP_FILTERS: readonly HttpFilter[] = [FAULT, CORS, dynamicForwardProxyFilter(), ROUTER];

/** Those that gRPC libraries know. https://github.com/grpc/proposal/blob/master/A33-Fault-Injection.md */
export const GRPC_HTTP_FILTERS: readonly HttpFilter[] = [FAULT, ROUTER];

function filter(name: string, schema: DescMessage): HttpFilter {
  return create(HttpFilterSchema, {
    name,
    configType: { case: 'typedConfig', value: anyPack(schema, create(schema)) },
  });
}
