// Retry policies: Istio's default, and `retries` on top of it.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRetry

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  type RetryPolicy,
  RetryPolicy_RetryBackOffSchema,
  RetryPolicy_RetryHostPredicateSchema,
  RetryPolicySchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '../../xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { toDuration } from '../duration.ts';
import type { HttpRetry } from './http-route.ts';

/** When Istio retries unless told otherwise: only what the upstream can't have acted upon, and 503. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';

/** The policy for `retries`; undefined when it is switched off by `attempts: 0`. */
export function retryPolicy(retries: HttpRetry | undefined): RetryPolicy | undefined {
  if (retries !== undefined && !((retries.attempts ?? 0) > 0)) return undefined;
  const policy = create(RetryPolicySchema, {
    retryOn: DEFAULT_RETRY_ON,
    numRetries: 2,
    retriableStatusCodes: [503],
    // Each retry goes to a host that was not tried yet, in up to five draws.
    retryHostPredicate:
      retries?.retryIgnorePreviousHosts === false
        ? []
        : [
            create(RetryPolicy_RetryHostPredicateSchema, {
              name: 'envoy.retry_host_predicates.previous_hosts',
              configType: {
                case: 'typedConfig',
                value: anyPack(PreviousHostsPredicateSchema, create(PreviousHostsPredicateSchema)),
              },
            }),
          ],
    hostSelectionRetryMaxAttempts: 5n,
  });
  if (retries === undefined) return policy;
  policy.numRetries = retries.attempts as number;
  if (retries.retryOn) Object.assign(policy, parseRetryOn(retries.retryOn));
  const perTryTimeout = retries.perTryTimeout === undefined ? undefined : toDuration(retries.perTryTimeout);
  if (perTryTimeout !== undefined) policy.perTryTimeout = perTryTimeout;
  const baseInterval = retries.backoff === undefined ? undefined : toDuration(retries.backoff);
  if (baseInterval !== undefined) policy.retryBackOff = create(RetryPolicy_RetryBackOffSchema, { baseInterval });
  return policy;
}

/** `retryOn` mixes conditions and status codes; Envoy wants them apart, and a condition that says the codes count. */
function parseRetryOn(text: string): { retryOn: string; retriableStatusCodes: number[] } {
  const conditions: string[] = [];
  const retriableStatusCodes: number[] = [];
  for (const part of text.split(',').map((each) => each.trim())) {
    if (/^[1-5]\d\d$/.test(part)) retriableStatusCodes.push(Number(part));
    else if (part !== '') conditions.push(part);
  }
  if (retriableStatusCodes.length > 0 && !conditions.includes('retriable-status-codes')) {
    conditions.push('retriable-status-codes');
  }
  return { retryOn: conditions.join(','), retriableStatusCodes };
}
