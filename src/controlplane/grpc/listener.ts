// The listener of a gRPC client: no port, but which routes a target `xds:///host:port` has.
// https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ApiListenerSchema } from '../../xds/gen/envoy/config/listener/v3/api_listener_pb.js';
import { type Listener, ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import {
  HttpConnectionManagerSchema,
  RdsSchema,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { adsConfigSource } from '../config-source.ts';
import { GRPC_HTTP_FILTERS } from '../http-filters.ts';

/** The host and port of a target; undefined where there is no port, as in `xds:///greeter`. */
export function parseTarget(name: string): { host: string; port: number } | undefined {
  const match = /^([^:/]+):(\d{1,5})$/.exec(name);
  return match === null ? undefined : { host: (match[1] as string).toLowerCase(), port: Number(match[2]) };
}

/** @param name the target, as the client wrote it */
export function apiListener(name: string, routeName: string): Listener {
  const connectionManager = create(HttpConnectionManagerSchema, {
    routeSpecifier: {
      case: 'rds',
      value: create(RdsSchema, { routeConfigName: routeName, configSource: adsConfigSource() }),
    },
    httpFilters: [...GRPC_HTTP_FILTERS],
  });
  return create(ListenerSchema, {
    name,
    apiListener: create(ApiListenerSchema, { apiListener: anyPack(HttpConnectionManagerSchema, connectionManager) }),
  });
}
