// Routes for CONNECT: clients of HTTP proxies ask for a tunnel where they speak TLS, and some (Node.js' fetch) for all that they send.

import { create } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  HeaderValueOptionSchema,
} from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type Route,
  RouteAction_UpgradeConfig_ConnectConfigSchema,
  RouteAction_UpgradeConfigSchema,
  RouteActionSchema,
  RouteMatch_ConnectMatcherSchema,
  RouteMatchSchema,
  RouteSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { seconds } from '../duration.ts';

/**
 * A route that ends tunnels here, and connects to a host of the cluster.
 * @param headers set on the request before a host is chosen
 */
export function connectRoute(cluster: string, headers: Readonly<Record<string, string>> = {}): Route {
  return create(RouteSchema, {
    name: 'connect',
    match: create(RouteMatchSchema, {
      pathSpecifier: { case: 'connectMatcher', value: create(RouteMatch_ConnectMatcherSchema) },
    }),
    requestHeadersToAdd: Object.entries(headers).map(([key, value]) =>
      create(HeaderValueOptionSchema, {
        header: { key, value },
        appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
      }),
    ),
    action: {
      case: 'route',
      value: create(RouteActionSchema, {
        clusterSpecifier: { case: 'cluster', value: cluster },
        timeout: seconds(0),
        upgradeConfigs: [
          create(RouteAction_UpgradeConfigSchema, {
            upgradeType: 'CONNECT',
            connectConfig: create(RouteAction_UpgradeConfig_ConnectConfigSchema),
          }),
        ],
      }),
    },
  });
}
