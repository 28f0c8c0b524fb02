// Loopback addresses for pods: each instance of Limen has a block 127.A.B.0/24 of its own, and each pod one address in it.

import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** The addresses of one instance. */
export interface AddressPool {
  /** The next address, never given out before by this pool. */
  allocate(): Promise<string>;
  /** Gives the blocks back. */
  close(): Promise<void>;
}

/**
 * Whoever listens on this port of a block's first address owns the block. A bound socket is the one kind of lock that
 * a crash releases. The number is nobody's in the IANA registry.
 */
const MARKER_PORT = 15951;
const MARKER_HOST = 1;
/** The addresses of a block that pods get. */
const FIRST_HOST = 2;
const LAST_HOST = 254;
const TRIES = 256;

/**
 * Takes a block of addresses that no other instance has. The same seed gets the same block as long as it is free, so that
 * addresses stay the same from one start to the next.
 * @param seed what tells this instance from others: its home folder
 * @throws Error when no block can be had
 */
export async function createAddressPool(seed: string): Promise<AddressPool> {
  const markers: Server[] = [];
  let attempt = 0;
  let block = await takeBlock();
  let host = FIRST_HOST;

  async function takeBlock(): Promise<string> {
    for (const last = attempt + TRIES; attempt < last; ) {
      const prefix = blockOf(seed, attempt++);
      const bound = await bind(`${prefix}.${MARKER_HOST}`);
      if (typeof bound !== 'string') {
        markers.push(bound);
        return prefix;
      }
      // macOS has 127.0.0.1 alone unless someone adds the others to lo0.
      if (bound === 'EADDRNOTAVAIL') return '';
    }
    throw new Error(
      `no loopback addresses for pods: port ${MARKER_PORT} is taken on each of ${TRIES} addresses below 127.0.0.0/8. ` +
        `Stop the process that listens on port ${MARKER_PORT} of all addresses (\`ss -ltnp 'sport = :${MARKER_PORT}'\` tells which).`,
    );
  }

  return {
    async allocate() {
      if (block === '') return '127.0.0.1';
      if (host > LAST_HOST) {
        block = await takeBlock();
        host = FIRST_HOST;
      }
      return `${block}.${host++}`;
    },
    async close() {
      await Promise.all(markers.map((marker) => new Promise((resolve) => marker.close(resolve))));
    },
  };
}

/** The block to try at an attempt, as its first three octets. 127.0 stays free: 127.0.0.1 and name resolvers live there. */
function blockOf(seed: string, attempt: number): string {
  const [a = 0, b = 0] = createHash('sha256').update(`${seed}\0${attempt}`).digest();
  return `127.${1 + (a % 254)}.${b}`;
}

/** The bound marker, or the errno code why there is none. It does not keep the process alive. */
function bind(address: string): Promise<Server | string> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port: MARKER_PORT, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}
