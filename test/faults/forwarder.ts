// An address that stays while what listens behind it comes and goes: what a Service is to a control plane that is restarted.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Forwards TCP connections. */
export class Forwarder {
  /** Where connections are led now: `host:port`, or nowhere. */
  target: string | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (from) => this.#forward(from));
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(): Promise<Forwarder> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Forwarder(server);
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #forward(from: Socket): void {
    if (this.target === undefined) {
      from.destroy();
      return;
    }
    const [host, port] = this.target.split(':') as [string, string];
    const to = connect({ host, port: Number(port), allowHalfOpen: true });
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy()); // 'close' follows
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    from.pipe(to).pipe(from);
  }
}
