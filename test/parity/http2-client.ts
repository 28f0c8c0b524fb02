// The client of a row that speaks HTTP/2: sends the row's requests one after the other as streams of one connection, and notes what comes back.

import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { type Message, readMessage } from './http1.ts';

/** What came of the requests. */
export interface StreamsSeen {
  /** In the order of the requests, interim ones before the final one. */
  readonly responses: readonly Message[];
  /** The codes of streams that did not end by themselves. */
  readonly resets: string;
  /** `open` where another request would be answered, `closed`, or `silent`: nothing came in time. */
  readonly connection: string;
}

/** Headers that HTTP/2 says in another way, or not at all. RFC 9113 section 8.2.2 */
const NOT_IN_HTTP2: ReadonlySet<string> = new Set(['host', 'connection', 'transfer-encoding']);

/**
 * Asks over a connection, and once more to see whether it is still open.
 *
 * @param socket connected; with TLS, ALPN has chosen h2
 * @param requests messages of HTTP/1.1, whole
 */
export async function askHttp2(
  socket: Socket,
  requests: readonly string[],
  probe: string,
  limitMs: number,
): Promise<StreamsSeen> {
  // The scheme is what Node's client sends as :scheme; the host nobody sees.
  const scheme = 'encrypted' in socket ? 'https' : 'http';
  const session = connect(`${scheme}://gateway.invalid`, { createConnection: () => socket });
  session.on('error', () => undefined);
  const responses: Message[] = [];
  const resets: string[] = [];
  try {
    for (const text of requests) {
      const answer = await ask(session, text, limitMs);
      if (answer === 'silent') return { responses, resets: resets.join(' '), connection: 'silent' };
      responses.push(...answer.messages);
      if (answer.code !== 0) resets.push(String(answer.code));
    }
    const open = !session.closed && !session.destroyed && (await ask(session, probe, limitMs));
    const answered = typeof open === 'object' && open.messages.length > 0;
    return {
      responses,
      resets: resets.join(' '),
      connection: answered ? 'open' : open === 'silent' ? 'silent' : 'closed',
    };
  } finally {
    session.destroy();
  }
}

function ask(
  session: ClientHttp2Session,
  text: string,
  limitMs: number,
): Promise<{ messages: Message[]; code: number } | 'silent'> {
  const read = readMessage(text, () => ({ closed: true }));
  if (read === undefined) throw new Error(`no request: ${text}`);
  const { body, trailers } = read.message;
  const stream = session.request(streamHeaders(read.message), {
    endStream: body === '' && trailers.length === 0,
    waitForTrailers: trailers.length > 0,
  });
  stream.on('wantTrailers', () => stream.sendTrailers(asObject(trailers)));
  if (body !== '' || trailers.length > 0) stream.end(body, 'latin1');
  const interim: Message[] = [];
  let start = '';
  let received: readonly string[] = [];
  let ending: readonly string[] = [];
  let answer = '';
  let ended = false;
  stream.setEncoding('latin1');
  // The last argument holds the headers as they came: Node's documentation calls it rawHeaders.
  stream.on('headers', (fields, _flags, list?: string[]) => {
    const message = { start: `HTTP/2 ${fields[':status']}`, headers: lines(list ?? []), body: '', trailers: [] };
    interim.push({ ...message, complete: true });
  });
  stream.on('response', (fields, _flags, list?: string[]) => {
    start = `HTTP/2 ${fields[':status']}`;
    received = lines(list ?? []);
  });
  stream.on('trailers', (_fields, _flags, list?: string[]) => {
    ending = lines(list ?? []);
  });
  stream.on('data', (piece: string) => {
    answer += piece;
  });
  stream.on('end', () => {
    ended = true;
  });
  stream.on('error', () => undefined);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silent'), limitMs);
    stream.on('close', () => {
      clearTimeout(timer);
      const code = stream.rstCode ?? 0;
      const complete = ended && code === 0;
      const final: Message[] =
        start === '' ? [] : [{ start, headers: received, body: answer, trailers: ending, complete }];
      resolve({ messages: [...interim, ...final], code });
    });
  });
}

function streamHeaders({ start, headers }: Message): OutgoingHttpHeaders {
  const [method = '', target = ''] = start.split(' ');
  // A target in absolute-form says the scheme, which need not be the connection's.
  const [, scheme, path = target] = /^([a-zA-Z]+):\/\/[^/]+(.*)$/.exec(target) ?? [];
  const authority = headers.find((line) => /^host:/i.test(line))?.slice('host:'.length);
  const said = headers.filter((line) => !NOT_IN_HTTP2.has(nameOf(line)));
  return {
    ':method': method,
    ':path': path,
    ...(scheme === undefined ? {} : { ':scheme': scheme }),
    ...(authority === undefined ? {} : { ':authority': authority.trim() }),
    ...asObject(said),
  };
}

// Several lines of one name are a list.
function asObject(headerLines: readonly string[]): OutgoingHttpHeaders {
  const contentOf = (line: string) => line.slice(line.indexOf(':') + 1).trim();
  const byName = Object.entries(Object.groupBy(headerLines, nameOf));
  return Object.fromEntries(
    byName.map(([name, found = []]) => [name, found.length > 1 ? found.map(contentOf) : contentOf(found.join())]),
  );
}

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(':')).toLowerCase();
}

// `name: value` of a list of names and values, without pseudo-headers.
function lines(list: readonly string[]): string[] {
  const found: string[] = [];
  for (let at = 0; at < list.length; at += 2) if (list[at]?.[0] !== ':') found.push(`${list[at]}: ${list[at + 1]}`);
  return found;
}
