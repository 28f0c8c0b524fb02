// Upgrades of Kubernetes' streaming requests to SPDY/3.1: what kubectl falls back to, and what istioctl and older clients speak.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { CommandStreams } from './command-session.ts';
import { type SpdyStream, serveSpdy } from './spdy/session.ts';

const COMMAND_PROTOCOL = 'v4.channel.k8s.io';
export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
/** How long a client may take to open the streams its request speaks of. */
const STREAM_CREATION_MS = 30_000;

/** Which streams a command has, by its request's query. */
export interface CommandQuery {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Does the request ask for SPDY? */
export function asksForSpdy({ headers }: IncomingMessage): boolean {
  return /^spdy\/3\.1$/i.test(headers.upgrade ?? '');
}

/** Answers the upgrade for a command. Undefined when the client is not to be understood: it has been told then. */
export async function upgradeCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  query: CommandQuery,
): Promise<CommandStreams | undefined> {
  if (!accept(request, socket, COMMAND_PROTOCOL)) return undefined;
  const wanted = ['error'];
  if (query.stdin) wanted.push('stdin');
  if (query.stdout) wanted.push('stdout');
  if (query.stderr && !query.tty) wanted.push('stderr');
  if (query.tty) wanted.push('resize');
  const streams = new Map<string, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const session = serveSpdy(socket, head, (stream) => {
    const type = stream.headers.streamtype ?? '';
    if (!wanted.includes(type) || streams.has(type)) return void stream.destroy();
    streams.set(type, stream);
    if (streams.size === wanted.length) complete.resolve();
  });
  const patience = new AbortController();
  const isComplete = await Promise.race([
    complete.promise.then(() => true),
    session.closed.then(() => false),
    delay(STREAM_CREATION_MS, false, { signal: patience.signal }).catch(() => false),
  ]);
  patience.abort();
  if (!isComplete) {
    session.close();
    return undefined;
  }
  const of = (type: string) => streams.get(type);
  return {
    ...(query.stdin && { stdin: of('stdin') as SpdyStream }),
    ...(query.stdout && { stdout: of('stdout') as SpdyStream }),
    ...(query.stderr && !query.tty && { stderr: of('stderr') as SpdyStream }),
    ...(query.tty && { resize: of('resize') as SpdyStream }),
    closed: session.closed,
    finish(status) {
      for (const type of ['stdout', 'stderr']) of(type)?.end();
      of('error')?.end(JSON.stringify(status), () => session.close());
    },
  };
}

/** Answers the upgrade; false when the client speaks none of our protocols and was told so. */
export function accept({ headers }: IncomingMessage, socket: Duplex, protocol: string): boolean {
  const offered = [headers['x-stream-protocol-version'] ?? []].flat().flatMap((value) => value.split(/\s*,\s*/));
  if (offered.length > 0 && !offered.includes(protocol)) {
    const text = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocol}]\n`;
    socket.end(
      `HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n` +
        `x-accepted-stream-protocol-versions: ${protocol}\r\n\r\n${text}`,
    );
    return false;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: ${protocol}\r\n\r\n`,
  );
  return true;
}
