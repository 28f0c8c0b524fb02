// The two ports that a gateway's pod serves beside its listeners: 15021 for readiness probes, 15090 for Prometheus.

import type { Logger } from 'pino';
import { PROMETHEUS_CONTENT_TYPE } from '../stats/prometheus.ts';
import { type Answer, type RunningEndpoint, startEndpoint } from './http-endpoint.ts';

/** What the two ports tell. */
export interface StatusView {
  readonly ready: () => boolean | Promise<boolean>;
  /** All statistics, in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
}

export interface StatusOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Whether other processes that say so too may bind it beside (SO_REUSEPORT). */
  readonly reusePort?: boolean | undefined;
  readonly log: Logger;
}

const NOT_FOUND: Answer = { status: 404, body: '' };

/** 15021: `/healthz/ready` is 200 once the gateway serves, 503 before and while it drains; other paths 404. */
export function startStatusServer(view: StatusView, options: StatusOptions): Promise<RunningEndpoint> {
  return startEndpoint({
    ...options,
    answer: async ({ path }) =>
      path === '/healthz/ready' ? { status: (await view.ready()) ? 200 : 503, body: '' } : NOT_FOUND,
  });
}

/** 15090: `/stats/prometheus` is every statistic of the proxy; other paths 404. */
export function startPrometheusServer(view: StatusView, options: StatusOptions): Promise<RunningEndpoint> {
  return startEndpoint({
    ...options,
    answer: async ({ path }) =>
      path === '/stats/prometheus'
        ? { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: await view.metrics() }
        : NOT_FOUND,
  });
}
