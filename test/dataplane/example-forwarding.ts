// Requests and forward actions in few words, for tests of what happens between them.

import { parseRequestHead, RequestHead } from '../../src/dataplane/http/head-parser.ts';
import { HttpRequest } from '../../src/dataplane/http/http-request.ts';
import { routePolicy } from '../../src/dataplane/router/forward-policy.ts';
import { DEFAULT_RETRY_POLICY } from '../../src/dataplane/router/retry-policy.ts';
import type { ClusterTarget, ForwardAction } from '../../src/dataplane/router/route.ts';

/** A parsed request. @param head request line and header lines, each with its CRLF */
export function request(head = 'GET / HTTP/1.1\r\nhost: a.test\r\n'): HttpRequest {
  const parsed = parseRequestHead(head, 100, false);
  if (!(parsed instanceof RequestHead)) throw new Error(`not a request: ${parsed.details}`);
  return new HttpRequest(parsed, '192.0.2.1');
}

/** Fields of a forward action that differ from one that does nothing but forward. */
type Differences = Omit<Partial<ForwardAction>, 'targets'> & {
  readonly targets?: readonly Partial<ClusterTarget>[];
};

/** A forward action. */
export function forwardAction(differences: Differences): ForwardAction {
  const plain: ForwardAction = {
    kind: 'forward',
    targets: [],
    totalWeight: 0,
    clusterNotFoundStatus: 503,
    policy: routePolicy(0, DEFAULT_RETRY_POLICY),
    idleTimeoutMs: -1,
    maxStreamDurationMs: 0,
    prefixRewrite: undefined,
    regexRewrite: undefined,
    hostRewrite: '',
    hostRewriteHeader: '',
    autoHostRewrite: false,
    appendForwardedHost: false,
    mirrors: [],
    upgrades: new Map(),
  };
  return { ...plain, ...differences } as ForwardAction;
}
