// Port forwarding over a SPDY session: each connection of the client is a pair of streams, one for data and one for errors.

import type { Duplex } from 'node:stream';
import { type SpdyStream, serveSpdy } from './spdy/session.ts';

/** Opens a connection to a port of the pod. */
export type ConnectToPod = (port: number) => Promise<Duplex>;

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
}

/** Forwards until the client's connection is over. Never rejects. */
export async function forwardPorts(connection: Duplex, head: Buffer, connect: ConnectToPod): Promise<void> {
  const pairs = new Map<string, Pair>();
  const session = serveSpdy(connection, head, (stream) => {
    const { streamtype, port = '', requestid } = stream.headers;
    if ((streamtype !== 'data' && streamtype !== 'error') || !/^\d{1,5}$/.test(port)) return void stream.destroy();
    // Clients of old send no request ID: the error stream comes first, its data stream next.
    const id = requestid ?? String(streamtype === 'data' ? stream.id - 2 : stream.id);
    const pair: Pair = pairs.get(id) ?? {};
    if (pair[streamtype] !== undefined) return void stream.destroy();
    pair[streamtype] = stream;
    pairs.set(id, pair);
    if (pair.data !== undefined && pair.error !== undefined) {
      pairs.delete(id);
      void join(pair.data, pair.error, Number(port), connect);
    }
  });
  await session.closed;
}

async function join(data: SpdyStream, error: SpdyStream, port: number, connect: ConnectToPod): Promise<void> {
  error.resume(); // the client half-closes it at once
  let upstream: Duplex;
  try {
    upstream = await connect(port);
  } catch (cause) {
    error.end(`error forwarding port ${port}: ${cause instanceof Error ? cause.message : String(cause)}`);
    data.end();
    return;
  }
  upstream.on('error', () => data.destroy());
  data.on('error', () => {});
  data.once('close', () => upstream.destroy());
  upstream.once('close', () => error.end());
  data.pipe(upstream).pipe(data);
}
