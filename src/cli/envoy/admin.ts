// What the supervisor asks Envoy's admin interface: is it ready, what does it listen on, is anything under way; and to drain.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin

import { setTimeout as delay } from 'node:timers/promises';
import { formatHostPort, type HostPort } from '../host-port.ts';

const POLL_MS = 20;
const REQUEST_TIMEOUT_MS = 5_000;

/** An Envoy's admin interface. */
export class EnvoyAdmin {
  readonly #base: string;

  constructor(address: HostPort) {
    this.#base = `http://${formatHostPort(address)}`;
  }

  /**
   * Waits until the first configuration serves: the server is LIVE, and its workers listen. (Trying the ports would say no more, and would leave
   * lines in access logs.)
   * @param signal ends the wait; it rejects then
   */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (await this.#isReady()) return;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /**
   * Stops accepting, closes HTTP connections with their next response, and waits until no request and no TCP connection is left.
   * @param ms the longest wait
   */
  async drain(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    try {
      // Failed health checks are what makes Envoy say `connection: close`; without `graceful` the ports are closed now.
      await this.#post('/healthcheck/fail');
      await this.#post('/drain_listeners');
      while (performance.now() < deadline && (await this.#underWay()) > 0) await delay(POLL_MS);
    } catch {
      // It is gone, or no longer answers: nothing to wait for.
    }
  }

  /** Whether it serves: not before its first configuration, and not while it drains. */
  async isLive(): Promise<boolean> {
    try {
      return (await this.#get('/ready')).trim() === 'LIVE';
    } catch {
      return false; // not up yet, or gone
    }
  }

  /** All statistics, in Prometheus' text format. */
  metrics(): Promise<string> {
    return this.#get('/stats/prometheus');
  }

  async #isReady(): Promise<boolean> {
    if (!(await this.isLive())) return false;
    try {
      return (await this.#stats('^listener_manager.workers_started$')).get('listener_manager.workers_started') === 1;
    } catch {
      return false; // not up yet
    }
  }

  /** Requests, and connections that are not HTTP. The admin interface's own are not counted. */
  async #underWay(): Promise<number> {
    const stats = await this.#stats('downstream_(rq|cx)_active$');
    let requests = 0;
    let httpConnections = 0;
    let connections = 0;
    for (const [name, value] of stats) {
      if (/^(http|listener)\.admin\./.test(name)) continue;
      if (/^http\..*\.downstream_rq_active$/.test(name)) requests += value;
      else if (/^http\..*\.downstream_cx_active$/.test(name)) httpConnections += value;
      else if (/^listener\..*\.downstream_cx_active$/.test(name) && !/\.worker_\d+\./.test(name)) connections += value;
    }
    return requests + Math.max(0, connections - httpConnections);
  }

  async #stats(filter: string): Promise<Map<string, number>> {
    const text = await this.#get(`/stats?filter=${encodeURIComponent(filter)}`);
    const lines = text.split('\n').map((line) => /^(.+): (\d+)$/.exec(line));
    return new Map(lines.filter((match) => match !== null).map((match) => [match[1] as string, Number(match[2])]));
  }

  async #get(path: string): Promise<string> {
    const response = await fetch(this.#base + path, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    return response.text();
  }

  async #post(path: string): Promise<void> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    await (await fetch(this.#base + path, { method: 'POST', signal })).text();
  }
}
