// One filter chain at work: TLS where configured, then the filter; and the connections it has, so that they can be drained.

import type { Socket } from 'node:net';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type FilterChain as FilterChainConfig,
  FilterChainSchema,
} from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { ConfigError, type NetworkFilter } from '../connection.ts';
import { REPORTS_ONLY } from '../istio-filters.ts';
import type { DataplaneServices } from '../services.ts';
import type { SecretSet } from '../tls/secrets.ts';
import { compileServerTls } from '../tls/server-tls-config.ts';
import { TlsTerminator } from '../tls/tls-terminator.ts';
import { type TerminalFilter, terminalFilter } from './network-filters.ts';

/** Istio's `transport_socket_connect_timeout` for gateways; Envoy has none by default, which lets a silent client stay for ever. */
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 15_000;

/** What is the same for all chains of one listener. */
export interface ListenerContext {
  readonly listenerName: string;
  /** `ip:port` of connections to it, or undefined where only the socket knows the IP. */
  readonly localAddress: string | undefined;
  /** The port as configured. */
  readonly port: number;
  /** `listener.<address>.` */
  readonly statPrefix: string;
}

/** Builds the filter that a decoded configuration asks for. Throws ConfigError. */
export type FilterFactory = (filter: TerminalFilter, listener: ListenerContext) => NetworkFilter;

/** What chains need from their worker. */
export interface ChainServices {
  readonly dataplane: DataplaneServices;
  readonly secrets: SecretSet;
  readonly ticketSecret: Buffer;
  readonly createFilter: FilterFactory;
}

/** A connection as it was accepted and inspected. */
export interface AcceptedConnection {
  /** Paused. */
  readonly socket: Socket;
  readonly readAhead: Buffer | undefined;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly serverName: string;
  /** What the ClientHello offers in ALPN; empty where it was not looked at. */
  readonly applicationProtocols: readonly string[];
}

/** One compiled filter chain. */
export class FilterChain {
  /** The bytes of its configuration: equal bytes, equal chain. */
  readonly key: string;
  /** Its name, or its place in the listener. */
  readonly field: string;
  readonly #filter: NetworkFilter;
  readonly #tls: TlsTerminator | undefined;
  readonly #listener: ListenerContext;
  readonly #connections = new Set<Socket>();
  #drainTimer: NodeJS.Timeout | undefined;
  #drainDue = Number.POSITIVE_INFINITY;
  /** There once the chain drains; resolved when the last connection is gone. */
  #idle: PromiseWithResolvers<void> | undefined;

  /** @throws ConfigError */
  constructor(
    config: FilterChainConfig,
    key: string,
    field: string,
    listener: ListenerContext,
    services: ChainServices,
  ) {
    this.key = key;
    this.field = field;
    this.#listener = listener;
    const { log, stats } = services.dataplane;
    const terminal = terminalFilter(config.filters, field, (name) =>
      services.dataplane.skipped?.(`network filter ${name}`, REPORTS_ONLY),
    );
    const tls = downstreamTlsOf(config, field);
    if (tls !== undefined) {
      const timeout = config.transportSocketConnectTimeout;
      const timeoutMs = timeout === undefined ? 0 : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
      this.#tls = new TlsTerminator(
        compileServerTls(tls, `${field}.transport_socket`),
        {
          secrets: services.secrets,
          stats,
          statPrefix: listener.statPrefix,
          ticketSecret: services.ticketSecret,
          log,
        },
        `${listener.listenerName} ${field}`,
        timeoutMs || DEFAULT_HANDSHAKE_TIMEOUT_MS,
        (socket, info) =>
          this.#filter.onConnection({
            socket,
            localAddress: localAddressOf(listener, socket),
            remoteAddress: joinAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0),
            remoteIp: plainIp(socket.remoteAddress ?? ''),
            serverName: (socket.servername || '').toLowerCase(),
            alpn: socket.alpnProtocol || '',
            tls: info,
          }),
      );
    }
    this.#filter = services.createFilter(terminal, listener);
  }

  /** Connections that are open. */
  get size(): number {
    return this.#connections.size;
  }

  /** Takes a connection. */
  accept(connection: AcceptedConnection): void {
    const { socket, readAhead } = connection;
    this.#connections.add(socket);
    socket.on('close', () => {
      this.#connections.delete(socket);
      if (this.#connections.size > 0 || this.#idle === undefined) return;
      clearTimeout(this.#drainTimer);
      this.#idle.resolve();
    });
    if (this.#tls !== undefined) {
      if (readAhead !== undefined) socket.unshift(readAhead);
      this.#tls.accept(socket, connection.applicationProtocols);
      return;
    }
    this.#filter.onConnection({
      socket,
      ...(readAhead === undefined ? {} : { readAhead }),
      localAddress: localAddressOf(this.#listener, socket),
      remoteAddress: joinAddress(connection.remoteIp, connection.remotePort),
      remoteIp: connection.remoteIp,
      serverName: connection.serverName,
      alpn: '',
      tls: undefined,
    });
  }

  /**
   * Lets what is under way finish and closes what is left after `ms`. Once more: the shorter time counts.
   * @param idle what becomes of connections without a request (NetworkFilter.drain)
   * @returns resolves when the last connection is gone
   */
  drain(ms: number, idle: 'close' | 'keep'): Promise<void> {
    this.#idle ??= Promise.withResolvers<void>();
    this.#filter.drain(idle);
    if (this.#connections.size === 0) {
      this.#idle.resolve();
      return this.#idle.promise;
    }
    const due = performance.now() + ms;
    if (due < this.#drainDue) {
      this.#drainDue = due;
      clearTimeout(this.#drainTimer);
      this.#drainTimer = setTimeout(() => this.destroy(), ms);
    }
    return this.#idle.promise;
  }

  /** Closes all connections now. */
  destroy(): void {
    clearTimeout(this.#drainTimer);
    for (const socket of this.#connections) socket.destroy();
  }
}

/** The key under which an unchanged chain is found again. The encoding of a message that was decoded by us is stable. */
export function chainKey(config: FilterChainConfig): string {
  return Buffer.from(toBinary(FilterChainSchema, config)).toString('latin1');
}

const DOWNSTREAM_TLS = `type.googleapis.com/${DownstreamTlsContextSchema.typeName}`;
const RAW_BUFFER = 'envoy.transport_sockets.raw_buffer';

/**
 * The TLS of a chain's transport socket; undefined for plain text.
 * @throws ConfigError for another transport socket
 */
function downstreamTlsOf(config: FilterChainConfig, field: string): DownstreamTlsContext | undefined {
  const socket = config.transportSocket;
  if (socket === undefined || socket.name === RAW_BUFFER) return undefined;
  const any = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  if (any?.typeUrl !== DOWNSTREAM_TLS)
    throw new ConfigError(
      `${field}.transport_socket (${socket.name}): type ${any?.typeUrl ?? 'missing'}, expected DownstreamTlsContext or ${RAW_BUFFER}`,
    );
  try {
    return fromBinary(DownstreamTlsContextSchema, any.value);
  } catch (error) {
    throw new ConfigError(`${field}.transport_socket: can't be decoded: ${(error as Error).message}`);
  }
}

function localAddressOf(listener: ListenerContext, socket: Socket): string {
  return listener.localAddress ?? joinAddress(socket.localAddress ?? '', listener.port);
}

/** The two ends of an accepted socket, as records show them. */
export function connectionEnds(listener: ListenerContext, socket: Socket, serverName: string) {
  return {
    localAddress: localAddressOf(listener, socket),
    remoteAddress: joinAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0),
    serverName,
    tls: undefined,
  };
}

/** An IPv4 client of a dual-stack socket is an IPv4 client. */
export function plainIp(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
}

/** `ip:port`, IPv6 in brackets. */
function joinAddress(address: string, port: number): string {
  const ip = plainIp(address);
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
