// The HTTP part that the sample images share: a server of one function, answers, and calls to other services.

import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { ContainerContext } from './image.ts';

/** Answers one request. `url` has the path and the query; its host is meaningless. */
export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

/** A server that answers every request with `handler`; one that throws is a 500 with the reason. */
export function httpServer(context: ContainerContext, handler: Handler): Server {
  const server = createServer((request, response) => {
    const url = parseUrl(request.url ?? '/');
    const answered = async () => handler(request, response, url);
    answered().catch((error: unknown) => {
      context.log(`${request.method} ${request.url}: ${error instanceof Error ? error.stack : String(error)}`);
      if (response.headersSent) response.destroy();
      else sendText(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  // The proxy decides how long connections stay, as it does with most servers in a cluster: closing one here the moment
  // the next request comes along would be a 503 there.
  server.keepAliveTimeout = 0;
  return server;
}

function parseUrl(target: string): URL {
  const base = 'http://localhost';
  return URL.canParse(target, base) && target.startsWith('/') && !target.startsWith('//')
    ? new URL(target, base)
    : new URL(`${base}/${encodeURI(target.replace(/^\/+/, ''))}`);
}

/** Answers with JSON. `indent`: spaces, 0 for compact. */
export function sendJson(response: ServerResponse, status: number, value: unknown, indent = 0): void {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify(value, null, indent));
}

/** Answers with plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text);
}

/** Answers with a web page. */
export function sendHtml(response: ServerResponse, status: number, html: string): void {
  send(response, status, 'text/html; charset=utf-8', html);
}

/** Answers with a body of known length. Headers set before are kept. */
export function send(response: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  response.statusCode = status;
  response.setHeader('content-type', contentType);
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
}

/** The whole body of a request. Throws when it is longer than `limit` bytes. */
export async function readBody(request: IncomingMessage, limit = 16 * 1024 * 1024): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new Error(`the request's body is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What another service answered. */
export interface ServiceAnswer {
  status: number;
  contentType: string;
  body: string;
}

/** Headers that a service hands on when it calls another, so that a trace holds together and routes find their users. https://istio.io/latest/docs/tasks/observability/distributed-tracing/overview/ */
const TRACE_HEADERS = [
  ...['x-request-id', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags', 'b3'],
  ...['x-ot-span-context', 'traceparent', 'tracestate', 'end-user', 'x-istio-cohort', 'user-agent'],
];

const CALL_TIMEOUT_MS = 10_000;

/**
 * Calls another service with GET, by the HTTP proxy that the environment names, passing the trace headers of the request under way on.
 * @throws Error that names the service when it does not answer
 */
export async function callService(
  { env }: Pick<ContainerContext, 'env'>,
  target: { host: string; port: number; path: string },
  cause: Pick<IncomingMessage, 'headers'>,
): Promise<ServiceAnswer> {
  const authority = target.port === 80 ? target.host : `${target.host}:${target.port}`;
  const headers: Record<string, string> = { host: authority };
  for (const header of TRACE_HEADERS) {
    const value = cause.headers[header];
    if (typeof value === 'string') headers[header] = value;
  }
  const proxy = proxyFor(target.host, env);
  const to =
    proxy === undefined
      ? target
      : { host: proxy.hostname, port: Number(proxy.port || 80), path: `http://${authority}${target.path}` };
  return new Promise((resolve, reject) => {
    const call = httpRequest({ ...to, headers, agent: false, timeout: CALL_TIMEOUT_MS });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', (error) => reject(new Error(`the service ${authority} does not answer: ${error.message}`)));
    call.on('response', (answer) => {
      readBody(answer).then(
        (body) =>
          resolve({
            status: answer.statusCode ?? 0,
            contentType: answer.headers['content-type'] ?? '',
            body: body.toString(),
          }),
        reject,
      );
    });
    call.end();
  });
}

/** The proxy for calls to a host; undefined where they go straight there. */
function proxyFor(
  host: string,
  { http_proxy: proxy = '', no_proxy: direct = '' }: ContainerContext['env'],
): URL | undefined {
  const exempt = direct.split(',').some((each) => each.trim() === host);
  return exempt || !URL.canParse(proxy) ? undefined : new URL(proxy);
}

/** Waits. Does not keep the process alive: who is to end does not wait for a slow answer. */
export async function pause(ms: number): Promise<void> {
  await setTimeout(ms, undefined, { ref: false });
}

/** Text as it may stand in HTML. */
export function escapeHtml(text: unknown): string {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
