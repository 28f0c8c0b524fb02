// The proxy's own two ports (15021, 15090) where they are published: which servers run follows the rules.

import type { Logger } from 'pino';
import type { Publish } from '../config/bind-rules.ts';
import { type Endpoint, explainBindError } from '../config/endpoint.ts';
import { ConfigError } from '../connection.ts';
import type { RunningEndpoint } from './http-endpoint.ts';
import { type StatusView, startPrometheusServer, startStatusServer } from './status-server.ts';

/** Istio's gateways: 15021 answers readiness probes, 15090 Prometheus. https://istio.io/latest/docs/ops/deployment/application-requirements/ */
export const STATUS_PORT = 15021;
export const PROMETHEUS_PORT = 15090;

/** Whether a published port is one of the two, and no listener's. */
export function isOwnPort({ listenerPort }: Publish): boolean {
  return listenerPort === STATUS_PORT || listenerPort === PROMETHEUS_PORT;
}

/** Servers by the rules that ask for them. */
export class PublishedEndpoints {
  readonly #view: StatusView;
  readonly #log: Logger;
  readonly #running = new Map<string, RunningEndpoint>();
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(view: StatusView, log: Logger) {
    this.#view = view;
    this.#log = log;
  }

  /**
   * Makes these of the rules run, and no others.
   * @returns the rules, with the port that was chosen where 0 was asked for; rejects with a ConfigError when one can't be bound, though the others are
   */
  follow(rules: readonly Publish[]): Promise<Publish[]> {
    const result = this.#turn.then(() => this.#follow(rules));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Ends all, for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await Promise.all([...this.#running.values()].map((endpoint) => endpoint.close()));
    this.#running.clear();
  }

  async #follow(rules: readonly Publish[]): Promise<Publish[]> {
    const wanted = new Set(rules.map(keyOf));
    for (const [key, endpoint] of this.#running) {
      if (wanted.has(key)) continue;
      this.#running.delete(key);
      await endpoint.close();
    }
    const published: Publish[] = [];
    const errors: Error[] = [];
    for (const publish of rules) {
      if (this.#closed) break;
      try {
        const endpoint = this.#running.get(keyOf(publish)) ?? (await this.#start(publish));
        this.#running.set(keyOf(publish), endpoint);
        published.push({ ...publish, hostPort: endpoint.port });
      } catch (error) {
        errors.push(error as Error);
      }
    }
    if (errors.length > 0) throw new ConfigError(errors.map(({ message }) => message).join('; '));
    return published;
  }

  #start({ host, hostPort, listenerPort, reusePort }: Publish): Promise<RunningEndpoint> {
    const start = listenerPort === STATUS_PORT ? startStatusServer : startPrometheusServer;
    return bound({ host, port: hostPort }, (at) => start(this.#view, { ...at, reusePort, log: this.#log }));
  }
}

/**
 * Starts what listens on an address.
 * @throws ConfigError that says why the address can't be bound, and what to do
 */
export async function bound<Started>(
  endpoint: Endpoint,
  start: (endpoint: Endpoint) => Promise<Started>,
): Promise<Started> {
  try {
    return await start(endpoint);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === undefined ? error : new ConfigError(explainBindError(endpoint, code));
  }
}

function keyOf({ host, hostPort, listenerPort }: Publish): string {
  return `${host} ${hostPort} ${listenerPort}`;
}
