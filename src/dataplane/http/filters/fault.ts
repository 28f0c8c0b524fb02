// Envoy's fault filter: holds requests back, or answers them in the upstream's place.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
//
// Statistics by the name of the downstream cluster are left out: a header names it, so that strangers could make counters.

import { drawAbort, drawDelay, type FaultSettings } from '../../router/fault-settings.ts';
import type { CompiledRoute } from '../../router/route.ts';
import type { Counter, Gauge, Stats } from '../../stats/stats.ts';
import { ResponseFlag, raise } from '../../stream-info.ts';
import type { TimerEntry, TimerWheel } from '../../timer-wheel.ts';
import { faultAbort, type LocalReply } from '../local-reply.ts';
import { type FilteredExchange, type HttpFilter, type StreamFilter, WAIT } from './http-filter.ts';

interface FaultStats {
  readonly delays_injected: Counter;
  readonly aborts_injected: Counter;
  readonly faults_overflow: Counter;
  readonly active_faults: Gauge;
}

/** The fault filter of one connection manager. */
export class FaultFilter implements HttpFilter {
  readonly stats: FaultStats;
  readonly timers: TimerWheel;
  readonly #settings: FaultSettings;

  /**
   * @param settings for routes that have none
   * @param statPrefix the connection manager's `stat_prefix`
   */
  constructor(settings: FaultSettings, statPrefix: string, stats: Stats, timers: TimerWheel) {
    const prefix = `http.${statPrefix}.fault.`;
    this.#settings = settings;
    this.timers = timers;
    this.stats = {
      delays_injected: stats.counter(`${prefix}delays_injected`),
      aborts_injected: stats.counter(`${prefix}aborts_injected`),
      faults_overflow: stats.counter(`${prefix}faults_overflow`),
      active_faults: stats.gauge(`${prefix}active_faults`),
    };
  }

  begin(exchange: FilteredExchange, route: CompiledRoute): StreamFilter | undefined {
    const settings = route.filters.fault ?? this.#settings;
    if (settings.delay === undefined && settings.abort === undefined) return undefined;
    const { request } = exchange;
    const { conditions, downstreamNodes } = settings;
    for (const condition of conditions) if (!condition(request)) return undefined;
    if (downstreamNodes?.has(request.headers.get('x-envoy-downstream-service-node') ?? '') === false) return undefined;
    return new FaultStream(this, settings, exchange);
  }
}

class FaultStream implements StreamFilter, TimerEntry {
  bucket: Set<TimerEntry> | undefined = undefined;
  readonly #filter: FaultFilter;
  readonly #settings: FaultSettings;
  readonly #exchange: FilteredExchange;
  #active = false;

  constructor(filter: FaultFilter, settings: FaultSettings, exchange: FilteredExchange) {
    this.#filter = filter;
    this.#settings = settings;
    this.#exchange = exchange;
  }

  decodeHeaders(): LocalReply | typeof WAIT | undefined {
    const { config, request, record } = this.#exchange;
    const ms = drawDelay(this.#settings, request.headers, config.random);
    if (ms === 0 || !this.#activate()) return this.#abort();
    this.#filter.stats.delays_injected.value += 1;
    record.responseFlags = raise(record.responseFlags, ResponseFlag.DelayInjected);
    this.#filter.timers.arm(this, ms);
    return WAIT;
  }

  /** The wheel's call: the delay is over. */
  onTimeout(): void {
    const reply = this.#abort();
    if (reply !== undefined) {
      this.#exchange.reply(reply);
      return;
    }
    this.#deactivate();
    this.#exchange.continueDecoding();
  }

  // Delay and abort are drawn each for itself.
  #abort(): LocalReply | undefined {
    const { config, request } = this.#exchange;
    const status = drawAbort(this.#settings, request.headers, config.random);
    if (status === undefined || !this.#activate()) return undefined;
    this.#filter.stats.aborts_injected.value += 1;
    return faultAbort(status.http, status.grpc);
  }

  // A request with two faults counts once.
  #activate(): boolean {
    if (this.#active) return true;
    const { active_faults, faults_overflow } = this.#filter.stats;
    if (active_faults.value >= this.#settings.maxActiveFaults) {
      faults_overflow.value += 1;
      return false;
    }
    active_faults.value += 1;
    this.#active = true;
    return true;
  }

  #deactivate(): void {
    if (this.#active) this.#filter.stats.active_faults.value -= 1;
    this.#active = false;
  }

  onDestroy(): void {
    this.#filter.timers.disarm(this);
    this.#deactivate();
  }
}
