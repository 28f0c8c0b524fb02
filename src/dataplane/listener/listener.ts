// One version of one listener: from the accepted socket to the filter chain that takes it.

import type { Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { FilterChainMatchSchema } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener as ListenerConfig } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type BindRules, endpointOf, localAddress } from '../config/bind-rules.ts';
import { type Endpoint, formatEndpoint } from '../config/endpoint.ts';
import { ConfigError } from '../connection.ts';
import type { Counter, Gauge, Stats } from '../stats/stats.ts';
import { type AccessLogger, connectionRecord, ResponseFlag } from '../stream-info.ts';
import {
  type ChainServices,
  chainKey,
  connectionEnds,
  FilterChain,
  type ListenerContext,
  plainIp,
} from './filter-chain.ts';
import {
  type ChainMatcher,
  type ConnectionFacts,
  compileChainMatch,
  needsTlsInspection,
} from './filter-chain-match.ts';
import { inspectTls } from './tls-inspector.ts';

/** Envoy's default of `listener_filters_timeout`. */
const DEFAULT_INSPECTION_TIMEOUT_MS = 15_000;

const TLS_INSPECTOR = 'envoy.filters.listener.tls_inspector';
const HTTP_INSPECTOR = 'envoy.filters.listener.http_inspector';

/** A compiled listener. Immutable: an update is a new one that takes over unchanged chains. */
export class Listener {
  readonly name: string;
  /** All addresses as configured, the main one first. */
  readonly endpoints: readonly Endpoint[];
  /** False: other listeners hand connections over (`bind_to_port`). */
  readonly bindsPort: boolean;
  readonly chains: readonly FilterChain[];
  readonly #match: ChainMatcher<FilterChain>;
  readonly #defaultChain: FilterChain | undefined;
  readonly #inspects: boolean;
  readonly #inspectionTimeoutMs: number;
  readonly #continueOnTimeout: boolean;
  readonly #services: ChainServices;
  readonly #localIp: string;
  readonly #stats: ListenerStats;
  /** Of connections that no filter chain takes; those of the others are the chain's own affair. Undefined: not logged. */
  readonly #accessLogger: AccessLogger | undefined;
  readonly #context: ListenerContext;

  /**
   * @param previous the version in use: chains with the same bytes are taken over, with their connections
   * @throws ConfigError that names the field
   */
  constructor(config: ListenerConfig, rules: BindRules, services: ChainServices, previous: Listener | undefined) {
    this.name = config.name;
    this.#services = services;
    rejectUnsupported(config);
    const main = endpointOf(config.address, 'address');
    this.endpoints = [
      main,
      ...config.additionalAddresses.map(({ address }, index) =>
        endpointOf(address, `additional_addresses[${index}].address`),
      ),
    ];
    this.bindsPort = config.bindToPort ?? config.deprecatedV1?.bindToPort ?? true;
    const local = localAddress(main, rules);
    this.#localIp = rules.address ?? main.host;
    const context: ListenerContext = {
      listenerName: config.name,
      localAddress: local,
      port: main.port,
      // Envoy names a listener's statistics after its address, with ':' as '_'.
      statPrefix: `listener.${config.statPrefix || formatEndpoint(main).replaceAll(':', '_')}.`,
    };
    this.#context = context;
    this.#accessLogger = config.accessLog.length === 0 ? undefined : services.dataplane.accessLogger(config.accessLog);
    this.#stats = createListenerStats(context.statPrefix, services.dataplane.stats);
    const reusable = previous === undefined || !previous.#sameContext(config, main) ? [] : previous.chains;
    const known = new Map(reusable.map((chain) => [chain.key, chain]));
    const compile = (chain: ListenerConfig['filterChains'][number], field: string) => {
      const key = chainKey(chain);
      const same = known.get(key);
      known.delete(key); // two chains with equal bytes are a conflict, not one chain
      return same ?? new FilterChain(chain, key, field, context, services);
    };
    const entries = config.filterChains.map((chain, index) => {
      const field = `filter_chains[${index}]`;
      return { match: chain.filterChainMatch, field, chain: compile(chain, field) };
    });
    this.#match = compileChainMatch(entries, create(FilterChainMatchSchema));
    this.#defaultChain =
      config.defaultFilterChain === undefined ? undefined : compile(config.defaultFilterChain, 'default_filter_chain');
    this.chains = [
      ...entries.map(({ chain }) => chain),
      ...(this.#defaultChain === undefined ? [] : [this.#defaultChain]),
    ];
    if (this.chains.length === 0) throw new ConfigError('filter_chains: expected at least one');
    // Envoy adds the inspector by itself where a chain needs it.
    this.#inspects =
      config.listenerFilters.some((filter) => filter.name === TLS_INSPECTOR) ||
      config.filterChains.some((chain) => needsTlsInspection(chain.filterChainMatch));
    const timeout = config.listenerFiltersTimeout;
    this.#inspectionTimeoutMs =
      timeout === undefined ? DEFAULT_INSPECTION_TIMEOUT_MS : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
    this.#continueOnTimeout = config.continueOnListenerFiltersTimeout;
    this.#config = config;
  }

  readonly #config: ListenerConfig;

  /** What chains were built from besides their own bytes: the listener's name, address and statistics. */
  #sameContext(config: ListenerConfig, main: Endpoint): boolean {
    const own = this.endpoints[0]!;
    return (
      own.host === main.host &&
      own.port === main.port &&
      this.#config.name === config.name &&
      this.#config.statPrefix === config.statPrefix
    );
  }

  /** Takes a socket that was accepted, paused. Never throws. */
  accept(socket: Socket): void {
    const stats = this.#stats;
    stats.total.value += 1;
    stats.active.value += 1;
    socket.on('error', () => {}); // a reset is followed by 'close'; whoever owns the connection listens for that
    socket.on('close', () => {
      stats.active.value -= 1;
      stats.destroyed.value += 1;
    });
    // A client that is gone already has no address any more.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    if (!this.#inspects) {
      this.#dispatch(socket, '', 'raw_buffer', [], undefined);
      return;
    }
    inspectTls(
      socket,
      {
        timers: this.#services.dataplane.timers,
        timeoutMs: this.#inspectionTimeoutMs,
        continueOnTimeout: this.#continueOnTimeout,
      },
      ({ hello, bytes }) =>
        this.#dispatch(socket, hello?.serverName ?? '', hello ? 'tls' : 'raw_buffer', hello?.alpn ?? [], bytes),
      () => {
        stats.inspectionTimeout.value += 1;
      },
    );
  }

  #dispatch(
    socket: Socket,
    serverName: string,
    transportProtocol: ConnectionFacts['transportProtocol'],
    applicationProtocols: readonly string[],
    readAhead: Buffer | undefined,
  ): void {
    const remoteIp = plainIp(socket.remoteAddress ?? '');
    const remotePort = socket.remotePort ?? 0;
    const chain =
      this.#match({
        localPort: this.endpoints[0]!.port,
        localIp: this.#localIp,
        remoteIp,
        remotePort,
        serverName,
        transportProtocol,
        applicationProtocols,
      }) ?? this.#defaultChain;
    if (chain === undefined) {
      this.#stats.noChain.value += 1;
      this.#logRefused(socket, serverName);
      socket.resetAndDestroy(); // what was peeked at stays unread in Envoy, so its close is a reset
      return;
    }
    chain.accept({ socket, readAhead, remoteIp, remotePort, serverName, applicationProtocols });
  }

  #logRefused(socket: Socket, serverName: string): void {
    if (this.#accessLogger === undefined) return;
    const info = connectionRecord(connectionEnds(this.#context, socket, serverName), this.#services.dataplane.now());
    info.responseFlags = [ResponseFlag.NoRouteFound];
    info.responseCodeDetails = 'filter_chain_not_found';
    info.durationMs = 0;
    this.#accessLogger.log(info);
  }
}

interface ListenerStats {
  readonly total: Counter;
  readonly destroyed: Counter;
  readonly noChain: Counter;
  readonly inspectionTimeout: Counter;
  readonly active: Gauge;
}

// https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/stats
function createListenerStats(prefix: string, stats: Stats): ListenerStats {
  return {
    total: stats.counter(`${prefix}downstream_cx_total`),
    destroyed: stats.counter(`${prefix}downstream_cx_destroy`),
    noChain: stats.counter(`${prefix}no_filter_chain_match`),
    inspectionTimeout: stats.counter(`${prefix}downstream_pre_cx_timeout`),
    active: stats.gauge(`${prefix}downstream_cx_active`),
  };
}

function rejectUnsupported(config: ListenerConfig): void {
  // What the HTTP inspector finds out is looked at by filter chain matches alone; plain text is HTTP here where the chain's filter says so.
  const byProtocol = config.filterChains.some((chain) => chain.filterChainMatch?.applicationProtocols.length);
  const unknown = config.listenerFilters.find(
    ({ name }) => name !== TLS_INSPECTOR && (name !== HTTP_INSPECTOR || byProtocol),
  );
  if (unknown !== undefined)
    throw new ConfigError(
      `listener_filters: '${unknown.name}' is not supported${unknown.name === HTTP_INSPECTOR ? ' beside filter chains with application_protocols' : ''}, expected ${TLS_INSPECTOR}`,
    );
  const field =
    (config.filterChainMatcher && 'filter_chain_matcher') ||
    (config.udpListenerConfig && 'udp_listener_config') ||
    (config.apiListener && 'api_listener') ||
    (config.listenerSpecifier.case && 'internal_listener') ||
    (config.useOriginalDst && 'use_original_dst') ||
    (config.transparent && 'transparent');
  if (field) throw new ConfigError(`${field}: not supported, expected a TCP listener with filter_chains`);
}
