// Numbers for published ports that may be any free one: Envoy is to have the same number at each start, so it can't choose.

import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections (32768 up on Linux, 49152 up elsewhere): none of those takes it meanwhile. */
const FIRST = 20_000;
const COUNT = 12_000;
const MOST_TRIES = 100;

/**
 * A port that is free now.
 * @param random from 0 up to, not including, 1
 * @throws Error where the address can't be bound at all
 */
export async function freePort(address: string, random: () => number = Math.random): Promise<number> {
  let reason: string | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const port = FIRST + Math.floor(random() * COUNT);
    reason = await whyNotBindable(address, port);
    if (reason === undefined) return port;
    if (reason !== 'EADDRINUSE') break;
  }
  throw new Error(`no free port on ${address} (${reason})`);
}

/** Binds for a moment: the errno code why an address can't be had, or undefined. */
export function whyNotBindable(address: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
