// The HTTP connection manager: the network filter that turns a filter chain's connections into requests.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_connection_management

import type { HttpConnectionManager } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DownstreamConnection, NetworkFilter } from '../connection.ts';
import { ConfigError } from '../connection.ts';
import { ServerSession, type SessionOwner } from '../http2/server-session.ts';
import type { DataplaneServices } from '../services.ts';
import { compileHcmConfig, type HcmConfig } from './hcm-config.ts';
import { type ConnectionOwner, ServerConnection } from './server-connection.ts';

/** Where a filter stands, for its messages. */
export interface FilterContext {
  readonly listenerName: string;
  /** `ip:port` */
  readonly listenerAddress: string;
}

/** @throws ConfigError naming listener and field of what cannot be served */
export function createHttpConnectionManager(
  config: HttpConnectionManager,
  services: DataplaneServices,
  context: FilterContext,
): NetworkFilter {
  let compiled: HcmConfig;
  try {
    compiled = compileHcmConfig(config, services);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`Listener ${context.listenerName}: ${error.message}`);
  }
  return new ConnectionManager(compiled);
}

/** A client's connection, whatever it speaks. */
interface ClientConnection {
  readonly connection: DownstreamConnection;
  drain(idle: 'close' | 'keep'): void;
}

class ConnectionManager implements NetworkFilter, ConnectionOwner, SessionOwner {
  readonly #config: HcmConfig;
  readonly #connections = new Set<ClientConnection>();
  draining = false;

  constructor(config: HcmConfig) {
    this.#config = config;
  }

  onConnection(downstream: DownstreamConnection): void {
    const { stats, codec } = this.#config;
    stats.downstream_cx_total.value += 1;
    stats.downstream_cx_active.value += 1;
    if (downstream.tls !== undefined) stats.downstream_cx_ssl_active.value += 1;
    if (codec === 'http2' || (codec === 'auto' && downstream.alpn === 'h2')) {
      this.#startHttp2(downstream);
      return;
    }
    stats.downstream_cx_http1_total.value += 1;
    stats.downstream_cx_http1_active.value += 1;
    const connection = new ServerConnection(downstream, this.#config, this, codec === 'auto' && downstream.alpn === '');
    this.#connections.add(connection);
    connection.start();
  }

  onHttp2Preface(connection: ServerConnection, bytes: Buffer): void {
    const { stats } = this.#config;
    this.#connections.delete(connection);
    // It was taken for HTTP/1 until its first bytes.
    stats.downstream_cx_http1_total.value -= 1;
    stats.downstream_cx_http1_active.value -= 1;
    this.#startHttp2({ ...connection.connection, readAhead: bytes });
  }

  #startHttp2(downstream: DownstreamConnection): void {
    const { stats } = this.#config;
    stats.downstream_cx_http2_total.value += 1;
    stats.downstream_cx_http2_active.value += 1;
    const session = new ServerSession(downstream, this.#config, this);
    this.#connections.add(session);
    // A filter chain that drains sends away who comes late.
    if (this.draining) session.drain('keep');
  }

  onConnectionClosed(connection: ServerConnection): void {
    this.#config.stats.downstream_cx_http1_active.value -= 1;
    this.#onClosed(connection);
  }

  onSessionClosed(session: ServerSession): void {
    this.#config.stats.downstream_cx_http2_active.value -= 1;
    this.#onClosed(session);
  }

  #onClosed(connection: ClientConnection): void {
    const { stats } = this.#config;
    this.#connections.delete(connection);
    stats.downstream_cx_destroy.value += 1;
    stats.downstream_cx_active.value -= 1;
    if (connection.connection.tls !== undefined) stats.downstream_cx_ssl_active.value -= 1;
  }

  drain(idle: 'close' | 'keep' = 'close'): void {
    this.draining = true;
    for (const connection of [...this.#connections]) connection.drain(idle);
  }
}
