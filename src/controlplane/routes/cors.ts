// The CORS policy of a route. https://istio.io/latest/docs/reference/config/networking/virtual-service/#CorsPolicy

import { create } from '@bufbuild/protobuf';
import { RuntimeFractionalPercentSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { type CorsPolicy, CorsPolicySchema } from '../../xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { toDuration } from '../duration.ts';
import type { CorsPolicySpec } from './http-route.ts';
import { wholePercent } from './percent.ts';
import { stringMatcher } from './string-match.ts';

/** What the CORS filter is told. */
export function corsPolicy(spec: CorsPolicySpec): CorsPolicy {
  const { allowOrigin = [], allowMethods = [], allowHeaders = [], exposeHeaders = [], maxAge } = spec;
  const allowOrigins = spec.allowOrigins ?? allowOrigin.map((exact) => ({ exact }));
  const policy = create(CorsPolicySchema, {
    allowOriginStringMatch: allowOrigins.flatMap((origin) => stringMatcher(origin) ?? []),
    allowMethods: allowMethods.join(','),
    allowHeaders: allowHeaders.join(','),
    exposeHeaders: exposeHeaders.join(','),
    maxAge: maxAge === undefined ? '' : String(toDuration(maxAge)?.seconds ?? ''),
    filterEnabled: create(RuntimeFractionalPercentSchema, { defaultValue: wholePercent(100) }),
    forwardNotMatchingPreflights: spec.unmatchedPreflights !== 'IGNORE',
  });
  if (spec.allowCredentials !== undefined) policy.allowCredentials = spec.allowCredentials;
  return policy;
}
