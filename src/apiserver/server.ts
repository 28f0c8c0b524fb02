// The API server: HTTPS on loopback, and the way of a request through it.

import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { stringify } from 'yaml';
import type { PodAccess } from '../resources/pod-access.ts';
import { timestamp } from '../resources/timestamp.ts';
import type { Store } from '../store/store.ts';
import { type Answer, type ApiCall, type ApiContext, RawBody } from './api-call.ts';
import { type Authenticate, actingUser, createAuthentication, type User } from './authentication.ts';
import { attributesOf, authorize, mayAsk, mayDoAnything } from './authorization.ts';
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
import { ISSUER, type TokenAuthority, tokenAuthority } from './service-account-tokens.ts';
import {
  ApiError,
  badRequest,
  forbidden,
  internalError,
  noSuchPath,
  noSuchResource,
  notFound,
  unauthorized,
  unavailable,
} from './status.ts';
import { kubernetesService, type Machine, nodeObject, putSystemObjects } from './system-objects.ts';
import { warningHeader } from './warnings.ts';
import { WatchHub } from './watch/watch-hub.ts';
import { ServiceAddresses } from './writes/service-addresses.ts';

/** What an API server needs. */
export interface ApiServerOptions {
  store: Store;
  pki: Pki;
  /** 0: any free one. */
  port: number;
  log: Logger;
  /** For the Node object, and `/version`. */
  machine: Machine;
  /** Logs of pods, commands in them, connections to them. Without it there are none. */
  podAccess?: PodAccess;
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
  const context = createContext(store, log, clock, options.podAccess, tokenAuthority(pki.serviceAccountKey));
  const authenticate = createAuthentication(
    pki.token,
    (jwt) => context.tokens.review(jwt, [ISSUER], clock(), store.snapshot)?.user,
  );
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
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined); // 'close' follows
    void upgrade(request, socket, head, { context, authenticate });
  });
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
  const now = timestamp(clock());
  await putSystemObjects(store, port, options.machine, now);
  const lasting = [...kubernetesService(port), nodeObject(options.machine, now)];
  const controllers: Controllers = await startControllers(context, lasting);
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

function createContext(
  store: Store,
  log: Logger,
  clock: () => Date,
  podAccess: PodAccess | undefined,
  tokens: TokenAuthority,
): ApiContext {
  return {
    tokens,
    store,
    registry: new ResourceRegistry(),
    watches: new WatchHub(store, clock),
    pins: new SnapshotPins(),
    serviceAddresses: new ServiceAddresses(),
    clock,
    randomSuffix,
    podAccess,
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

/** Exec, attach, portforward: the connection itself is handed on. Never throws: what goes wrong is answered with a Status. */
async function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { context, authenticate }: Omit<Serving, 'version'>,
): Promise<void> {
  try {
    refuseStrangers(request);
    const { method = 'GET', url = '/' } = request;
    const info = requestInfo(method, url);
    const user = userOf(request, authenticate, context);
    if (user === undefined) throw unauthorized();
    if (!info.isResource) throw noSuchPath();
    authorize(user, attributesOf(info), context.store.snapshot);
    const { namespace, name, subresource } = info;
    const resource = context.registry.find(info.group, info.version, info.resource);
    if (resource?.kindId !== 'Pod' || !isStream(subresource)) throw badRequest('nothing to upgrade to at this path');
    if (context.store.snapshot.getOf('Pod', namespace, name) === undefined) throw notFound(resource, name);
    if (context.podAccess === undefined) throw unavailable('nobody runs the pods of this server');
    const query = queryOf(url);
    const { servePodUpgrade } = await import('./streaming/pod-upgrade.ts');
    await servePodUpgrade({ namespace, pod: name, subresource, query }, request, socket, head, context.podAccess);
  } catch (error) {
    if (!(error instanceof ApiError)) context.log.error({ err: error, path: request.url }, 'API server');
    const { status } = error instanceof ApiError ? error : internalError();
    const body = JSON.stringify(status);
    socket.end(
      `HTTP/1.1 ${status.code} ${STATUS_CODES[status.code]}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
}

function isStream(subresource: string): subresource is 'attach' | 'exec' | 'portforward' {
  return subresource === 'attach' || subresource === 'exec' || subresource === 'portforward';
}

function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
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
  const user = userOf(request, authenticate, context);
  if (!info.isResource) {
    if (!isPublicPath(info)) {
      if (user === undefined) throw unauthorized();
      const wanted = { verb: method.toLowerCase(), path: info.path };
      if (!mayAsk(user, wanted, context.store.snapshot))
        throw forbidden(
          undefined,
          '',
          `User ${JSON.stringify(user.name)} cannot ${wanted.verb} path ${JSON.stringify(wanted.path)}`,
        );
    }
    return answerPath(info, request, context, version);
  }
  if (user === undefined) throw unauthorized();
  const resource = context.registry.find(info.group, info.version, info.resource);
  if (resource === undefined) throw noSuchResource(info);
  const query = queryOf(url);
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

/** Who asks, or as whom. @throws ApiError 401, 403 */
function userOf(request: IncomingMessage, authenticate: Authenticate, { store }: ApiContext): User | undefined {
  const user = authenticate(request);
  return user && actingUser(user, request, (asking) => mayDoAnything(asking, store.snapshot));
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
  const format = formatFor(request);
  const { content, type } =
    body instanceof RawBody
      ? body
      : {
          content: format === 'yaml' ? stringify(body) : `${JSON.stringify(body)}\n`,
          type: `application/${format}`,
        };
  if (!request.complete) {
    // The rest of the body is not waited for: it may be endless.
    response.setHeader('connection', 'close');
  }
  const shown: OutgoingHttpHeaders = {
    'content-type': type,
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-cache, private',
    ...headers,
  };
  if (warnings.length > 0) response.setHeader('warning', warnings.map(warningHeader));
  response.writeHead(status, shown);
  response.end(request.method === 'HEAD' ? undefined : content, () => {
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
