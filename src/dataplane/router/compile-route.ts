// Compiles one Route of a virtual host. Refuses what it cannot do rather than routing without it.

import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type Route,
  type RouteAction,
  type RouteAction_RequestMirrorPolicy,
  type VirtualHost,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { ConfigError } from '../connection.ts';
import { durationMs } from '../upstream/duration.ts';
import { compileFilterConfigs, type RouteFilterConfigs, refuseFilterConfigs } from './filter-config.ts';
import { routePolicy } from './forward-policy.ts';
import { denominatorOf, fractionOf } from './fraction.ts';
import { compileHeaderMatcher, compileQueryParameterMatcher, type RequestPredicate } from './header-matcher.ts';
import { compileHeaderMutation } from './header-mutation.ts';
import { compilePathMatcher } from './path-matcher.ts';
import { compileRegexRewrite } from './path-rewrite.ts';
import { compileRedirect } from './redirect.ts';
import { compileRetryPolicy, DEFAULT_RETRY_POLICY } from './retry-policy.ts';
import type { ClusterTarget, CompiledRoute, ForwardAction, Mirror } from './route.ts';

// Envoy's default route timeout.
const DEFAULT_TIMEOUT_MS = 15_000;
// Envoy's default of max_direct_response_body_size_bytes.
const MAX_DIRECT_BODY = 4096;

/**
 * @param virtualHost whose retry policy applies where the route has none
 * @param inherited what the virtual host tells the HTTP filters
 * @param maxDirectBody bytes
 * @throws ConfigError naming `field` and what of it cannot be done
 */
export function compileRoute(
  route: Route,
  virtualHost: VirtualHost,
  inherited: RouteFilterConfigs,
  field: string,
  maxDirectBody = MAX_DIRECT_BODY,
): CompiledRoute {
  const { match } = route;
  if (match === undefined) throw new ConfigError(`${field}.match: expected a match, got nothing`);
  const conditions: RequestPredicate[] = [];
  match.headers.forEach((matcher, index) => {
    conditions.push(compileHeaderMatcher(matcher, `${field}.match.headers[${index}]`));
  });
  match.queryParameters.forEach((matcher, index) => {
    conditions.push(compileQueryParameterMatcher(matcher, `${field}.match.query_parameters[${index}]`));
  });
  if (match.grpc !== undefined) {
    conditions.push((request) => {
      const type = request.headers.get('content-type') ?? '';
      return type === 'application/grpc' || type.startsWith('application/grpc+');
    });
  }
  const fraction = match.runtimeFraction?.defaultValue;
  if (fraction !== undefined && fraction.numerator < denominatorOf(fraction)) {
    throw new ConfigError(
      `${field}.match.runtime_fraction: only 100% is supported; use weighted_clusters to split traffic`,
    );
  }
  if (match.tlsContext !== undefined) throw new ConfigError(`${field}.match.tls_context: not supported`);
  if (match.dynamicMetadata.length > 0) throw new ConfigError(`${field}.match.dynamic_metadata: not supported`);
  checkConnect(route, field);
  return {
    name: route.name,
    path: compilePathMatcher(match, `${field}.match`),
    isConnect: match.pathSpecifier.case === 'connectMatcher',
    conditions,
    action: compileAction(route, virtualHost, field, maxDirectBody),
    requestMutation: compileHeaderMutation(
      route.requestHeadersToAdd,
      route.requestHeadersToRemove,
      `${field}.request_headers`,
    ),
    responseMutation: compileHeaderMutation(
      route.responseHeadersToAdd,
      route.responseHeadersToRemove,
      `${field}.response_headers`,
    ),
    filters: compileFilterConfigs(route.typedPerFilterConfig, field, inherited),
    operation: route.decorator?.operation ?? '',
    propagateOperation: route.decorator !== undefined && route.decorator.propagate !== false,
  };
}

/** Tunnels end here: CONNECT is not passed on to another proxy. */
function checkConnect({ match, action }: Route, field: string): void {
  if (match?.pathSpecifier.case !== 'connectMatcher' || action.case !== 'route') return;
  const upgrade = action.value.upgradeConfigs.find(({ upgradeType }) => upgradeType.toUpperCase() === 'CONNECT');
  if (upgrade?.connectConfig === undefined || upgrade.enabled === false)
    throw new ConfigError(
      `${field}.route.upgrade_configs: expected CONNECT with a connect_config, for connect_matcher`,
    );
  if (upgrade.connectConfig.proxyProtocolConfig !== undefined || upgrade.connectConfig.allowPost)
    throw new ConfigError(`${field}.route.upgrade_configs: connect_config: its fields are not supported`);
}

function compileAction(
  route: Route,
  virtualHost: VirtualHost,
  field: string,
  maxDirectBody: number,
): CompiledRoute['action'] {
  const { action } = route;
  switch (action.case) {
    case 'route':
      return compileForward(action.value, virtualHost, `${field}.route`);
    case 'redirect':
      return { kind: 'redirect', redirect: compileRedirect(action.value, `${field}.redirect`) };
    case 'directResponse': {
      const { status, body } = action.value;
      const where = `${field}.direct_response`;
      if (status < 200 || status > 599) throw new ConfigError(`${where}.status: expected 200 to 599, got ${status}`);
      const specifier = body?.specifier;
      let text = '';
      if (specifier?.case === 'inlineString') text = specifier.value;
      else if (specifier?.case === 'inlineBytes') text = Buffer.from(specifier.value).toString('utf8');
      else if (specifier?.case !== undefined) {
        throw new ConfigError(`${where}.body: ${specifier.case} is not supported; use inline_string or inline_bytes`);
      }
      if (Buffer.byteLength(text) > maxDirectBody) {
        throw new ConfigError(`${where}.body: ${Buffer.byteLength(text)} bytes, at most ${maxDirectBody} are allowed`);
      }
      return { kind: 'direct', status, body: text };
    }
    default:
      throw new ConfigError(
        `${field}: action ${action.case ?? '(none)'} is not supported; use route, redirect or direct_response`,
      );
  }
}

function compileForward(config: RouteAction, virtualHost: VirtualHost, field: string): ForwardAction {
  const targets: ClusterTarget[] = [];
  const specifier = config.clusterSpecifier;
  if (specifier.case === 'cluster') {
    targets.push(plainTarget(specifier.value));
  } else if (specifier.case === 'weightedClusters') {
    if (specifier.value.randomValueSpecifier.case !== undefined) {
      throw new ConfigError(`${field}.weighted_clusters.${specifier.value.randomValueSpecifier.case}: not supported`);
    }
    specifier.value.clusters.forEach((target, index) => {
      const where = `${field}.weighted_clusters.clusters[${index}]`;
      if (target.name === '')
        throw new ConfigError(`${where}.name: expected a cluster name; cluster_header is not supported`);
      refuseFilterConfigs(target.typedPerFilterConfig, where);
      targets.push({
        cluster: target.name,
        weight: target.weight ?? 0,
        requestMutation: compileHeaderMutation(
          target.requestHeadersToAdd,
          target.requestHeadersToRemove,
          `${where}.request_headers`,
        ),
        responseMutation: compileHeaderMutation(
          target.responseHeadersToAdd,
          target.responseHeadersToRemove,
          `${where}.response_headers`,
        ),
        hostRewrite: target.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? target.hostRewriteSpecifier.value : '',
      });
    });
  } else {
    throw new ConfigError(
      `${field}: ${specifier.case ?? 'no cluster specifier'} is not supported; use cluster or weighted_clusters`,
    );
  }
  const totalWeight = targets.reduce((sum, target) => sum + target.weight, 0);
  if (totalWeight === 0)
    throw new ConfigError(`${field}.weighted_clusters: the weights sum up to 0; expected at least 1`);
  rejectUnsupported(config, virtualHost, field);

  const host = config.hostRewriteSpecifier;
  if (host.case === 'hostRewritePathRegex') throw new ConfigError(`${field}.host_rewrite_path_regex: not supported`);
  const retry = config.retryPolicy ?? virtualHost.retryPolicy;
  const maxStreamDuration = config.maxStreamDuration?.maxStreamDuration;
  return {
    kind: 'forward',
    targets,
    totalWeight,
    clusterNotFoundStatus: notFoundStatus(config.clusterNotFoundResponseCode),
    policy: routePolicy(
      durationMs(config.timeout, DEFAULT_TIMEOUT_MS),
      retry === undefined ? DEFAULT_RETRY_POLICY : compileRetryPolicy(retry, `${field}.retry_policy`),
    ),
    idleTimeoutMs: durationMs(config.idleTimeout, -1),
    maxStreamDurationMs: durationMs(maxStreamDuration, 0),
    prefixRewrite: config.prefixRewrite === '' ? undefined : config.prefixRewrite,
    regexRewrite:
      config.regexRewrite === undefined
        ? undefined
        : compileRegexRewrite(config.regexRewrite, `${field}.regex_rewrite`),
    hostRewrite: host.case === 'hostRewriteLiteral' ? host.value : '',
    hostRewriteHeader: host.case === 'hostRewriteHeader' ? host.value.toLowerCase() : '',
    autoHostRewrite: host.case === 'autoHostRewrite' && host.value.value,
    appendForwardedHost: config.appendXForwardedHost,
    upgrades: new Map(
      config.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]),
    ),
    // A route's own take the place of its virtual host's.
    mirrors: (config.requestMirrorPolicies.length > 0
      ? config.requestMirrorPolicies
      : virtualHost.requestMirrorPolicies
    ).map((policy, index) => compileMirror(policy, `${field}.request_mirror_policies[${index}]`)),
  };
}

function plainTarget(cluster: string): ClusterTarget {
  return { cluster, weight: 1, requestMutation: undefined, responseMutation: undefined, hostRewrite: '' };
}

function compileMirror(policy: RouteAction_RequestMirrorPolicy, field: string): Mirror {
  const { cluster, runtimeFraction, disableShadowHostSuffixAppend } = policy;
  if (cluster === '')
    throw new ConfigError(`${field}.cluster: expected a cluster name; cluster_header is not supported`);
  const fraction =
    runtimeFraction === undefined ? { numerator: 100, denominator: 100 } : fractionOf(runtimeFraction.defaultValue);
  return { target: plainTarget(cluster), fraction, suffix: !disableShadowHostSuffixAppend };
}

function rejectUnsupported(config: RouteAction, virtualHost: VirtualHost, field: string): void {
  const unsupported: readonly [present: boolean, name: string][] = [
    [config.pathRewritePolicy !== undefined, 'path_rewrite_policy'],
    [config.retryPolicyTypedConfig !== undefined, 'retry_policy_typed_config'],
    [config.hedgePolicy !== undefined || virtualHost.hedgePolicy !== undefined, 'hedge_policy'],
    [config.rateLimits.length > 0 || virtualHost.rateLimits.length > 0, 'rate_limits'],
    [config.cors !== undefined || virtualHost.cors !== undefined, 'cors'],
    [config.internalRedirectPolicy !== undefined, 'internal_redirect_policy'],
    [config.earlyDataPolicy !== undefined, 'early_data_policy'],
    [config.metadataMatch !== undefined, 'metadata_match'],
  ];
  for (const [present, name] of unsupported) {
    if (present) throw new ConfigError(`${field}.${name}: not supported`);
  }
}

function notFoundStatus(code: NotFoundCode): number {
  if (code === NotFoundCode.NOT_FOUND) return 404;
  return code === NotFoundCode.INTERNAL_SERVER_ERROR ? 500 : 503;
}
