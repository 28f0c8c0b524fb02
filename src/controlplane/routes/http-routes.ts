// The HTTP routes of one VirtualService for one Gateway port.

import { create } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { MetadataSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { DecoratorSchema, type Route, RouteSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { CorsPolicySchema } from '../../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { configPath } from '../config-metadata.ts';
import { fitForGrpc } from '../grpc/route.ts';
import { HttpFilterName } from '../http-filters.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { isHttp2 } from '../registry/protocol.ts';
import { applyRouteAction } from './action.ts';
import { corsPolicy } from './cors.ts';
import { resolveDestination } from './destination.ts';
import { httpFault } from './fault.ts';
import { headerOperations } from './headers.ts';
import { type Destination, destinationsOf, type HttpMatch, type HttpRouteSpec } from './http-route.ts';
import { concerns, isCatchAll, routeMatch, untranslatable } from './match.ts';
import { directResponseAction, redirectAction } from './redirect.ts';
import type { Origin, RoutedVirtualService } from './virtual-services.ts';

/** Routes in the order in which they are tried. */
export interface BuiltRoutes {
  readonly routes: readonly Route[];
  readonly notices: readonly Notice[];
}

/** For which server routes are built. */
export interface RouteTarget {
  /** `namespace/name` */
  readonly gatewayName: string;
  /** The Gateway's port number. */
  readonly port: number;
  readonly isTls: boolean;
  readonly node: ProxyNode;
}

/** The routes of a VirtualService; remembered as long as it and the services and rules it refers to stay the same. */
export function httpRoutes(
  virtualService: RoutedVirtualService,
  target: RouteTarget,
  context: PushContext,
): BuiltRoutes {
  const { gatewayName, port, isTls, node } = target;
  const { key } = virtualService;
  return context.memo
    .scope(`${node.id}/routes/${gatewayName}/${port}/${isTls}`)
    .scope(key.namespace)
    .get(key.name, routeInputs(virtualService, target, context), () => buildRoutes(virtualService, target, context));
}

/** Everything that `buildRoutes` reads and that can change: while these are the identical objects, so are the routes. */
export function routeInputs(
  virtualService: RoutedVirtualService,
  { port, node }: RouteTarget,
  context: PushContext,
): unknown[] {
  const inputs: unknown[] = [virtualService];
  for (const { route } of virtualService.http) {
    for (const destination of destinationsOf(route)) {
      const { service } = resolveDestination(destination, virtualService.namespace, node, port, context);
      inputs.push(service);
      if (service?.resolution === 'none') inputs.push(context.registry.endpointsOf(service));
      if (service !== undefined && destination.subset)
        inputs.push(context.destinationRules.ruleFor(service, node.namespace));
      // Whether a host is unknown or only not visible changes what is reported.
      else if (service === undefined) inputs.push(context.registry.byHostname.has(destination.host));
    }
  }
  inputs.push(node.http2);
  return inputs;
}

/** Builds the routes of a VirtualService. */
export function buildRoutes(
  virtualService: RoutedVirtualService,
  target: RouteTarget,
  context: PushContext,
): BuiltRoutes {
  const routes: Route[] = [];
  const notices: Notice[] = [...virtualService.notices];
  for (const { route, origin } of virtualService.http) {
    const matches = route.match === undefined || route.match.length === 0 ? [undefined] : route.match;
    for (const [index, match] of matches.entries()) {
      if (match !== undefined && !concerns(match, target.port, target.gatewayName, target.node)) continue;
      const unknown = match === undefined ? undefined : untranslatable(match);
      if (unknown !== undefined) {
        const message = 'is not translated by Limen yet, so this match is not served';
        notices.push({ object: origin.object, field: `${origin.field}.match[${index}].${unknown}`, message });
        continue;
      }
      const built = buildRoute(virtualService, route, match, origin, target, context, notices);
      if (built === undefined) continue;
      routes.push(built);
      // Nothing behind it would ever be reached.
      if (built.match !== undefined && isCatchAll(built.match)) return { routes, notices };
    }
  }
  return { routes, notices };
}

function buildRoute(
  virtualService: RoutedVirtualService,
  spec: HttpRouteSpec,
  match: HttpMatch | undefined,
  origin: Origin,
  { port, isTls, node }: RouteTarget,
  context: PushContext,
  notices: Notice[],
): Route | undefined {
  const report = (field: string, message: string) =>
    notices.push({ object: origin.object, field: `${origin.field}.${field}`, message });
  const out = create(RouteSchema, {
    name: `${spec.name ?? ''}${match?.name ? `.${match.name}` : ''}`,
    match: routeMatch(match),
    metadata: create(MetadataSchema, { filterMetadata: { istio: { config: configPath(virtualService.object) } } }),
    statPrefix: match?.statPrefix ?? '',
  });
  let authority = '';
  if (spec.headers !== undefined) {
    const operations = headerOperations(spec.headers);
    authority = operations.authority;
    out.requestHeadersToAdd = operations.requestHeadersToAdd;
    out.requestHeadersToRemove = operations.requestHeadersToRemove;
    out.responseHeadersToAdd = operations.responseHeadersToAdd;
    out.responseHeadersToRemove = operations.responseHeadersToRemove;
  }
  if (spec.redirect !== undefined) {
    const action = redirectAction(spec.redirect, port, isTls);
    if (action === undefined) {
      report(
        'redirect.redirectCode',
        `${spec.redirect.redirectCode} is not a redirect (301, 302, 303, 307 or 308): the route is not served`,
      );
      return undefined;
    }
    out.action = { case: 'redirect', value: action };
  } else if (spec.directResponse !== undefined) {
    out.action = { case: 'directResponse', value: directResponseAction(spec.directResponse) };
  } else if (spec.route?.some(({ weight }) => weight || spec.route?.length === 1)) {
    applyRouteAction(out, spec, authority, (destination: Destination, field: string) => {
      const answer = field.startsWith('mirror') ? 'nothing is mirrored there' : undefined;
      const resolved = resolveDestination(destination, virtualService.namespace, node, port, context, answer);
      const { cluster, problem, port: servicePort } = resolved;
      if (problem !== undefined) report(`${field}.${problem.field}`, problem.message);
      if (!node.http2 && servicePort !== undefined && isHttp2(servicePort.protocol)) {
        const message = `port ${servicePort.number} of service ${destination.host} is ${servicePort.protocol}, but Limen's proxy speaks only HTTP/1.1 to upstreams yet`;
        report(field, message);
      }
      return cluster;
    });
  } else {
    report(
      'route',
      'leads nowhere (no destination with a weight, redirect or directResponse): the route is not served',
    );
    return undefined;
  }
  out.decorator = create(DecoratorSchema, { operation: operationOf(out, virtualService.name, port) });
  out.typedPerFilterConfig = perFilterConfig(spec);
  if (node.generator === 'grpc' && !fitForGrpc(out, report)) return undefined;
  return out;
}

/** What the route tells the HTTP filters, by their names. */
function perFilterConfig({ fault, corsPolicy: cors }: HttpRouteSpec): Record<string, Any> {
  const config: Record<string, Any> = {};
  const faultSettings = fault === undefined ? undefined : httpFault(fault);
  if (faultSettings !== undefined) config[HttpFilterName.Fault] = anyPack(HTTPFaultSchema, faultSettings);
  if (cors !== undefined) config[HttpFilterName.Cors] = anyPack(CorsPolicySchema, corsPolicy(cors));
  return config;
}

/** What traces call the route: `host:port/path` of its only destination, else the VirtualService's name. */
function operationOf({ match, action }: Route, virtualServiceName: string, listenPort: number): string {
  const { pathSpecifier } = match as NonNullable<Route['match']>;
  let path = '/*';
  if (pathSpecifier.case === 'prefix') path = `${pathSpecifier.value}*`;
  else if (pathSpecifier.case === 'path') path = pathSpecifier.value;
  else if (pathSpecifier.case === 'safeRegex') path = pathSpecifier.value.regex;
  if (action.case === 'route' && action.value.clusterSpecifier.case === 'cluster') {
    const [, port, , host] = action.value.clusterSpecifier.value.split('|');
    return `${host}:${port}${path}`;
  }
  return `${virtualServiceName}:${listenPort}${path}`;
}
