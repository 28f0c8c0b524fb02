// Mirrors of a route: who gets copies of which requests.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMirrorPolicy

import { create } from '@bufbuild/protobuf';
import {
  type RuntimeFractionalPercent,
  RuntimeFractionalPercentSchema,
} from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type RouteAction_RequestMirrorPolicy,
  RouteAction_RequestMirrorPolicySchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Destination, HttpRouteSpec, Percent } from './http-route.ts';
import { fractionalPercent, wholePercent } from './percent.ts';

/** @param clusterOf the cluster of a destination, which stands in a field of the route */
export function mirrorPolicies(
  { mirror, mirrorPercentage, mirrorPercent, mirrors = [] }: HttpRouteSpec,
  clusterOf: (destination: Destination, field: string) => string,
): RouteAction_RequestMirrorPolicy[] {
  const policies: RouteAction_RequestMirrorPolicy[] = [];
  const add = (destination: Destination, field: string, runtimeFraction: RuntimeFractionalPercent | undefined) => {
    if (runtimeFraction === undefined) return;
    const cluster = clusterOf(destination, field);
    policies.push(create(RouteAction_RequestMirrorPolicySchema, { cluster, runtimeFraction, traceSampled: false }));
  };
  if (mirror !== undefined) add(mirror, 'mirror', share(mirrorPercentage, mirrorPercent));
  for (const [index, { destination, percentage }] of mirrors.entries())
    add(destination, `mirrors[${index}].destination`, share(percentage));
  return policies;
}

// All where nothing is said, and none where 0 is.
function share(percentage: Percent | undefined, percent?: number): RuntimeFractionalPercent | undefined {
  const said = percentage === undefined ? percent : (percentage.value ?? 0);
  if (said === 0) return undefined;
  const defaultValue = percentage === undefined ? wholePercent(percent ?? 100) : fractionalPercent(said ?? 0);
  return create(RuntimeFractionalPercentSchema, { defaultValue });
}
