// Redirects and fixed answers: routes that lead to no upstream.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRedirect

import { create } from '@bufbuild/protobuf';
import { DataSourceSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  RedirectAction_RedirectResponseCode as Code,
  type DirectResponseAction,
  DirectResponseActionSchema,
  type RedirectAction,
  RedirectActionSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { HttpRedirect, HttpRouteSpec } from './http-route.ts';

const CODES = new Map([
  [301, Code.MOVED_PERMANENTLY],
  [302, Code.FOUND],
  [303, Code.SEE_OTHER],
  [307, Code.TEMPORARY_REDIRECT],
  [308, Code.PERMANENT_REDIRECT],
]);

/**
 * A redirect.
 * @param port the Gateway's port, which `FROM_REQUEST_PORT` stands for
 * @param isTls whether the request came over TLS
 * @returns undefined when the code is not one of a redirect
 */
export function redirectAction(redirect: HttpRedirect, port: number, isTls: boolean): RedirectAction | undefined {
  const responseCode = CODES.get(redirect.redirectCode || 301);
  if (responseCode === undefined) return undefined;
  const action = create(RedirectActionSchema, {
    hostRedirect: redirect.authority ?? '',
    pathRewriteSpecifier: { case: 'pathRedirect', value: redirect.uri ?? '' },
    responseCode,
  });
  if (redirect.scheme) action.schemeRewriteSpecifier = { case: 'schemeRedirect', value: redirect.scheme };
  const target = redirect.port ?? (redirect.derivePort === 'FROM_REQUEST_PORT' ? port : 0);
  const scheme = redirect.scheme || (isTls ? 'https' : 'http');
  // Nobody writes :80 behind http, or :443 behind https.
  const isDefault = (scheme === 'http' && target === 80) || (scheme === 'https' && target === 443);
  if (!isDefault) action.portRedirect = target;
  return action;
}

/** An answer given by the gateway itself. */
export function directResponseAction({
  status,
  body,
}: NonNullable<HttpRouteSpec['directResponse']>): DirectResponseAction {
  const action = create(DirectResponseActionSchema, { status });
  if (body?.string !== undefined) {
    action.body = create(DataSourceSchema, { specifier: { case: 'inlineString', value: body.string } });
  } else if (body?.bytes !== undefined) {
    const value = new Uint8Array(Buffer.from(body.bytes, 'base64'));
    action.body = create(DataSourceSchema, { specifier: { case: 'inlineBytes', value } });
  }
  return action;
}
