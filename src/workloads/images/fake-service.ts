// The image `nicholasjackson/fake-service`: a service that calls others, is slow and fails as its environment says. Its HTTP half.
// https://github.com/nicholasjackson/fake-service

import type { IncomingMessage } from 'node:http';
import { callService, httpServer, pause, sendJson } from './http.ts';
import type { ContainerContext, SampleImage } from './image.ts';

/** What it answers with, and what it tells of those it called. */
interface Answer {
  name?: string;
  uri: string;
  type: 'HTTP';
  ip_addresses?: string[];
  start_time: string;
  end_time: string;
  duration: string;
  headers?: Record<string, string>;
  body?: unknown;
  upstream_calls?: Record<string, unknown>;
  error?: string;
  code: number;
}

const DEFAULT_PORT = 9090;

/**
 * Environment: NAME, MESSAGE, LISTEN_ADDR, UPSTREAM_URIS, UPSTREAM_WORKERS, TIMING_50_PERCENTILE, TIMING_90_PERCENTILE, TIMING_99_PERCENTILE,
 * TIMING_VARIANCE, ERROR_RATE, ERROR_TYPE, ERROR_CODE, ERROR_DELAY, HEALTH_CHECK_RESPONSE_CODE. Upstreams over gRPC are answered with an error.
 */
export const fakeService: SampleImage = {
  names: ['nicholasjackson/fake-service'],
  defaultPort: ({ LISTEN_ADDR = '' }) => Number(/:(\d+)$/.exec(LISTEN_ADDR)?.[1] ?? DEFAULT_PORT),
  samplePath: '/',
  createServer(context) {
    const { env } = context;
    return httpServer(context, async (request, response, { pathname }) => {
      if (pathname === '/health' || pathname === '/ready')
        return sendJson(response, Number(env.HEALTH_CHECK_RESPONSE_CODE ?? 200), 'OK');
      const started = new Date();
      const calls = await callUpstreams(context, request);
      const failed = Object.values(calls).some(({ code }) => code < 200 || code >= 300);
      const injected = Math.random() < Number(env.ERROR_RATE ?? 0);
      if (injected && env.ERROR_TYPE === 'delay') await pause(milliseconds(env.ERROR_DELAY));
      const isError = injected && env.ERROR_TYPE !== 'delay';
      await pause(Math.max(delayOf(env, Math.random(), Math.random()) - (Date.now() - started.getTime()), 0));
      const code = isError ? Number(env.ERROR_CODE ?? 500) : failed ? 500 : 200;
      const answer: Answer = {
        name: env.NAME ?? 'Service',
        uri: request.url ?? '/',
        type: 'HTTP',
        ip_addresses: [context.ip],
        ...timesSince(started),
        ...(isError ? { error: 'Service error automatically injected' } : { body: messageOf(env.MESSAGE) }),
        ...(Object.keys(calls).length > 0 ? { upstream_calls: calls } : {}),
        code,
      };
      sendJson(response, code, answer, 2);
    });
  },
};

/** Calls all upstreams, so many at a time as there are workers. */
async function callUpstreams(context: ContainerContext, cause: IncomingMessage): Promise<Record<string, Answer>> {
  const uris = (context.env.UPSTREAM_URIS ?? '').split(',').map((uri) => uri.trim());
  const waiting = uris.filter((uri) => uri !== '');
  const answers = new Map<string, Answer>();
  const worker = async () => {
    for (let uri = waiting.shift(); uri !== undefined; uri = waiting.shift())
      answers.set(uri, await callUpstream(context, uri, cause));
  };
  await Promise.all(Array.from({ length: Math.max(Number(context.env.UPSTREAM_WORKERS ?? 1) || 1, 1) }, worker));
  return Object.fromEntries(uris.flatMap((uri) => (answers.has(uri) ? [[uri, answers.get(uri) as Answer]] : [])));
}

async function callUpstream(context: ContainerContext, uri: string, cause: IncomingMessage): Promise<Answer> {
  const started = new Date();
  const failure = (error: string, code: number): Answer => ({ uri, type: 'HTTP', ...timesSince(started), error, code });
  if (!URL.canParse(uri) || new URL(uri).protocol !== 'http:')
    return failure(`${uri}: only upstreams of the form http://host:port/path are called`, -1);
  const { hostname, port, pathname, search } = new URL(uri);
  try {
    const target = { host: hostname, port: Number(port || 80), path: pathname + search };
    const { status, body } = await callService(context, target, cause);
    try {
      const answer = JSON.parse(body) as Answer;
      return { ...answer, uri, code: status };
    } catch {
      return { uri, type: 'HTTP', ...timesSince(started), body, code: status }; // not one of these services
    }
  } catch (error) {
    return failure((error as Error).message, -1);
  }
}

function timesSince(started: Date): Pick<Answer, 'start_time' | 'end_time' | 'duration'> {
  const ended = new Date();
  const duration = ended.getTime() - started.getTime();
  return { start_time: timeOf(started), end_time: timeOf(ended), duration: `${duration}ms` };
}

/** As the original prints times: without a zone. */
function timeOf(date: Date): string {
  return date.toISOString().slice(0, -1);
}

/** JSON where it is some, else the text. */
function messageOf(message = 'Hello World'): unknown {
  try {
    return JSON.parse(message) as unknown;
  } catch {
    return message;
  }
}

/**
 * How long a request takes: nine in ten about the 50th percentile, most of the rest the 90th, one in a hundred the 99th, give or take the variance in percent.
 *
 * @param position from 0 to 1: where among all requests this one is
 * @param luck from 0 to 1: how much of the variance it has
 * @returns milliseconds
 */
export function delayOf(env: Readonly<Record<string, string>>, position: number, luck: number): number {
  const median = milliseconds(env.TIMING_50_PERCENTILE);
  const slow = milliseconds(env.TIMING_90_PERCENTILE) || median;
  const slowest = milliseconds(env.TIMING_99_PERCENTILE) || slow;
  const base = position < 0.9 ? median : position < 0.99 ? slow : slowest;
  const variance = Number(env.TIMING_VARIANCE ?? 0) || 0;
  return Math.max(base * (1 + ((luck * 2 - 1) * variance) / 100), 0);
}

const UNITS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A Go duration: `1m30s`, `50ms`. What is none counts as nothing. */
function milliseconds(text = ''): number {
  let total = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g))
    total += Number(number) * (UNITS[unit] ?? 0);
  return total;
}
