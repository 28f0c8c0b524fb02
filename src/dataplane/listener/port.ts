// A bound port and what is behind it now: a listener, or nothing, and then a connection is closed at once.

import { createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, explainBindError } from '../config/endpoint.ts';
import { ConfigError } from '../connection.ts';

/** Takes accepted, paused sockets. */
export interface SocketHandler {
  accept(socket: Socket): void;
}

/** Connections that the kernel keeps for us while we are busy; its own limit (net.core.somaxconn, mostly 4096) applies too. */
const BACKLOG = 4096;

/** One listening socket. In a cluster worker the socket is shared with the other workers. */
export class Port {
  /** As bound: the port is the chosen one where 0 was asked for. */
  readonly endpoint: Endpoint;
  handler: SocketHandler | undefined;
  readonly #server: Server;

  private constructor(endpoint: Endpoint, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
    // Accept errors (too many open files) leave the socket listening; the connection is lost, the process is not.
    server.on('error', () => {});
    server.on('connection', (socket) => {
      if (this.handler !== undefined) return this.handler.accept(socket);
      socket.on('error', () => {});
      socket.destroy();
    });
  }

  /**
   * @param reusePort whether other processes that say so too may bind it beside (each worker has a socket of its own then)
   * @throws ConfigError that says why it can't be bound, and what to do
   */
  static async bind(endpoint: Endpoint, reusePort = false): Promise<Port> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new ConfigError(explainBindError(endpoint, error.code ?? error.message))),
    );
    // `::` alone, not IPv4 as well: Envoy's ipv4_compat is off by default, and `0.0.0.0` may be bound beside it.
    server.listen(
      { host: endpoint.host, port: endpoint.port, backlog: BACKLOG, ipv6Only: endpoint.host === '::', reusePort },
      resolve,
    );
    await promise;
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : endpoint.port;
    return new Port({ host: endpoint.host, port }, server);
  }

  /** Accepts no more; connections stay. Resolves once the port is free. */
  close(): Promise<void> {
    // The callback of close() waits for connections; the listening socket itself is closed at once. In a cluster worker the primary closes it.
    this.#server.close();
    return Promise.resolve();
  }
}
