// The client of a row: does its steps over one connection and notes what comes back and how it ends.

import { connect, type Socket } from 'node:net';
import { connect as connectTls, DEFAULT_CIPHERS, type TLSSocket } from 'node:tls';
import { type Message, readResponses, saysClose } from './http1.ts';
import { askHttp2 } from './http2-client.ts';
import type { Row, Step } from './row.ts';

/** What a client saw. */
export interface Seen {
  /** Its own port: by it the access log knows the connection. */
  readonly port: number;
  readonly responses: readonly Message[];
  /** What came and is no response; for a raw row all. */
  readonly rest: string;
  /** `open`, `closed`, `reset`, `silent` (nothing came in time), or the code of a TLS error. */
  readonly connection: string;
  readonly tls: TlsSeen | undefined;
}

export interface TlsSeen {
  readonly protocol: string | null;
  readonly cipher: string;
  readonly alpn: string | false | null;
  /** The common name of the certificate that was shown. */
  readonly certificate: string;
}

/** Generous: two slow cores, and Envoy closes some connections a second late. */
const LIMIT_MS = 6000;

/** A host that no configuration serves; what a connection that is still open answers with 404. */
const PROBE = 'GET /is-it-open HTTP/1.1\r\nHost: probe.invalid\r\n\r\n';

/** The path of `PROBE`, for leaving its access log record out. */
export const PROBE_PATH = '/is-it-open';

/** Runs a row against the proxy that listens on a port of 127.0.0.1. */
export async function runClient(
  row: Row,
  port: number,
  options: {
    certificateOf: (name: string) => { cert: string; key: string };
    arrived: (count: number) => Promise<void>;
  },
): Promise<Seen> {
  const connection = new Connection(row, await connectFromOwnPort(port), options.certificateOf);
  const steps: readonly Step[] = Array.isArray(row.send) ? row.send : [row.send as Step];
  if (row.http2) return runHttp2(connection, steps);
  const sent = steps.filter((step) => typeof step === 'string' && step !== 'end' && step !== 'reset').join('');
  const methods = [...sent.matchAll(/([A-Z]+) \S+ HTTP\/1\.[01]\r\n/g)].map(([, method = '']) => method);
  const expected = row.responses ?? Math.max(methods.length, 1);
  const responses = () => readResponses(row.raw ? '' : connection.received, methods, connection.ended !== undefined);
  try {
    await connection.until(() => connection.connected);
    const localPort = connection.socket.localPort ?? 0;
    let ownEnd = false;
    for (const step of steps) {
      if (step === 'end' || step === 'reset') {
        ownEnd = true;
        if (step === 'end') connection.socket.end();
        else connection.reset();
      } else if (typeof step === 'string') connection.send(step);
      else if ('until' in step) await connection.until(() => connection.received.includes(step.until));
      else if ('pause' in step) await pause(step.pause);
      else if ('attempts' in step) await Promise.race([options.arrived(step.attempts), pause(LIMIT_MS)]);
      else await connection.until(() => responses().final >= step.responses);
    }
    const { all, rest, final } = await (async () => {
      if (!row.raw) await connection.until(() => responses().final >= expected);
      return responses();
    })();
    const tunnel = all.some(({ start }) => start.split(' ')[1] === '101');
    const last = all.at(-1);
    let state = connection.ended ?? 'open';
    if (state === 'open' && (ownEnd || (last !== undefined && saysClose(last)))) {
      await connection.until(() => false);
      state = connection.ended ?? 'open';
    } else if (state === 'open' && !row.raw && !tunnel) {
      if (final < expected) state = 'silent';
      else {
        connection.send(PROBE);
        const done = await connection.until(() =>
          /^HTTP/.test(
            readResponses(connection.received, [...methods.slice(0, final), 'GET'], false).all[all.length]?.start ?? '',
          ),
        );
        if (!done) state = connection.ended === undefined ? 'silent' : 'closed';
      }
    }
    return {
      port: localPort,
      responses: all,
      rest: row.raw ? connection.received : rest,
      connection: state,
      tls: connection.tls(),
    };
  } finally {
    connection.socket.destroy();
  }
}

async function runHttp2(connection: Connection, steps: readonly Step[]): Promise<Seen> {
  try {
    await connection.until(() => connection.connected);
    const requests = steps.map((step) => {
      if (typeof step !== 'string' || step === 'end' || step === 'reset')
        throw new Error('over HTTP/2 a row can only send requests');
      return step;
    });
    const port = connection.socket.localPort ?? 0;
    const { responses, resets, connection: state } = await askHttp2(connection.socket, requests, PROBE, LIMIT_MS);
    return { port, responses, rest: resets, connection: connection.ended ?? state, tls: connection.tls() };
  } finally {
    connection.socket.destroy();
  }
}

/** Node's, but as browsers have them: AES of 128 bits before that of 256. */
const CIPHERS = `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`;

class Connection {
  readonly socket: Socket;
  received = '';
  connected = false;
  ended: string | undefined;
  readonly #plain: Socket;
  #waiting: (() => void)[] = [];

  constructor({ tls, http2 }: Row, plain: Socket, certificateOf: (name: string) => { cert: string; key: string }) {
    this.#plain = plain;
    this.#plain.on('error', (error: NodeJS.ErrnoException) => this.#end(error));
    if (tls === undefined) {
      this.socket = this.#plain;
      this.#connected();
    } else {
      this.socket = connectTls({
        socket: this.#plain,
        rejectUnauthorized: false,
        ...(tls.servername === undefined ? {} : { servername: tls.servername }),
        ...(tls.alpn === undefined ? {} : { ALPNProtocols: [...tls.alpn] }),
        ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
        ...(tls.maxVersion === undefined ? {} : { maxVersion: tls.maxVersion }),
        ciphers: tls.ciphers ?? CIPHERS,
        ...(tls.certificate === undefined ? {} : certificateOf(tls.certificate)),
      });
      this.socket.on('secureConnect', () => this.#connected());
    }
    if (http2 === undefined) {
      this.socket.setEncoding('latin1');
      this.socket.on('data', (text: string) => {
        this.received += text;
        this.#wake();
      });
    }
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error));
    this.socket.on('end', () => this.#end());
    this.socket.on('close', () => this.#end());
  }

  send(bytes: string): void {
    if (this.ended === undefined) this.socket.write(bytes, 'latin1');
  }

  reset(): void {
    this.#plain.resetAndDestroy();
  }

  /** Waits for a condition or the connection's end, for a limited time; whether it came true. */
  async until(condition: () => boolean): Promise<boolean> {
    const limit = Date.now() + LIMIT_MS;
    while (!condition()) {
      if (this.ended !== undefined || Date.now() >= limit) return condition();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(limit - Date.now(), 1));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }

  tls(): TlsSeen | undefined {
    if (this.socket === this.#plain || !this.connected) return undefined;
    const socket = this.socket as TLSSocket;
    return {
      protocol: this.#tls?.protocol ?? null,
      cipher: this.#tls?.cipher ?? '',
      alpn: socket.alpnProtocol,
      certificate: this.#tls?.certificate ?? '',
    };
  }

  #tls: { protocol: string | null; cipher: string; certificate: string } | undefined;

  #connected(): void {
    this.connected = true;
    if (this.socket !== this.#plain) {
      const socket = this.socket as TLSSocket;
      const { CN } = socket.getPeerCertificate().subject ?? {};
      this.#tls = { protocol: socket.getProtocol(), cipher: socket.getCipher().standardName, certificate: String(CN) };
    }
    this.#wake();
  }

  #end(error?: NodeJS.ErrnoException): void {
    if (error === undefined) this.ended ??= 'closed';
    else this.ended ??= error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : (error.code ?? error.message);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Just below the ports that the system gives to clients; none that a listener has. */
const CLIENT_PORTS = { from: 31_500, to: 32_767 };
let nextPort = CLIENT_PORTS.from + Math.floor(Math.random() * (CLIENT_PORTS.to - CLIENT_PORTS.from));

/** Connects from a port that no row before had: by its port the access log tells whose a record is. */
async function connectFromOwnPort(port: number): Promise<Socket> {
  for (;;) {
    nextPort = nextPort >= CLIENT_PORTS.to ? CLIENT_PORTS.from : nextPort + 1;
    const socket = connect({ port, host: '127.0.0.1', localPort: nextPort, allowHalfOpen: true, noDelay: true });
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    if (error === undefined) return socket;
    if (error.code !== 'EADDRINUSE' && error.code !== 'EADDRNOTAVAIL') throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
