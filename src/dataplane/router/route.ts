// One compiled route: what it matches and what it does.

import type { RouteFilterConfigs } from './filter-config.ts';
import type { ForwardPolicy } from './forward-policy.ts';
import type { Fraction } from './fraction.ts';
import type { RequestPredicate } from './header-matcher.ts';
import type { HeaderMutation } from './header-mutation.ts';
import type { PathMatcher } from './path-matcher.ts';
import type { Redirect } from './redirect.ts';

/** One target of a route; a route without weights has one. */
export interface ClusterTarget {
  readonly cluster: string;
  readonly weight: number;
  readonly requestMutation: HeaderMutation | undefined;
  readonly responseMutation: HeaderMutation | undefined;
  /** '' for none. */
  readonly hostRewrite: string;
}

/** Who gets copies of requests. */
export interface Mirror {
  readonly target: ClusterTarget;
  /** Of how many. */
  readonly fraction: Fraction;
  /** Their host ends with `-shadow`. */
  readonly suffix: boolean;
}

/** Forwarding. */
export interface ForwardAction {
  readonly kind: 'forward';
  readonly targets: readonly ClusterTarget[];
  readonly totalWeight: number;
  readonly clusterNotFoundStatus: number;
  /** Timeouts and retries, where the request does not say otherwise. */
  readonly policy: ForwardPolicy;
  /** Milliseconds; 0: none; -1: the connection manager's stream_idle_timeout. */
  readonly idleTimeoutMs: number;
  /** 0: none. */
  readonly maxStreamDurationMs: number;
  /** undefined: none. */
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: ((path: string) => string) | undefined;
  /** '' for none. */
  readonly hostRewrite: string;
  /** A request header to take the new authority from; '' for none. */
  readonly hostRewriteHeader: string;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  /** Upgrade types (lower case) switched on or off for this route, over the connection manager's. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly mirrors: readonly Mirror[];
}

export interface RedirectRouteAction {
  readonly kind: 'redirect';
  readonly redirect: Redirect;
}

export interface DirectResponseAction {
  readonly kind: 'direct';
  readonly status: number;
  readonly body: string;
}

/** A compiled Route. */
export interface CompiledRoute {
  readonly name: string;
  readonly path: PathMatcher;
  /** It is for CONNECT, and for nothing else. */
  readonly isConnect: boolean;
  /** Headers, query parameters and runtime fraction; empty for most routes. */
  readonly conditions: readonly RequestPredicate[];
  readonly action: ForwardAction | RedirectRouteAction | DirectResponseAction;
  readonly requestMutation: HeaderMutation | undefined;
  readonly responseMutation: HeaderMutation | undefined;
  /** What it and its virtual host tell HTTP filters. */
  readonly filters: RouteFilterConfigs;
  /** The decorator's operation, '' for none. */
  readonly operation: string;
  /** Tell the upstream of the operation (`x-envoy-decorator-operation`). */
  readonly propagateOperation: boolean;
}
