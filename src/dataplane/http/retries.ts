// The retries of one request, under the limits that its policy and its cluster set.

import { backOffMs, type RetryPolicy } from '../router/retry-policy.ts';
import { ResponseFlag } from '../stream-info.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';

/** Made at the first attempt that is to be repeated: most requests need none. */
export class Retries {
  readonly #policy: RetryPolicy;
  readonly #cluster: UpstreamCluster;
  #counted = false;
  /** Hosts not to try again, with the previous_hosts predicate. */
  tried: Set<Host> | undefined = undefined;

  constructor(policy: RetryPolicy, cluster: UpstreamCluster) {
    this.#policy = policy;
    this.#cluster = cluster;
  }

  /**
   * Takes a place among the cluster's retries, in exchange for that of the retry before. It is held until `end`.
   *
   * @param attempts made so far
   * @param host of the last one
   * @returns 0, or the ResponseFlag of the limit that is reached
   */
  begin(attempts: number, host: Host): number {
    const cluster = this.#cluster;
    const { stats } = cluster;
    this.end();
    if (attempts > this.#policy.numRetries) {
      stats.upstream_rq_retry_limit_exceeded.value += 1;
      return ResponseFlag.UpstreamRetryLimitExceeded;
    }
    if (cluster.retriesActive >= cluster.limits.maxRetries) {
      stats.upstream_rq_retry_overflow.value += 1;
      return ResponseFlag.UpstreamOverflow;
    }
    if (this.#policy.previousHosts) {
      this.tried ??= new Set();
      this.tried.add(host);
    }
    this.#counted = true;
    cluster.retriesActive += 1;
    stats.upstream_rq_retry.value += 1;
    stats.upstream_rq_retry_backoff_exponential.value += 1;
    return 0;
  }

  /** Milliseconds to wait before the next attempt. @param random uniform in [0, 1) */
  backOffMs(attempts: number, random: () => number): number {
    return backOffMs(this.#policy, attempts, random);
  }

  /** The retry has its response, or none follows. */
  end(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#cluster.retriesActive -= 1;
  }
}
