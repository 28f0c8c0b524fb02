// A route as gRPC libraries take it: what they would refuse, or read otherwise than Envoy, put in their terms.
// https://github.com/grpc/proposal/blob/master/A28-xds-traffic-splitting-and-routing.md

import { create } from '@bufbuild/protobuf';
import {
  type Route,
  RouteAction_MaxStreamDurationSchema,
  RouteActionSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { BLACK_HOLE_CLUSTER_NAME } from '../cluster-name.ts';
import { HttpFilterName } from '../http-filters.ts';

/**
 * Changes a route that was just built.
 * @param report takes the field below `spec.http[]` and what is to be told
 * @returns false where no gRPC call could ever match it
 */
export function fitForGrpc(route: Route, report: (field: string, message: string) => void): boolean {
  // Libraries that do not know query parameters would take the rest of the match for all of it.
  if ((route.match?.queryParameters.length ?? 0) > 0) {
    report(
      'match',
      'queryParams never match for gRPC clients, whose calls have no query: the match is left out for them',
    );
    return false;
  }
  // Browsers' business, and a filter that they do not know.
  delete route.typedPerFilterConfig[HttpFilterName.Cors];
  const { action } = route;
  if (action.case === 'route') {
    const { timeout } = action.value;
    if (action.value.requestMirrorPolicies.length > 0) {
      report(
        action.value.requestMirrorPolicies.length > 1 ? 'mirrors' : 'mirror',
        'has no effect on gRPC clients, which copy no calls',
      );
      action.value.requestMirrorPolicies = [];
    }
    // Route timeouts are nothing to them: this one bounds a call. https://github.com/grpc/proposal/blob/master/A31-xds-timeout-support-and-config-selector.md
    if (timeout !== undefined && (timeout.seconds > 0n || timeout.nanos > 0))
      action.value.maxStreamDuration = create(RouteAction_MaxStreamDurationSchema, { maxStreamDuration: timeout });
    return true;
  }
  // They refuse the whole RouteConfiguration for these. Left out, the calls would take a later route that is not meant for them.
  report(
    action.case === 'redirect' ? 'redirect' : 'directResponse',
    'can not be done by gRPC clients: their calls that match it fail with UNAVAILABLE',
  );
  const value = create(RouteActionSchema, { clusterSpecifier: { case: 'cluster', value: BLACK_HOLE_CLUSTER_NAME } });
  route.action = { case: 'route', value };
  return true;
}
