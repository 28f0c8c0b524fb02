// One proxied TCP connection: connects upstream (again, where configured), then moves bytes both ways with backpressure and half-close.

import type { Socket } from 'node:net';
import type { DownstreamConnection } from '../connection.ts';
import type { DataplaneServices } from '../services.ts';
import { type AccessLogger, connectionRecord, NO_FLAGS, ResponseFlag, raise, type StreamInfo } from '../stream-info.ts';
import type { TimerEntry } from '../timer-wheel.ts';
import type { UpstreamCluster } from '../upstream/cluster-set.ts';
import { connectFailure } from '../upstream/connect-failure.ts';
import { countConnection } from '../upstream/count-connection.ts';
import type { TcpProxyStats } from './tcp-proxy.ts';
import type { TcpProxyConfig } from './tcp-proxy-config.ts';

/** From the client's connect to the last byte either way. */
export class TcpSession {
  readonly #connection: DownstreamConnection;
  readonly #downstream: Socket;
  readonly #config: TcpProxyConfig;
  readonly #services: DataplaneServices;
  readonly #stats: TcpProxyStats;
  readonly #logger: AccessLogger;
  readonly #info: StreamInfo;
  #upstream: Socket | undefined;
  #attempts = 0;
  #lastActivity: number;
  #done = false;
  readonly #idleTimer: TimerEntry = { bucket: undefined, onTimeout: () => this.#onIdle() };
  readonly #durationTimer: TimerEntry = { bucket: undefined, onTimeout: () => this.#onMaxDuration() };

  constructor(
    connection: DownstreamConnection,
    clusterName: string,
    config: TcpProxyConfig,
    services: DataplaneServices,
    stats: TcpProxyStats,
    logger: AccessLogger,
  ) {
    this.#connection = connection;
    this.#downstream = connection.socket;
    this.#config = config;
    this.#services = services;
    this.#stats = stats;
    this.#logger = logger;
    this.#lastActivity = services.now();
    this.#info = connectionRecord(connection, this.#lastActivity);
    this.#info.upstreamCluster = clusterName;
  }

  start(): void {
    this.#stats.total.value += 1;
    this.#stats.active.value += 1;
    const { timers } = this.#services;
    if (this.#config.maxDurationMs > 0) timers.arm(this.#durationTimer, this.#config.maxDurationMs);
    if (this.#config.idleTimeoutMs > 0) timers.arm(this.#idleTimer, this.#config.idleTimeoutMs);
    this.#downstream.allowHalfOpen = true;
    this.#downstream.on('error', () => {});
    this.#downstream.on('close', () => this.#onDownstreamClose());
    const cluster = this.#services.clusters.get(this.#info.upstreamCluster);
    if (cluster === undefined) {
      this.#stats.noRoute.value += 1;
      this.#info.upstreamCluster = ''; // Envoy's log of it has the flag alone
      this.#fail(ResponseFlag.NoClusterFound, '');
      return;
    }
    this.#connect(cluster);
  }

  #connect(cluster: UpstreamCluster): void {
    if (this.#attempts >= this.#config.maxConnectAttempts) {
      this.#fail(ResponseFlag.UpstreamRetryLimitExceeded, '');
      return;
    }
    this.#attempts += 1;
    this.#info.upstreamRequestAttemptCount = this.#attempts;
    const host = cluster.chooseHost();
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy.value += 1;
      this.#fail(ResponseFlag.NoHealthyUpstream, '');
      return;
    }
    if (cluster.connectionsActive >= cluster.limits.maxConnections) {
      cluster.stats.upstream_cx_overflow.value += 1;
      this.#fail(ResponseFlag.UpstreamOverflow, '');
      return;
    }
    this.#info.upstreamHost = host.address;
    const transport = cluster.transportOf(host);
    const socket = transport.connect({
      host: host.ip,
      port: host.port,
      noDelay: true,
      allowHalfOpen: true,
    });
    this.#upstream = socket;
    countConnection(cluster, host, socket);
    const { timers } = this.#services;
    let failure = '';
    const timer: TimerEntry = {
      bucket: undefined,
      onTimeout() {
        failure = 'connection timeout';
        cluster.stats.upstream_cx_connect_timeout.value += 1;
        socket.destroy();
      },
    };
    timers.arm(timer, cluster.connectTimeoutMs);
    const onConnectError = (error: NodeJS.ErrnoException) => {
      failure ||= connectFailure(error);
    };
    const onConnectClose = () => {
      timers.disarm(timer);
      this.#upstream = undefined;
      if (this.#downstream.destroyed) return this.#finish();
      cluster.stats.upstream_cx_connect_fail.value += 1;
      host.stats.cx_connect_fail += 1;
      this.#raise(ResponseFlag.UpstreamConnectionFailure);
      this.#info.upstreamTransportFailureReason = failure;
      this.#connect(cluster);
    };
    socket.on('error', onConnectError);
    socket.on('close', onConnectClose);
    socket.once(transport.connectedEvent, () => {
      timers.disarm(timer);
      socket.off('close', onConnectClose);
      this.#info.responseFlags = NO_FLAGS;
      this.#info.upstreamTransportFailureReason = '';
      this.#splice(socket);
    });
  }

  #splice(upstream: Socket): void {
    const downstream = this.#downstream;
    const { localAddress = '', localPort } = upstream;
    this.#info.upstreamLocalAddress = localAddress.includes(':')
      ? `[${localAddress}]:${localPort}`
      : `${localAddress}:${localPort}`;
    const received = (bytes: Buffer) => {
      this.#info.bytesReceived += bytes.length;
      this.#stats.received.value += bytes.length;
    };
    const sent = (bytes: Buffer) => {
      this.#info.bytesSent += bytes.length;
      this.#stats.sent.value += bytes.length;
    };
    upstream.on('close', () => {
      this.#upstream = undefined;
      if (downstream.destroyed) return this.#finish();
      downstream.destroySoon(); // what the upstream said last is flushed before
    });
    const { readAhead } = this.#connection;
    if (readAhead !== undefined) {
      received(readAhead);
      upstream.write(readAhead);
    }
    this.#pump(downstream, upstream, received);
    this.#pump(upstream, downstream, sent);
  }

  /** Everything `from` says goes to `to`, no faster than it takes it; the end of one is the end of the other's half. */
  #pump(from: Socket, to: Socket, count: (bytes: Buffer) => void): void {
    from.on('data', (bytes: Buffer) => {
      this.#lastActivity = this.#services.now();
      count(bytes);
      if (!to.writable) return;
      if (!to.write(bytes)) from.pause();
    });
    to.on('drain', () => {
      this.#lastActivity = this.#services.now();
      from.resume();
    });
    from.on('end', () => to.end());
    from.resume();
  }

  #fail(flag: number, details: string): void {
    this.#raise(flag);
    this.#info.responseCodeDetails = details;
    this.#downstream.destroy();
  }

  #raise(flag: number): void {
    this.#info.responseFlags = raise(this.#info.responseFlags, flag);
  }

  #onDownstreamClose(): void {
    const upstream = this.#upstream;
    if (upstream === undefined) {
      this.#finish();
      return;
    }
    // A client that said all it had to say: the rest of it is still on its way upstream.
    if (this.#downstream.readableEnded && this.#downstream.errored === null) upstream.destroySoon();
    else upstream.destroy();
  }

  #onIdle(): void {
    const left = this.#lastActivity + this.#config.idleTimeoutMs - this.#services.now();
    if (left > 0) {
      this.#services.timers.arm(this.#idleTimer, left);
      return;
    }
    this.#stats.idleTimeout.value += 1;
    this.#destroy(); // Envoy's log of it has no flag and no details
  }

  #onMaxDuration(): void {
    this.#stats.maxDuration.value += 1;
    this.#raise(ResponseFlag.DurationTimeout);
    this.#info.connectionTerminationDetails = 'max_connection_duration';
    this.#destroy();
  }

  #destroy(): void {
    this.#downstream.destroy();
    this.#upstream?.destroy();
  }

  /** Both sides are closed. */
  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const { timers, now } = this.#services;
    timers.disarm(this.#idleTimer);
    timers.disarm(this.#durationTimer);
    this.#stats.active.value -= 1;
    this.#info.durationMs = now() - this.#info.startTime;
    this.#logger.log(this.#info);
  }
}
