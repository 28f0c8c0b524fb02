// The HTTP connection manager: the network filter that turns a filter chain's connections into requests.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_connection_management

import type { HttpConnectionManager } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DownstreamConnection, NetworkFilter } from '../connection.ts';
import { ConfigError } from '../connection.ts';
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

class ConnectionManager implements NetworkFilter, ConnectionOwner {
  readonly #config: HcmConfig;
  readonly #connections = new Set<ServerConnection>();
  draining = false;

  constructor(config: HcmConfig) {
    this.#config = config;
  }

  onConnection(downstream: DownstreamConnection): void {
    const { stats } = this.#config;
    stats.downstream_cx_total.value += 1;
    stats.downstream_cx_http1_total.value += 1;
    stats.downstream_cx_active.value += 1;
    stats.downstream_cx_http1_active.value += 1;
    if (downstream.tls !== undefined) stats.downstream_cx_ssl_active.value += 1;
    const connection = new ServerConnection(downstream, this.#config, this);
    this.#connections.add(connection);
    connection.start();
  }

  onConnectionClosed(connection: ServerConnection): void {
    const { stats } = this.#config;
    this.#connections.delete(connection);
    stats.downstream_cx_destroy.value += 1;
    stats.downstream_cx_active.value -= 1;
    stats.downstream_cx_http1_active.value -= 1;
    if (connection.connection.tls !== undefined) stats.downstream_cx_ssl_active.value -= 1;
  }

  drain(idle: 'close' | 'keep' = 'close'): void {
    this.draining = true;
    if (idle === 'keep') return; // each answer from now on says `connection: close`
    for (const connection of [...this.#connections]) connection.drain();
  }
}
