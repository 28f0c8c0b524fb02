// The limits of retries.

import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../router/retry-policy.ts';
import { ResponseFlag } from '../stream-info.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';
import { Retries } from './retries.ts';

const host = {} as Host;

function cluster(maxRetries: number): UpstreamCluster {
  const counter = () => ({ value: 0 });
  const stats = {
    upstream_rq_retry: counter(),
    upstream_rq_retry_overflow: counter(),
    upstream_rq_retry_limit_exceeded: counter(),
    upstream_rq_retry_backoff_exponential: counter(),
  };
  return { stats, retriesActive: 0, limits: { maxRetries } } as unknown as UpstreamCluster;
}

const policy = (more: Partial<RetryPolicy> = {}): RetryPolicy =>
  ({ numRetries: 2, previousHosts: false, baseIntervalMs: 25, maxIntervalMs: 250, ...more }) as RetryPolicy;

describe('retries', () => {
  it('are as many as the policy says', () => {
    const upstream = cluster(3);
    const retries = new Retries(policy(), upstream);
    expect([1, 2, 3].map((attempts) => retries.begin(attempts, host))).toEqual([
      0,
      0,
      ResponseFlag.UpstreamRetryLimitExceeded,
    ]);
    expect(upstream.stats.upstream_rq_retry_limit_exceeded.value).toBe(1);
  });

  it('of all requests to a cluster together are as many as its circuit breaker says', () => {
    const upstream = cluster(1);
    const first = new Retries(policy(), upstream);
    expect(first.begin(1, host)).toBe(0);
    expect(new Retries(policy(), upstream).begin(1, host)).toBe(ResponseFlag.UpstreamOverflow);
    first.end();
    expect(new Retries(policy(), upstream).begin(1, host)).toBe(0);
  });

  it('give their place back once', () => {
    const upstream = cluster(3);
    const retries = new Retries(policy(), upstream);
    retries.begin(1, host);
    retries.end();
    retries.end();
    expect(upstream.retriesActive).toBe(0);
  });

  it('hold their place until there is a response: one, however many follow each other', () => {
    const upstream = cluster(1);
    const retries = new Retries(policy(), upstream);
    expect([retries.begin(1, host), retries.begin(2, host)]).toEqual([0, 0]);
    expect(upstream.retriesActive).toBe(1);
  });

  it('remember the hosts tried where the policy asks', () => {
    const forgetful = new Retries(policy(), cluster(3));
    forgetful.begin(1, host);
    expect(forgetful.tried).toBeUndefined();
    const mindful = new Retries(policy({ previousHosts: true }), cluster(3));
    mindful.begin(1, host);
    expect([...mindful.tried!]).toEqual([host]);
  });
});
