// The API server: HTTPS on loopback, and the way of a request through it.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { stringify } from 'yaml';
import type { Store } from '../store/store.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import { type Authenticate, createAuthentication, type User } from './authentication.ts';
import { readBody } from './body.ts';
import { type Controllers, startControllers } from './controllers/controllers.ts';
import { dispatch } from './dispatch.ts';
import { SnapshotPins } from './lists/snapshot-pins.ts';
import { negotiate } from './negotiation.ts';
import { answerPath, isPublicPath } from './paths.ts';
import type { Pki } from './pki/pki.ts';
import { isServerName, SERVER_ADDRESSES } from './pki/server-names.ts';
import { requestInfo } from './request-info.ts';
import { ResourceRegistry } from './resource-registry.ts';
import { ApiError, forbidden, internalError, noSuchPath, unauthorized } from './status.ts';
import { type Machine, putSystemObjects } from './system-objects.ts';
import { warningHeader } from './warnings.ts';
import { WatchHub } from './watch/watch-hub.ts';
import { ServiceAddresses } from './writes/service-addresses.ts';
import { seconds } from './writes/write-object.ts';

/** What an API server needs. */
export interface ApiServerOptions {
  store: Store;
  pki: Pki;
  /** 0: any free one. */
  port: number;
  log: Logger;
  /** For the Node object, and `/version`. */
  machine: Machine;
  clock?: () => Date;
}

/** An API server that listens. */
export interface ApiServer {
  readonly port: number;
  /** `https://127.0.0.1:6443` */
  readonly url: string;
  /** Ends watches and connections. */
  close(): Promise<void>;
}

/** Label and field selectors stand in the URL. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Starts to serve the Kubernetes API of a store.
 *
 * @throws Error with `code` (EADDRINUSE, …) when the port can't be had
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, pki, log, clock = () => new Date() } = options;
  const context = createContext(store, log, clock);
  const authenticate = createAuthentication(pki.token);
  const { certificate, key } = pki.server;
  const server = createServer(
    {
      cert: certificate,
      key,
      ca: pki.ca,
      // A client may come with a token instead of a certificate: who it is, is decided by request.
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) =>
      void answerRequest(request, response, { context, authenticate, version: options.machine.version }),
  );
  const sockets = new Set<Socket>();
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'API server: handshake failed'));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, SERVER_ADDRESSES[0], () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    context.watches.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  await putSystemObjects(store, port, options.machine, seconds(clock()));
  const controllers: Controllers = await startControllers(context);
  return {
    port,
    url: `https://${SERVER_ADDRESSES[0]}:${port}`,
    async close() {
      await controllers.close();
      context.watches.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createContext(store: Store, log: Logger, clock: () => Date): ApiContext {
  return {
    store,
    registry: new ResourceRegistry(),
    watches: new WatchHub(store, clock),
    pins: new SnapshotPins(),
    serviceAddresses: new ServiceAddresses(),
    clock,
    randomSuffix,
    podGraceSeconds: () => 0,
    log,
  };
}

/** Letters of generated names: no vowels, so no words. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

function randomSuffix(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(5)),
    (byte) => SUFFIX_LETTERS[byte % SUFFIX_LETTERS.length],
  ).join('');
}

interface Serving {
  context: ApiContext;
  authenticate: Authenticate;
  version: string;
}

/** Never throws: what goes wrong is answered with a Status. */
async function answerRequest(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const { log } = serving.context;
  const warnings: string[] = [];
  response.on('error', () => undefined); // the client went away
  try {
    const answer = await answerTo(request, response, serving, warnings);
    if (answer !== undefined) send(request, response, answer, warnings);
  } catch (error) {
    const refusal = error instanceof ApiError ? error : storeRefusal(error);
    if (refusal === undefined) log.error({ err: error, method: request.method, path: request.url }, 'API server');
    const { status, headers } = refusal ?? internalError();
    if (response.headersSent) response.destroy();
    else send(request, response, { status: status.code, body: status, headers }, warnings);
  }
}

/** A disk that can't be written is no mistake of ours: the client may try again. */
function storeRefusal(error: unknown): ApiError | undefined {
  if (!(error instanceof Error) || error.name !== 'StoreWriteError') return undefined;
  return new ApiError(500, 'InternalError', `the change could not be stored: ${error.message}`);
}

async function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  { context, authenticate, version }: Serving,
  warnings: string[],
): Promise<Answer | undefined> {
  refuseStrangers(request);
  const { method = 'GET', url = '/' } = request;
  const info = requestInfo(method, url);
  const user = authenticate(request);
  if (!info.isResource) {
    if (user === undefined && !isPublicPath(info)) throw unauthorized();
    return answerPath(info, request, context, version);
  }
  if (user === undefined) throw unauthorized();
  const resource = context.registry.find(info.group, info.version, info.resource);
  if (resource === undefined) throw noSuchPath();
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length));
  let body: Promise<Buffer> | undefined;
  const call: ApiCall = {
    info,
    resource,
    query,
    user,
    client: clientName(request, user),
    representation: negotiate(request.headers.accept),
    contentType: request.headers['content-type'],
    body: () => {
      body ??= readBody(request);
      return body;
    },
    warn: (text) => {
      if (!warnings.includes(text)) warnings.push(text);
    },
    request,
    response,
  };
  return dispatch(call, context);
}

/** @throws ApiError 403 for requests that a web page of a stranger made a browser send */
function refuseStrangers({ headers }: IncomingMessage): void {
  if (!isServerName(headers.host ?? ''))
    throw forbidden(
      undefined,
      '',
      `this API server answers to localhost and its own names only, not to ${JSON.stringify(headers.host ?? '')}`,
    );
  const { origin } = headers;
  if (origin === undefined) return;
  if (origin !== `https://${headers.host}`)
    throw forbidden(undefined, '', 'this API server takes no requests from web pages of other origins');
}

/** `kubectl` of `kubectl/v1.32.4 (linux/amd64) …`: who owns fields where the request names no manager. */
function clientName({ headers }: IncomingMessage, user: User): string {
  const name = (headers['user-agent'] ?? '')
    .split('/', 1)[0]!
    .replace(/[^\x20-\x7e]/g, '')
    .slice(0, 128);
  return name === '' ? user.name : name;
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer, warnings: readonly string[]): void {
  const { status, body, headers } = answer;
  const isText = 'text' in body && 'type' in body && Object.keys(body).length === 2;
  const format = isText ? undefined : formatFor(request);
  const payload = isText
    ? (body as { text: string }).text
    : format === 'yaml'
      ? stringify(body)
      : `${JSON.stringify(body)}\n`;
  if (!request.complete) {
    // The rest of the body is not waited for: it may be endless.
    response.setHeader('connection', 'close');
  }
  const shown: OutgoingHttpHeaders = {
    'content-type': isText ? (body as { type: string }).type : `application/${format}`,
    'content-length': Buffer.byteLength(payload),
    'cache-control': 'no-cache, private',
    ...headers,
  };
  if (warnings.length > 0) response.setHeader('warning', warnings.map(warningHeader));
  response.writeHead(status, shown);
  response.end(request.method === 'HEAD' ? undefined : payload, () => {
    if (!request.complete) request.socket.end();
  });
}

function formatFor({ headers }: IncomingMessage): 'json' | 'yaml' {
  try {
    return negotiate(headers.accept).format;
  } catch {
    return 'json'; // the refusal itself has to be written in something
  }
}
