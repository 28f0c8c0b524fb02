// The upstreams of the mesh: scripted by the row that runs, they remember every request byte by byte.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type Message, readMessage } from './http1.ts';
import { type Answer, answer } from './row.ts';

/** A request that arrived at an upstream. */
export interface Attempt {
  readonly upstream: string;
  readonly request: Message;
}

/** Names of upstreams that speak HTTP, those that echo bytes, the one that speaks TLS, and the port where nobody listens. */
export const HTTP_UPSTREAMS = ['a', 'b', 'v1', 'v2'] as const;
export const TCP_UPSTREAMS = ['tcp', 'tcp2'] as const;

/** All upstreams of a run. */
export class Upstreams {
  /** By name. */
  readonly ports = new Map<string, number>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #answers: readonly Answer[] = [];
  #attempts: { upstream: string; request: () => Message }[] = [];
  #waiting: (() => void)[] = [];

  static async start(tls: { cert: string; key: string }): Promise<Upstreams> {
    const upstreams = new Upstreams();
    for (const name of HTTP_UPSTREAMS)
      await upstreams.#listen(
        name,
        createServer((socket) => upstreams.#serveHttp(name, socket)),
      );
    for (const name of TCP_UPSTREAMS)
      await upstreams.#listen(
        name,
        createServer({ allowHalfOpen: true }, (socket) => upstreams.#serveTcp(name, socket)),
      );
    const options = { ...tls, ALPNProtocols: ['http/1.1'] };
    await upstreams.#listen(
      'tls',
      createTlsServer(options, (socket) => upstreams.#serveHttp('tls', socket)),
    );
    const refused = createServer();
    await upstreams.#listen('refused', refused);
    await new Promise((resolve) => refused.close(resolve));
    return upstreams;
  }

  /** Forgets what was and answers in this way from now on. */
  script(answers: readonly Answer[]): void {
    this.#answers = answers;
    this.#attempts = [];
  }

  /** What arrived since. */
  attempts(): Attempt[] {
    return this.#attempts.map(({ upstream, request }) => ({ upstream, request: request() }));
  }

  /** Resolves once so many requests arrived since. */
  async arrived(count: number): Promise<void> {
    while (this.#attempts.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(name: string, server: Server): Promise<void> {
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    this.ports.set(name, (server.address() as AddressInfo).port);
    if (name !== 'refused') this.#servers.push(server);
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  #serveHttp(name: string, socket: Socket): void {
    let received = '';
    /** The request under way: what it is so far, and how to answer it. */
    let current: { message: Message; answer: Answer; answered: boolean } | undefined;
    let tunnel = false;
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => {
      if (tunnel) return void socket.write(text, 'latin1');
      received += text;
      for (;;) {
        const read = readMessage(received, () => ({ closed: false }));
        if (read === undefined) return;
        if (current === undefined) {
          const scripted = this.#answers[Math.min(this.#attempts.length, this.#answers.length - 1)];
          const request = { message: read.message, answer: scripted ?? ok(name), answered: false };
          current = request;
          this.#attempts.push({ upstream: name, request: () => request.message });
          if (typeof request.answer !== 'string' && request.answer.first !== undefined)
            socket.write(request.answer.first, 'latin1');
          for (const wake of this.#waiting.splice(0)) wake();
        }
        current.message = read.message;
        const early = typeof current.answer !== 'string' && current.answer.after === 'head';
        if (!current.answered && (early || read.message.complete)) {
          current.answered = true;
          tunnel = this.#answer(current.answer, socket, read.message);
        }
        if (!read.message.complete) return;
        received = received.slice(read.length);
        current = undefined;
      }
    });
  }

  #answer(how: Answer, socket: Socket, request: Message): boolean {
    const { bytes = '', delay = 0, ending = undefined } = typeof how === 'string' ? { bytes: how } : how;
    const head = request.start.startsWith('HEAD ') && typeof how === 'string';
    const text = head ? bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4) : bytes;
    const act = () => {
      if (text !== '') socket.write(text, 'latin1', () => finish());
      else finish();
    };
    const finish = () => {
      if (ending === 'close') socket.end();
      if (ending === 'reset') socket.resetAndDestroy();
    };
    if (delay > 0) setTimeout(act, delay);
    else act();
    return ending === 'echo';
  }

  #serveTcp(name: string, socket: Socket): void {
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => socket.write(`${name}:${text}`, 'latin1'));
    socket.on('end', () => socket.end());
  }
}

/** What an upstream answers without a script. */
function ok(name: string): string {
  return answer('200 OK', `${name}\n`, { 'content-type': 'text/plain' });
}
