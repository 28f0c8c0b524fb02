// The small HTTP server under the admin, status and Prometheus ports: who may ask, how answers look, and no request that ends the process.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  /** `text/plain; charset=UTF-8` where it is not said. */
  readonly contentType?: string;
  readonly body: string;
}

/** One request, as far as these servers look at it. */
export interface Query {
  readonly method: string;
  readonly path: string;
  readonly parameters: URLSearchParams;
}

/** A server that listens. */
export interface RunningEndpoint {
  /** The port it got, where 0 was asked for. */
  readonly port: number;
  /** Stops listening and cuts what is open. Resolves once the socket is closed. */
  close(): Promise<void>;
}

export interface EndpointOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Whether other processes that say so too may bind it beside (SO_REUSEPORT). */
  readonly reusePort?: boolean | undefined;
  readonly log: Logger;
  /** Answers a request, or refuses it before. May reject: the answer is a 500 then. */
  readonly answer: (query: Query) => Answer | Promise<Answer>;
  /** Refuses a request by its headers; undefined lets it through. */
  readonly refuse?: (request: IncomingMessage) => Answer | undefined;
}

/** A request line and headers of an operator's tool are short; a stranger's may not be. */
const MAX_HEADER_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/** @throws (rejects) where the port cannot be bound: `EADDRINUSE`, `EACCES` */
export async function startEndpoint(options: EndpointOptions): Promise<RunningEndpoint> {
  const { host, port, reusePort = false, log, answer, refuse } = options;
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      request.resume(); // no endpoint reads a body
      void (async () => {
        try {
          send(request, response, refuse?.(request) ?? (await answer(parse(request))));
        } catch (err) {
          log.error({ err, url: request.url }, 'admin request failed');
          send(request, response, { status: 500, body: 'internal error, see the log of the proxy\n' });
        }
      })();
    },
  );
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, reusePort }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  server.on('error', (err) => log.error({ err }, 'admin server failed'));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The target of a request line; what is no path is answered like an unknown one. */
function parse(request: IncomingMessage): Query {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  return {
    method: request.method ?? 'GET',
    path: mark === -1 ? target : target.slice(0, mark),
    parameters: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
  };
}

function send(request: IncomingMessage, response: ServerResponse, { status, contentType, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': contentType ?? 'text/plain; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    server: 'envoy',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
