// One compiled virtual host and the first route of it that matches a request.

import {
  type VirtualHost,
  VirtualHost_TlsRequirementType,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { ConfigError } from '../connection.ts';
import { compileRoute } from './compile-route.ts';
import { compileFilterConfigs } from './filter-config.ts';
import { compileHeaderMutation, type HeaderMutation } from './header-mutation.ts';
import type { CompiledRoute } from './route.ts';
import { type RouteRequest, withoutQuery } from './route-request.ts';

// From this many routes on, exact paths are looked up in a map instead of being tried one after the other.
const INDEX_FROM = 8;

/** A compiled VirtualHost. */
export class CompiledVirtualHost {
  readonly name: string;
  readonly domains: readonly string[];
  readonly requireTls: 'none' | 'external' | 'all';
  readonly includeAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly requestMutation: HeaderMutation | undefined;
  readonly responseMutation: HeaderMutation | undefined;
  readonly routes: readonly CompiledRoute[];
  /** Indexes of routes with an exact path, by path, ascending; undefined when there are too few to be worth it. */
  readonly #byPath: ReadonlyMap<string, readonly number[]> | undefined;
  /** Indexes of all other routes, ascending. */
  readonly #others: readonly number[];

  /** @throws ConfigError naming what cannot be done */
  constructor(config: VirtualHost, field: string, maxDirectBody: number | undefined) {
    this.name = config.name;
    this.domains = config.domains;
    if (config.domains.length === 0) throw new ConfigError(`${field}.domains: expected at least one domain`);
    if (config.matcher !== undefined) throw new ConfigError(`${field}.matcher: not supported; use routes`);
    if (config.retryPolicyTypedConfig !== undefined) {
      throw new ConfigError(`${field}.retry_policy_typed_config: not supported; use retry_policy`);
    }
    const filters = compileFilterConfigs(config.typedPerFilterConfig, field);
    this.requireTls =
      config.requireTls === VirtualHost_TlsRequirementType.ALL
        ? 'all'
        : config.requireTls === VirtualHost_TlsRequirementType.EXTERNAL_ONLY
          ? 'external'
          : 'none';
    this.includeAttemptCount = config.includeRequestAttemptCount;
    this.includeAttemptCountInResponse = config.includeAttemptCountInResponse;
    this.requestMutation = compileHeaderMutation(
      config.requestHeadersToAdd,
      config.requestHeadersToRemove,
      `${field}.request_headers`,
    );
    this.responseMutation = compileHeaderMutation(
      config.responseHeadersToAdd,
      config.responseHeadersToRemove,
      `${field}.response_headers`,
    );
    this.routes = config.routes.map((route, index) =>
      compileRoute(route, config, filters, `${field}.routes[${index}]`, maxDirectBody),
    );
    if (this.routes.length < INDEX_FROM) {
      this.#byPath = undefined;
      this.#others = [];
      return;
    }
    const byPath = new Map<string, number[]>();
    const others: number[] = [];
    this.routes.forEach((route, index) => {
      const { exact } = route.path;
      if (exact === undefined) others.push(index);
      else if (byPath.has(exact)) byPath.get(exact)!.push(index);
      else byPath.set(exact, [index]);
    });
    this.#byPath = byPath;
    this.#others = others;
  }

  /** The first route for CONNECT; undefined when there is none. */
  matchConnect(request: RouteRequest): CompiledRoute | undefined {
    return this.routes.find((route) => route.isConnect && matchesConditions(route, request));
  }

  /** The first route, in configured order, that matches; undefined when none does. */
  match(request: RouteRequest): CompiledRoute | undefined {
    const path = withoutQuery(request.path);
    if (this.#byPath === undefined) {
      for (const route of this.routes) if (matchesRoute(route, path, request)) return route;
      return undefined;
    }
    let found = Number.POSITIVE_INFINITY;
    for (const index of this.#byPath.get(path) ?? []) {
      if (matchesConditions(this.routes[index]!, request)) {
        found = index;
        break;
      }
    }
    for (const index of this.#others) {
      if (index > found) break;
      if (matchesRoute(this.routes[index]!, path, request)) return this.routes[index];
    }
    return this.routes[found];
  }
}

/** Does the route match? `path` is the request's path without query. */
function matchesRoute(route: CompiledRoute, path: string, request: RouteRequest): boolean {
  return (route.path.all || route.path.matches(path)) && matchesConditions(route, request);
}

function matchesConditions(route: CompiledRoute, request: RouteRequest): boolean {
  const { conditions } = route;
  for (let i = 0; i < conditions.length; i += 1) if (!conditions[i]!(request)) return false;
  return true;
}
