// Where a route leads: one cluster or several by weight, with timeout, retries and rewrites.

import { create } from '@bufbuild/protobuf';
import {
  type Route,
  type RouteAction,
  RouteAction_MaxStreamDurationSchema,
  RouteActionSchema,
  WeightedCluster_ClusterWeightSchema,
  WeightedClusterSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RegexMatchAndSubstituteSchema, RegexMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/regex_pb.js';
import { seconds, toDuration } from '../duration.ts';
import { headerOperations } from './headers.ts';
import type { Destination, HttpRewrite, HttpRouteSpec, WeightedDestination } from './http-route.ts';
import { mirrorPolicies } from './mirror.ts';
import { retryPolicy } from './retry.ts';

/**
 * Gives a route its action.
 * @param out the route; with a single destination, that one's header changes become the route's
 * @param authority what the route's own `headers` set the host to, or ''
 * @param clusterOf the cluster of a destination, which stands in a field of the route
 */
export function applyRouteAction(
  out: Route,
  spec: HttpRouteSpec,
  authority: string,
  clusterOf: (destination: Destination, field: string) => string,
): void {
  const timeout = (spec.timeout === undefined ? undefined : toDuration(spec.timeout)) ?? seconds(0);
  const action = create(RouteActionSchema, { timeout });
  // A gRPC client's own deadline counts up to the route's timeout; without one the stream has no end of its own accord. Not both:
  // an Envoy that finds max_stream_duration takes no notice of timeout.
  if (timeout.seconds === 0n && timeout.nanos === 0) {
    action.maxStreamDuration = create(RouteAction_MaxStreamDurationSchema, {
      maxStreamDuration: seconds(0),
      grpcTimeoutHeaderMax: seconds(0),
    });
  } else {
    action.maxGrpcTimeout = timeout;
  }
  const policy = retryPolicy(spec.retries);
  if (policy !== undefined) action.retryPolicy = policy;
  if (spec.rewrite !== undefined) applyUriRewrite(action, spec.rewrite);
  setAuthority(action, spec.rewrite?.authority || authority);

  action.requestMirrorPolicies = mirrorPolicies(spec, clusterOf);
  const destinations = spec.route ?? [];
  if (destinations.length === 1) applySingle(out, action, destinations[0] as WeightedDestination, clusterOf);
  else applyWeighted(action, destinations, clusterOf);
  out.action = { case: 'route', value: action };
}

function applyUriRewrite(action: RouteAction, { uri, uriRegexRewrite }: HttpRewrite): void {
  if (uriRegexRewrite !== undefined) {
    action.regexRewrite = create(RegexMatchAndSubstituteSchema, {
      pattern: create(RegexMatcherSchema, { regex: uriRegexRewrite.match ?? '' }),
      substitution: uriRegexRewrite.rewrite ?? '',
    });
  } else if (uri) {
    action.prefixRewrite = uri;
  }
}

function setAuthority(action: RouteAction, authority: string): void {
  if (authority !== '') action.hostRewriteSpecifier = { case: 'hostRewriteLiteral', value: authority };
}

function applySingle(
  out: Route,
  action: RouteAction,
  destination: WeightedDestination,
  clusterOf: (destination: Destination, field: string) => string,
): void {
  action.clusterSpecifier = { case: 'cluster', value: clusterOf(destination.destination, 'route[0].destination') };
  if (destination.headers === undefined) return;
  const { authority, ...operations } = headerOperations(destination.headers);
  out.requestHeadersToAdd.push(...operations.requestHeadersToAdd);
  out.requestHeadersToRemove.push(...operations.requestHeadersToRemove);
  out.responseHeadersToAdd.push(...operations.responseHeadersToAdd);
  out.responseHeadersToRemove.push(...operations.responseHeadersToRemove);
  // As with several destinations, a rewrite of the route goes before that of the destination.
  if (action.hostRewriteSpecifier.case === undefined) setAuthority(action, authority);
}

function applyWeighted(
  action: RouteAction,
  destinations: readonly WeightedDestination[],
  clusterOf: (destination: Destination, field: string) => string,
): void {
  const clusters = destinations.flatMap((destination, index) => {
    // Weight 0 among several gets nothing, so it is not there.
    if (!destination.weight) return [];
    const weighted = create(WeightedCluster_ClusterWeightSchema, {
      name: clusterOf(destination.destination, `route[${index}].destination`),
      weight: destination.weight,
    });
    if (destination.headers !== undefined) {
      const { authority, ...operations } = headerOperations(destination.headers);
      Object.assign(weighted, operations);
      if (authority !== '') weighted.hostRewriteSpecifier = { case: 'hostRewriteLiteral', value: authority };
    }
    return [weighted];
  });
  const [only] = clusters;
  action.clusterSpecifier =
    // One that is left is a plain cluster, unless it carries what only a weighted one can.
    clusters.length === 1 && only !== undefined && isPlain(only)
      ? { case: 'cluster', value: only.name }
      : { case: 'weightedClusters', value: create(WeightedClusterSchema, { clusters }) };
}

function isPlain(cluster: ReturnType<typeof create<typeof WeightedCluster_ClusterWeightSchema>>): boolean {
  return (
    cluster.requestHeadersToAdd.length === 0 &&
    cluster.requestHeadersToRemove.length === 0 &&
    cluster.responseHeadersToAdd.length === 0 &&
    cluster.responseHeadersToRemove.length === 0 &&
    cluster.hostRewriteSpecifier.case === undefined
  );
}
