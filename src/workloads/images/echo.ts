// The image `limen/echo`: answers with what it received, exactly as received, and misbehaves on request.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { httpServer, pause, readBody } from './http.ts';
import type { SampleImage } from './image.ts';

/**
 * How to answer. Each name is a query parameter; in capitals with ECHO_ before it (`ECHO_STATUS`) an environment variable
 * that sets it for every request.
 */
const SWITCHES = {
  /** Status code. */
  status: '200',
  /** Milliseconds before the response starts. */
  delay: '0',
  /** Answer with this many bytes of `x` instead of the JSON. */
  size: '',
  /** `Name: value`, may be given several times (in the environment: separated by newlines). */
  header: '',
  /** `before`: close the connection without a response; `reset`: the same with a TCP reset; `middle`: close after half of the body. */
  close: '',
  /** Milliseconds between pieces of the body, 8 of them. */
  slow: '0',
  /** `chunked`: send the body without a content-length. */
  framing: '',
  /** Fail this many requests of one `x-request-id` with `status`, then answer 200. */
  failures: '',
} as const;
type Switch = keyof typeof SWITCHES;

const SLOW_PIECES = 8;

/** What `limen/echo` answers with. */
export interface Echo {
  pod: string;
  method: string;
  /** The request target as it arrived. */
  target: string;
  path: string;
  query: string;
  httpVersion: string;
  /** Names and values in turn, as they arrived. */
  rawHeaders: string[];
  /** By lower-case name, several lines of one name as a list. */
  headers: Record<string, string | string[]>;
  trailers: string[];
  body: string;
  bodyBytes: number;
  remoteAddress: string;
  tls: false;
}

/** Every path and method is answered. */
export const echo: SampleImage = {
  names: ['limen/echo'],
  defaultPort: () => 8080,
  samplePath: '/',
  createServer(context) {
    const failed = new Map<string, number>();
    return httpServer(context, async (request, response, { pathname, search, searchParams }) => {
      const values = (name: Switch): string[] => {
        const given = searchParams.getAll(name);
        if (given.length > 0) return given;
        return (context.env[`ECHO_${name.toUpperCase()}`] ?? SWITCHES[name]).split('\n');
      };
      const value = (name: Switch): string => values(name)[0] ?? '';

      if (value('close') === 'before') return void request.socket.destroy();
      if (value('close') === 'reset') return void request.socket.resetAndDestroy();
      const body = await readBody(request);
      await pause(Number(value('delay')));
      let status = Number(value('status'));
      if (value('failures') !== '') {
        const id = String(request.headers['x-request-id']);
        const count = failed.get(id) ?? 0;
        if (failed.size > 10_000) failed.clear();
        failed.set(id, count + 1);
        if (count >= Number(value('failures'))) status = 200;
      }
      const answer: Echo = {
        pod: context.podName,
        method: request.method ?? '',
        target: request.url ?? '',
        path: pathname,
        query: search,
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        headers: headersOf(request),
        trailers: request.rawTrailers,
        body: body.toString(),
        bodyBytes: body.length,
        remoteAddress: request.socket.remoteAddress ?? '',
        tls: false,
      };
      const sized = value('size') !== '';
      const payload = sized ? Buffer.alloc(Number(value('size')), 'x') : Buffer.from(`${JSON.stringify(answer)}\n`);
      response.setHeader('content-type', sized ? 'text/plain' : 'application/json');
      for (const line of values('header').filter((text) => text.includes(':'))) {
        const colon = line.indexOf(':');
        response.appendHeader(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
      }
      if (value('framing') !== 'chunked' && status >= 200 && status !== 204 && status !== 304)
        response.setHeader('content-length', payload.length);
      response.writeHead(status);
      await writeBody(request, response, payload, { slowMs: Number(value('slow')), cut: value('close') === 'middle' });
    });
  },
};

function headersOf(request: IncomingMessage): Echo['headers'] {
  return Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values = []]) => [
      name,
      values.length === 1 ? (values[0] as string) : values,
    ]),
  );
}

async function writeBody(
  request: IncomingMessage,
  response: ServerResponse,
  payload: Buffer,
  how: { slowMs: number; cut: boolean },
): Promise<void> {
  if (how.cut) {
    response.write(payload.subarray(0, payload.length >> 1), () => request.socket.destroy());
    return;
  }
  if (how.slowMs > 0) {
    const piece = Math.max(Math.ceil(payload.length / SLOW_PIECES), 1);
    for (let offset = 0; offset < payload.length && !response.destroyed; offset += piece) {
      response.write(payload.subarray(offset, offset + piece));
      await pause(how.slowMs);
    }
    response.end();
    return;
  }
  response.end(payload);
}
