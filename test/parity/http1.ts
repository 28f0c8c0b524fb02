// A small, lenient reader of HTTP/1 messages: what came over the wire as values to compare. Strings hold bytes (latin1).

/** A message as it was received. */
export interface Message {
  /** Request line or status line. */
  readonly start: string;
  /** `name: value`, in order, as received. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Whether the body ended as its framing says. */
  readonly complete: boolean;
}

/** How the end of a body is found. */
export interface Framing {
  /** There is none, whatever the headers say. */
  readonly noBody?: boolean;
  /** Without length or chunks it goes on to the connection's end (a response). */
  readonly untilClose?: boolean;
  /** Nothing more will come. */
  readonly closed: boolean;
}

/** The value of a header, by lower-case name. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  const line = headers.find((each) => each.slice(0, each.indexOf(':')).toLowerCase() === name);
  return line?.slice(line.indexOf(':') + 1).trim();
}

/** Whether the last `connection` header asks for the connection's end. */
export function saysClose(message: Message): boolean {
  return /\bclose\b/i.test(headerOf(message.headers, 'connection') ?? '');
}

/**
 * Reads the first message of some bytes.
 * @returns undefined while its head is not complete; `length` is how many bytes it took
 */
export function readMessage(
  bytes: string,
  framing: (start: string, headers: readonly string[]) => Framing,
): { message: Message; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [start = '', ...headers] = bytes.slice(0, end).split('\r\n');
  const rest = bytes.slice(end + 4);
  const how = framing(start, headers);
  const of = (body: string, complete: boolean, length: number, trailers: string[] = []) => ({
    message: { start, headers, body, trailers, complete },
    length: end + 4 + length,
  });
  if (how.noBody) return of('', true, 0);
  if (/\bchunked$/i.test(headerOf(headers, 'transfer-encoding') ?? '')) {
    const { body, trailers, complete, length } = readChunks(rest);
    return of(body, complete, length, trailers);
  }
  const given = headerOf(headers, 'content-length');
  if (given !== undefined) {
    const wanted = Number(given);
    return of(rest.slice(0, wanted), rest.length >= wanted, Math.min(rest.length, wanted));
  }
  return how.untilClose ? of(rest, how.closed, rest.length) : of('', true, 0);
}

function readChunks(bytes: string): { body: string; trailers: string[]; complete: boolean; length: number } {
  let body = '';
  let at = 0;
  const unfinished = () => ({ body, trailers: [], complete: false, length: bytes.length });
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return unfinished();
    const size = Number.parseInt(bytes.slice(at, line), 16);
    if (Number.isNaN(size)) return unfinished();
    at = line + 2;
    if (size === 0) break;
    body += bytes.slice(at, at + size);
    at += size + 2;
    if (at > bytes.length) return unfinished();
  }
  const trailers: string[] = [];
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return unfinished();
    const text = bytes.slice(at, line);
    at = line + 2;
    if (text === '') return { body, trailers, complete: true, length: at };
    trailers.push(text);
  }
}

/** The responses in what a client received. */
export interface Responses {
  readonly all: readonly Message[];
  /** Those that are not 1xx, complete. */
  readonly final: number;
  /** What came after the last, or after `101 Switching Protocols`. */
  readonly rest: string;
}

/** Reads responses to requests with these methods, in turn. */
export function readResponses(received: string, methods: readonly string[], closed: boolean): Responses {
  const all: Message[] = [];
  let final = 0;
  let rest = received;
  while (rest !== '') {
    const method = methods[final];
    const read = readMessage(rest, (start) => {
      const status = Number(start.split(' ')[1]);
      const noBody = method === 'HEAD' || status < 200 || status === 204 || status === 304;
      return { noBody, untilClose: true, closed };
    });
    if (read === undefined) break;
    all.push(read.message);
    rest = rest.slice(read.length);
    const status = statusOf(read.message);
    if (status === 101) return { all, final: final + 1, rest };
    if (!read.message.complete) break;
    if (status >= 200) final += 1;
  }
  return { all, final, rest };
}

/** The status of a response. */
export function statusOf(message: Message): number {
  return Number(message.start.split(' ')[1]);
}
