// The servers of one running pod: listening on its address, and gone without dropping what is under way.

import { Server as HttpServer, type ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';

/** A server that listens. */
export interface ListeningServer {
  readonly port: number;
  /** Takes no new connection and resolves when the last request and connection is done; `cut` ends those that remain. */
  close(cut: AbortSignal): Promise<void>;
}

/** Starts listening; port 0 is any free one. Rejects with the socket's error (`code` EADDRINUSE, EACCES, …). */
export function listen(server: Server, ip: string, port: number): Promise<ListeningServer> {
  const sockets = new Set<Socket>();
  let closing = false;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  if (server instanceof HttpServer) {
    server.on('request', (_request, response: ServerResponse) => {
      response.on('close', () => {
        if (closing) setImmediate(() => server.closeIdleConnections());
      });
    });
  }
  const close = (cut: AbortSignal) =>
    new Promise<void>((resolve) => {
      closing = true;
      const destroy = () => {
        for (const socket of sockets) socket.destroy();
      };
      server.close(() => {
        cut.removeEventListener('abort', destroy);
        resolve();
      });
      if (server instanceof HttpServer) server.closeIdleConnections();
      if (cut.aborted) destroy();
      else cut.addEventListener('abort', destroy);
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: ip, port, exclusive: true }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve({ port: typeof address === 'object' && address !== null ? address.port : port, close });
    });
  });
}
