// Raw sockets for tests: an upstream that answers by script and remembers what it received, and a client that speaks bytes.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** One request as the upstream received it. */
export interface ReceivedRequest {
  /** Request line and header lines, without the empty line. */
  readonly head: readonly string[];
  /** As it came over the wire, framing and all. */
  body: string;
  /** Counts the upstream's connections from 1. */
  readonly connection: number;
}

export interface ScriptedUpstream {
  readonly port: number;
  readonly requests: ReceivedRequest[];
  readonly connections: number;
  close(): Promise<void>;
}

/** `undefined`: the script answers by itself, on the socket. */
export type Script = (request: ReceivedRequest, socket: Socket) => string | undefined;

/** Listens on a free port. Content-Length and chunked request bodies are read before the script is called. */
export async function startUpstream(script: Script): Promise<ScriptedUpstream> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    const connection = connections;
    sockets.add(socket);
    let received = '';
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (text: string) => {
      received += text;
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = received.slice(0, end).split('\r\n');
        const rest = received.slice(end + 4);
        const length = bodyLength(head, rest);
        if (length < 0 || rest.length < length) return;
        received = rest.slice(length);
        const request = { head, body: rest.slice(0, length), connection };
        requests.push(request);
        const answer = script(request, socket);
        if (answer !== undefined) socket.write(answer, 'latin1');
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function bodyLength(head: readonly string[], rest: string): number {
  for (const line of head) {
    const [name, value] = line.toLowerCase().split(': ');
    if (name === 'content-length') return Number(value);
    if (name === 'transfer-encoding') {
      const end = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(rest);
      return end === null ? -1 : end.index + end[0].length;
    }
  }
  return 0;
}

/** A response with a body. */
export function ok(body: string, more = ''): string {
  return `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** A client that sends bytes and waits for bytes. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;
  readonly #waiting = new Set<() => void>();

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    for (const event of ['end', 'close']) {
      this.socket.on(event, () => {
        this.closed = true;
        this.#wake();
      });
    }
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Resolves with all that was received once it holds `text`; rejects when the connection closes before. */
  async until(text: string): Promise<string> {
    while (!this.received.includes(text)) {
      if (this.closed) throw new Error(`closed before ${JSON.stringify(text)}: ${JSON.stringify(this.received)}`);
      await this.#next();
    }
    return this.received;
  }

  /** Resolves with all that was received once the other side closed. */
  async end(): Promise<string> {
    while (!this.closed) await this.#next();
    this.socket.destroy();
    return this.received;
  }

  /** Sends one request with `connection: close` semantics of the caller's making and gives the whole answer. */
  static async ask(port: number, text: string): Promise<string> {
    return new RawClient(port).send(text).end();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
