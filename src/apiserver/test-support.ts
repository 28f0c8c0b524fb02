// An API server of one's own for a test, and a client that speaks to it over TLS.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { Store } from '../store/store.ts';
import { createPki, type Pki } from './pki/pki.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from './server.ts';
import type { Machine } from './system-objects.ts';

const MACHINE: Machine = {
  hostName: 'test',
  cpus: 2,
  memoryBytes: 2 ** 30,
  platform: 'linux',
  architecture: 'x64',
  osImage: 'Test OS',
  kernelVersion: '6.0',
  version: '0.0.0',
};
/** Generous: all that counts is that it ends. */
const DEADLINE_MS = 15_000;

/** What the server answered. */
export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: documents of many shapes; the tests say which
  body: any;
}

/** What a request has besides method and path. */
export interface Extras {
  headers?: Record<string, string>;
  /** Sent as JSON, a string or bytes as they are. */
  body?: unknown;
  /** `false`: without credentials. */
  authenticated?: boolean;
}

/** What a test decides of the server. */
type Options = Pick<ApiServerOptions, 'podAccess' | 'clock'>;

let pki: Promise<Pki> | undefined;

/** A server on any free port, its store, and requests to it. */
export class TestServer {
  store: Store;
  readonly pki: Pki;
  server: ApiServer;
  readonly #agent: Agent;

  private constructor(store: Store, ownPki: Pki, server: ApiServer) {
    this.store = store;
    this.pki = ownPki;
    this.server = server;
    this.#agent = new Agent({ keepAlive: true, ca: ownPki.ca, servername: 'localhost' });
  }

  static async start(store = new Store(), options: Options = {}): Promise<TestServer> {
    pki ??= createPki(new Date());
    const own = await pki;
    return new TestServer(store, own, await serve(store, own, 0, options));
  }

  /**
   * Ends the server, and with it all connections, and serves again on its port.
   * @param meanwhile what happens while it is away; gives the store that is served from then on
   */
  async restart(meanwhile: () => Store): Promise<void> {
    const { port } = this.server;
    await this.server.close();
    this.store = meanwhile();
    this.server = await serve(this.store, this.pki, port);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.server.close();
    this.store.close();
  }

  get(path: string, extras?: Extras): Promise<Reply> {
    return this.send('GET', path, extras);
  }

  post(path: string, body: unknown, extras: Extras = {}): Promise<Reply> {
    return this.send('POST', path, { ...extras, body });
  }

  put(path: string, body: unknown, extras: Extras = {}): Promise<Reply> {
    return this.send('PUT', path, { ...extras, body });
  }

  patch(path: string, type: string, body: unknown, extras: Extras = {}): Promise<Reply> {
    return this.send('PATCH', path, { body, headers: { 'content-type': type, ...extras.headers } });
  }

  delete(path: string, body?: unknown): Promise<Reply> {
    return this.send('DELETE', path, body === undefined ? {} : { body });
  }

  async send(method: string, path: string, { headers = {}, body, authenticated = true }: Extras = {}): Promise<Reply> {
    const payload =
      body === undefined
        ? undefined
        : Buffer.isBuffer(body)
          ? body
          : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const response = await this.open(method, path, {
      headers: {
        ...(authenticated ? { authorization: `Bearer ${this.pki.token}` } : {}),
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
        ...headers,
      },
      body: payload,
    });
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const isJson = (response.headers['content-type'] ?? '').startsWith('application/json');
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  /** A request with nothing added; resolves with the head of the response. */
  open(method: string, path: string, { headers = {}, body }: Extras = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { agent: this.#agent, host: '127.0.0.1', port: this.server.port, method, path, headers },
        resolve,
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** A watch. @param path with its query; `watch=true` is added */
  async watch(path: string, headers: Record<string, string> = {}): Promise<TestWatch> {
    const separator = path.includes('?') ? '&' : '?';
    const response = await this.open('GET', `${path}${separator}watch=true`, {
      headers: { authorization: `Bearer ${this.pki.token}`, ...headers },
    });
    return new TestWatch(response);
  }

  /** Waits until a condition holds. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = performance.now() + DEADLINE_MS; !(await condition()); await delay(10))
      if (performance.now() > deadline) throw new Error(`not so after ${DEADLINE_MS} ms: ${what}`);
  }
}

function serve(store: Store, own: Pki, port: number, options: Options = {}): Promise<ApiServer> {
  const log = pino({ level: 'silent' });
  return startApiServer({ store, pki: own, port, log, machine: MACHINE, ...options });
}

/** A watch under way. */
class TestWatch {
  readonly response: IncomingMessage;
  // biome-ignore lint/suspicious/noExplicitAny: as Reply.body
  readonly events: { type: string; object: any }[] = [];
  isOver = false;
  #rest = '';

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() as string;
      for (const line of lines) this.events.push(JSON.parse(line));
    });
    response.on('close', () => {
      this.isOver = true;
    });
    response.on('error', () => undefined); // 'close' follows
  }

  /** The first `count` events as `TYPE name`, once they are there. */
  async first(count: number): Promise<string[]> {
    for (const deadline = performance.now() + DEADLINE_MS; this.events.length < count; await delay(5))
      if (performance.now() > deadline || this.isOver)
        throw new Error(`expected ${count} events, got ${JSON.stringify(this.events)}`);
    return this.events.slice(0, count).map(({ type, object }) => `${type} ${object.metadata?.name ?? ''}`.trim());
  }

  close(): void {
    this.response.destroy();
  }
}

/** A minimal object of a kind, in namespace default. */
export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(labels && { labels }) }, data };
}
