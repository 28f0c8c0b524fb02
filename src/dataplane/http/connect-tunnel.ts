// CONNECT that ends here: a TCP connection to a host of the route's cluster, and the client's bytes to it and back.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/upgrades#connect-support

import type { Socket } from 'node:net';
import type { ForwardAction } from '../router/route.ts';
import { ResponseFlag } from '../stream-info.ts';
import type { Host, UpstreamCluster } from '../upstream/cluster-set.ts';
import { connectFailure } from '../upstream/connect-failure.ts';
import { countConnection } from '../upstream/count-connection.ts';
import type { ForwardedExchange, Forwarder } from './forwarded-exchange.ts';
import { HeaderList } from './header-list.ts';
import { clusterNotFound, noHealthyUpstream, upstreamFailed } from './local-reply.ts';
import { hostNamedBy } from './named-host.ts';
import { type MatchedRoute, mutateRequest, mutateResponse } from './route-mutations.ts';
import { type TimeoutOwner, Timeouts } from './timeouts.ts';

/** One tunnel. Used once. */
export class ConnectTunnel implements Forwarder, TimeoutOwner<'connect'> {
  readonly timeoutMs = 0;
  readonly #exchange: ForwardedExchange;
  readonly #matched: MatchedRoute;
  readonly #action: ForwardAction;
  readonly #timeouts: Timeouts<'connect'>;
  #cluster: UpstreamCluster | undefined = undefined;
  #socket: Socket | undefined = undefined;
  #failure = '';
  #over = false;

  constructor(exchange: ForwardedExchange, matched: MatchedRoute, action: ForwardAction) {
    this.#exchange = exchange;
    this.#matched = matched;
    this.#action = action;
    this.#timeouts = new Timeouts(exchange.config.services.timers, this);
  }

  /** Finds the host and connects to it, or answers. */
  start(): void {
    const exchange = this.#exchange;
    const { config, request, record } = exchange;
    config.stats.rq_total.value += 1;
    const cluster = config.services.clusters.get(this.#matched.target!.cluster);
    if (cluster === undefined) {
      exchange.reply(clusterNotFound(this.#action.clusterNotFoundStatus));
      return;
    }
    this.#cluster = cluster;
    record.upstreamCluster = cluster.name;
    mutateRequest(this.#matched, request.headers, record);
    const { requestHosts } = cluster;
    if (requestHosts === undefined) {
      this.#connect(cluster, cluster.chooseHost());
      return;
    }
    hostNamedBy(request, requestHosts, {
      found: (host) => {
        if (!this.#over) this.#connect(cluster, host);
      },
      none: (reply) => {
        if (!this.#over) exchange.reply(reply);
      },
      failed: (error) => {
        config.services.log.error({ err: error }, 'a request whose host was looked up failed');
        if (!this.#over) exchange.abort('internal_error', ResponseFlag.LocalReset);
      },
    });
  }

  #connect(cluster: UpstreamCluster, host: Host | undefined): void {
    const exchange = this.#exchange;
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy.value += 1;
      exchange.reply(noHealthyUpstream());
      return;
    }
    exchange.record.upstreamHost = host.address;
    exchange.record.upstreamRequestAttemptCount = 1;
    const transport = cluster.transportOf(host);
    const socket = transport.connect({ host: host.ip, port: host.port, noDelay: true });
    this.#socket = socket;
    countConnection(cluster, host, socket);
    this.#timeouts.arm('connect', cluster.connectTimeoutMs);
    let connected = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ||= connectFailure(error);
    });
    socket.on('close', () => {
      if (this.#over) return;
      if (connected) exchange.respondEnd(undefined);
      else this.#fail();
    });
    socket.once(transport.connectedEvent, () => {
      connected = true;
      this.#timeouts.disarm('connect');
      this.#open(socket);
    });
  }

  #open(socket: Socket): void {
    const exchange = this.#exchange;
    const { record, config } = exchange;
    socket.on('data', (bytes: Buffer) => {
      if (!exchange.respondBody(bytes)) socket.pause();
      exchange.respondFlush();
    });
    socket.on('drain', () => exchange.resumeRequest());
    record.upstreamLocalAddress = `${socket.localAddress}:${socket.localPort}`;
    record.upstreamFirstByteTime = config.services.now();
    record.responseCode = 200;
    record.responseCodeDetails = 'via_upstream';
    const headers = new HeaderList();
    record.responseHeaders = headers;
    mutateResponse(this.#matched, headers, record);
    exchange.respondTunnel(200, headers);
  }

  #fail(): void {
    const timedOut = this.#failure === TIMED_OUT;
    const reason = timedOut ? 'connection timeout' : 'remote connection failure';
    const transportFailure = timedOut ? '' : this.#failure.replaceAll(' ', '_');
    this.#exchange.record.upstreamTransportFailureReason = transportFailure;
    this.countResponse(503);
    const failure = { transportFailure, retried: false, informed: false };
    this.#exchange.reply(upstreamFailed(reason, ResponseFlag.UpstreamConnectionFailure, failure));
  }

  /** What the client says in the tunnel. */
  onRequestData(bytes: Buffer): void {
    if (this.#socket?.write(bytes) === false) this.#exchange.pauseRequest();
  }

  onRequestComplete(): void {
    // The end of the client's bytes is the end of its connection.
  }

  onDownstreamDrain(): void {
    this.#socket?.resume();
  }

  countResponse(status: number): void {
    this.#cluster?.stats.countResponse(status);
  }

  /** The wheel's call. */
  onTimeout(): void {
    this.#failure = TIMED_OUT;
    this.#cluster!.stats.upstream_cx_connect_timeout.value += 1;
    this.#socket?.destroy();
  }

  /** The exchange is over. */
  close(): void {
    this.#over = true;
    this.#timeouts.disarmAll();
    this.#socket?.destroySoon();
  }
}

const TIMED_OUT = 'connection timeout';
