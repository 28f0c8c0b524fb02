// The HTTP/1.1 connections to one host: idle ones re-used last in first out, requests waiting for one, circuit breakers.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/connection_pooling

import { ClientConnection } from './client-connection.ts';
import type { UpstreamCluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { UpstreamHandler } from './upstream-handler.ts';

/** What `acquire` says: a connection now, one later (`onUpstreamReady` or `onUpstreamFailure` follow), or a circuit breaker is open. */
export type Acquired = ClientConnection | 'pending' | 'overflow';

/** The pool of one host. */
export class HttpPool {
  readonly cluster: UpstreamCluster;
  readonly host: Host;
  /** SNI of these connections where the cluster takes it from requests, else ''. */
  readonly serverName: string;
  readonly #idle: ClientConnection[] = [];
  readonly #all = new Set<ClientConnection>();
  #pending: UpstreamHandler[] = [];
  #connecting = 0;
  #draining = false;

  constructor(cluster: UpstreamCluster, host: Host, serverName = '') {
    this.cluster = cluster;
    this.host = host;
    this.serverName = serverName;
  }

  /** Takes an idle connection, or queues the handler for one. */
  acquire(handler: UpstreamHandler): Acquired {
    const { cluster } = this;
    const connection = this.#idle.pop();
    if (connection !== undefined) {
      if (cluster.requestsActive >= cluster.limits.maxRequests) {
        this.#idle.push(connection);
        cluster.stats.upstream_rq_active_overflow.value += 1;
        return 'overflow';
      }
      this.#attach(connection, handler);
      return connection;
    }
    if (cluster.requestsPending >= cluster.limits.maxPendingRequests) {
      cluster.stats.upstream_rq_pending_overflow.value += 1;
      return 'overflow';
    }
    cluster.requestsPending += 1;
    cluster.stats.upstream_rq_pending_total.value += 1;
    cluster.stats.upstream_rq_pending_active.value += 1;
    this.#pending.push(handler);
    this.#connectIfNeeded();
    return 'pending';
  }

  /** Takes a handler that waits for a connection out of the queue. */
  cancel(handler: UpstreamHandler): void {
    const index = this.#pending.indexOf(handler);
    if (index < 0) return;
    this.#pending.splice(index, 1);
    this.#leftQueue();
    this.cluster.stats.upstream_rq_cancelled.value += 1;
  }

  /** Called by a connection whose request and response are over and which may serve another. */
  onIdle(connection: ClientConnection): void {
    this.#detached();
    if (this.#draining) {
      connection.close();
      return;
    }
    this.#give(connection);
  }

  /** Called by a connection that is established. */
  onConnected(connection: ClientConnection): void {
    this.#connecting -= 1;
    this.#give(connection);
  }

  /** Called once by a connection that is gone, before or after it was established. */
  onClosed(connection: ClientConnection, established: boolean, hadRequest: boolean, failure: string): void {
    const { cluster } = this;
    this.#all.delete(connection);
    cluster.connectionsActive -= 1;
    this.host.stats.cx_active -= 1;
    cluster.stats.upstream_cx_active.value -= 1;
    cluster.stats.upstream_cx_destroy.value += 1;
    if (hadRequest) this.#detached();
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (!established) {
      this.#connecting -= 1;
      this.host.stats.cx_connect_fail += 1;
      cluster.stats.upstream_cx_connect_fail.value += 1;
      // A connect failure ends every waiting request, so that the router can choose another host for each.
      const failed = this.#pending;
      this.#pending = [];
      for (const handler of failed) {
        this.#leftQueue();
        cluster.stats.upstream_rq_pending_failure_eject.value += 1;
        handler.onUpstreamFailure(failure);
      }
    }
    this.#connectIfNeeded();
  }

  /** Closes idle connections now and the others when their request is over. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#idle]) connection.close();
  }

  /** Closes everything now. */
  close(): void {
    this.#draining = true;
    for (const connection of [...this.#all]) connection.close();
  }

  #connectIfNeeded(): void {
    const { cluster } = this;
    while (this.#connecting < this.#pending.length) {
      if (cluster.connectionsActive >= cluster.limits.maxConnections && this.#all.size > 0) {
        cluster.stats.upstream_cx_overflow.value += 1;
        return;
      }
      this.#connecting += 1;
      cluster.connectionsActive += 1;
      this.host.stats.cx_active += 1;
      this.host.stats.cx_total += 1;
      cluster.stats.upstream_cx_active.value += 1;
      cluster.stats.upstream_cx_total.value += 1;
      cluster.stats.upstream_cx_http1_total.value += 1;
      const connection = new ClientConnection(this);
      this.#all.add(connection);
      connection.connect();
    }
  }

  #give(connection: ClientConnection): void {
    const handler = this.#pending.shift();
    if (handler === undefined) {
      this.#idle.push(connection);
      connection.rest();
      return;
    }
    this.#leftQueue();
    this.#attach(connection, handler);
    handler.onUpstreamReady(connection);
  }

  #attach(connection: ClientConnection, handler: UpstreamHandler): void {
    const { cluster, host } = this;
    cluster.requestsActive += 1;
    host.stats.rq_active += 1;
    host.stats.rq_total += 1;
    cluster.stats.upstream_rq_total.value += 1;
    cluster.stats.upstream_rq_active.value += 1;
    connection.attach(handler);
  }

  #detached(): void {
    this.cluster.requestsActive -= 1;
    this.host.stats.rq_active -= 1;
    this.cluster.stats.upstream_rq_active.value -= 1;
  }

  #leftQueue(): void {
    this.cluster.requestsPending -= 1;
    this.cluster.stats.upstream_rq_pending_active.value -= 1;
  }
}
