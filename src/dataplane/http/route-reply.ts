// The answers of routes that do not forward: redirects and direct responses.

import type { CompiledRoute, DirectResponseAction, RedirectRouteAction } from '../router/route.ts';
import { withoutQuery } from '../router/route-request.ts';
import type { HttpRequest } from './http-request.ts';
import { type LocalReply, localReply } from './local-reply.ts';

/** What the route says to this request. */
export function routeReply(
  request: HttpRequest,
  route: CompiledRoute,
  action: RedirectRouteAction | DirectResponseAction,
): LocalReply {
  const details = 'direct_response';
  const counter = 'rq_direct_response';
  if (action.kind === 'redirect') {
    const { status, location } = action.redirect;
    const matchedLength = route.path.matchedLength(withoutQuery(request.path));
    return localReply(status, details, { location: location(request, matchedLength), counter });
  }
  const { status, body } = action;
  if (status !== 201) return localReply(status, details, { body, counter });
  // What was "created" is where the request went.
  const location = `${request.scheme}://${request.authority}${request.path}`;
  return localReply(status, details, { body, location, counter });
}
