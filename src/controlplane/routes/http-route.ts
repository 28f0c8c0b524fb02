// The parts of a VirtualService's HTTP route, spelled out: the generated types are unions too deep to work with.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/

import type { StringMatch } from './string-match.ts';

export interface Destination {
  host: string;
  subset?: string;
  port?: { number?: number };
}

export interface HeaderChanges {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

export interface Headers {
  request?: HeaderChanges;
  response?: HeaderChanges;
}

export interface WeightedDestination {
  destination: Destination;
  weight?: number;
  headers?: Headers;
}

export interface HttpMatch {
  name?: string;
  uri?: StringMatch;
  ignoreUriCase?: boolean;
  scheme?: StringMatch;
  method?: StringMatch;
  authority?: StringMatch;
  headers?: Record<string, StringMatch>;
  withoutHeaders?: Record<string, StringMatch>;
  queryParams?: Record<string, StringMatch>;
  port?: number;
  gateways?: string[];
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  statPrefix?: string;
}

export interface HttpRewrite {
  uri?: string;
  authority?: string;
  uriRegexRewrite?: { match?: string; rewrite?: string };
}

export interface HttpRedirect {
  uri?: string;
  authority?: string;
  port?: number;
  derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  scheme?: string;
  redirectCode?: number;
}

export interface HttpRetry {
  attempts?: number;
  perTryTimeout?: string;
  retryOn?: string;
  retryRemoteLocalities?: boolean;
  retryIgnorePreviousHosts?: boolean;
  backoff?: string;
}

export interface Percent {
  value?: number;
}

export interface HttpFault {
  delay?: { fixedDelay?: string; percentage?: Percent; percent?: number };
  abort?: { httpStatus?: number; grpcStatus?: string; percentage?: Percent };
}

export interface CorsPolicySpec {
  allowOrigins?: StringMatch[];
  /** Deprecated: exact ones. */
  allowOrigin?: string[];
  allowMethods?: string[];
  allowHeaders?: string[];
  exposeHeaders?: string[];
  maxAge?: string;
  allowCredentials?: boolean;
  unmatchedPreflights?: 'UNSPECIFIED' | 'FORWARD' | 'IGNORE';
}

/** One `spec.http[]`, its host and gateway names fully qualified. */
export interface HttpRouteSpec {
  name?: string;
  match?: HttpMatch[];
  route?: WeightedDestination[];
  redirect?: HttpRedirect;
  directResponse?: { status: number; body?: { string?: string; bytes?: string } };
  delegate?: { name?: string; namespace?: string };
  rewrite?: HttpRewrite;
  timeout?: string;
  retries?: HttpRetry;
  headers?: Headers;
  mirror?: Destination;
  mirrorPercentage?: Percent;
  /** Deprecated: without decimals. */
  mirrorPercent?: number;
  mirrors?: { destination: Destination; percentage?: Percent }[];
  corsPolicy?: CorsPolicySpec;
  fault?: HttpFault;
}

export interface L4Match {
  port?: number;
  gateways?: string[];
  sniHosts?: string[];
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  destinationSubnets?: string[];
}

/** One `spec.tcp[]` or `spec.tls[]`. */
export interface L4RouteSpec {
  match?: L4Match[];
  route?: WeightedDestination[];
}

/** Everywhere that a route sends requests or copies of them. */
export function destinationsOf({ route = [], mirror, mirrors = [] }: HttpRouteSpec): Destination[] {
  const copies = mirrors.map(({ destination }) => destination);
  return [...route.map(({ destination }) => destination), ...(mirror === undefined ? [] : [mirror]), ...copies];
}
