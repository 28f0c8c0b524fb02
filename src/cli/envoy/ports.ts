// Published ports: numbers for those that may be any free one (all pods of a Service are to have the same, at each start), and reservations,
// since a port is bound only when there is a listener for it, and until then nobody could tell that it is spoken for.

import { createSocket } from 'node:dgram';
import { createServer, isIP } from 'node:net';

/** Below the ports that systems give to outgoing connections (32768 up on Linux, 49152 up elsewhere): none of those takes it meanwhile. */
const FIRST = 20_000;
const COUNT = 12_000;
const MOST_TRIES = 100;

/** A reserved port. */
export interface Reservation {
  release(): Promise<void>;
}

/**
 * Reserves a port among the instances of Limen on this machine: by its UDP number, which a gateway of HTTP and TCP leaves alone.
 * @returns undefined where another has reserved it. The reservation ends with this process, which it does not keep alive.
 */
export async function reservePort(address: string, port: number): Promise<Reservation | undefined> {
  const socket = createSocket({ type: isIP(address) === 6 ? 'udp6' : 'udp4', reuseAddr: false });
  socket.unref();
  const bound = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind({ address, port, exclusive: true }, () => resolve(true));
  });
  if (!bound) {
    socket.close();
    return undefined;
  }
  socket.on('error', () => {});
  return { release: () => new Promise((resolve) => socket.close(resolve)) };
}

/** Whether another instance has reserved a port. */
export async function isReserved(address: string, port: number): Promise<boolean> {
  const reservation = await reservePort(address, port);
  await reservation?.release();
  return reservation === undefined;
}

/**
 * A port that is free now, and reserved from now on, to the end of this process.
 * @param random from 0 up to, not including, 1
 * @throws Error where the address can't be bound at all
 */
export async function freePort(address: string, random: () => number = Math.random): Promise<number> {
  let reason = 'EADDRINUSE';
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const port = FIRST + Math.floor(random() * COUNT);
    const taken = await whyNotBindable(address, port);
    if (taken === undefined) {
      if ((await reservePort(address, port)) !== undefined) return port;
    } else if (taken !== 'EADDRINUSE') {
      reason = taken;
      break;
    }
  }
  throw new Error(`no free port on ${address} (${reason})`);
}

/** This port of a pod's address; another one where pods have one address for all of them (macOS), or somebody listens on all addresses. */
export async function portOrFree(address: string, port: number): Promise<number> {
  return (await whyNotBindable(address, port)) === undefined ? port : await freePort(address);
}

/** Binds for a moment: the errno code why an address can't be had, or undefined. */
export function whyNotBindable(address: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
