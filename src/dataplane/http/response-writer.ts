// Writes the responses of one HTTP/1 connection, one after the other: status line, headers, framing, body.
// What fits goes out in one write, since a system call costs more than a copy.

import type { Writable } from 'node:stream';
import { type HeaderList, headerLines } from './header-list.ts';
import { statusLine } from './reason-phrases.ts';

// Up to here head and body go into one string and one write; larger bodies are written as the buffers they are.
const COPY_BELOW = 8 * 1024;

/** How the end of a response's body is told. RFC 9112 section 6.3 */
export const Framing = {
  /** By content-length, or by a status that has no body. */
  Told: 0,
  /** There is no body, and nothing said so yet. */
  Empty: 1,
  Chunked: 2,
  /** Envoy marks the body that a HEAD response does not have as chunked. */
  ChunkedHead: 3,
  /** HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
  UntilClose: 4,
} as const;

const FRAMING_LINE: readonly string[] = [
  '',
  'content-length: 0\r\n',
  'transfer-encoding: chunked\r\n',
  'transfer-encoding: chunked\r\n',
  '',
];

/**
 * The framing of a response.
 *
 * @param hasLength there is a content-length
 * @param ended no body follows
 * @returns one of Framing
 */
export function responseFraming(
  status: number,
  hasLength: boolean,
  ended: boolean,
  minorVersion: number,
  toHead: boolean,
): number {
  if (hasLength || status === 204 || status === 304 || status < 200) return Framing.Told;
  if (!ended) return minorVersion === 1 ? Framing.Chunked : Framing.UntilClose;
  if (toHead) return minorVersion === 1 ? Framing.ChunkedHead : Framing.Told;
  return Framing.Empty;
}

/** The writing half of a connection. */
export class ResponseWriter {
  readonly #socket: Writable;
  #minorVersion = 1;
  #toHead = false;
  #chunked = false;
  /** Text not written yet. */
  #held = '';

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** What follows answers a request of this version and method. */
  begin(minorVersion: number, toHead: boolean): void {
    this.#minorVersion = minorVersion;
    this.#toHead = toHead;
  }

  /** Writes an interim response. HTTP/1.0 knows no such thing. */
  writeInformational(status: number, headers: HeaderList): void {
    if (this.#minorVersion === 1) this.#socket.write(`${statusLine(status, 1)}${headerLines(headers)}\r\n`, 'latin1');
  }

  /** Writes the head of a tunnel, with its Connection header in `headers`. */
  writeSwitching(status: 101 | 200, headers: HeaderList): void {
    this.#chunked = false;
    this.#socket.write(`${statusLine(status, this.#minorVersion)}${headerLines(headers)}\r\n`, 'latin1');
  }

  /**
   * Takes the head of a response; it goes out with the first body bytes, or by `flush`.
   *
   * @param close the connection closes after this response
   * @returns `close`, or true where the framing makes it so
   */
  writeHead(status: number, headers: HeaderList, ended: boolean, close: boolean): boolean {
    const minorVersion = this.#minorVersion;
    const framing = responseFraming(status, headers.has('content-length'), ended, minorVersion, this.#toHead);
    const closes = close || framing === Framing.UntilClose;
    this.#chunked = framing === Framing.Chunked;
    let text = statusLine(status, minorVersion) + headerLines(headers);
    if (closes) text += 'connection: close\r\n';
    this.#held = `${text}${FRAMING_LINE[framing]}\r\n`;
    return closes;
  }

  /** Writes body bytes, or holds them while they are few. @returns false when the socket's buffer is full */
  writeBody(bytes: Buffer): boolean {
    const socket = this.#socket;
    const { length } = bytes;
    if (length === 0) return true;
    if (this.#held.length + length < COPY_BELOW) {
      const text = bytes.toString('latin1');
      this.#held += this.#chunked ? `${length.toString(16)}\r\n${text}\r\n` : text;
      return !socket.writableNeedDrain;
    }
    socket.cork();
    if (this.#chunked) this.#held += `${length.toString(16)}\r\n`;
    if (this.#held !== '') socket.write(this.#held, 'latin1');
    this.#held = this.#chunked ? '\r\n' : '';
    socket.write(bytes);
    socket.uncork();
    return !socket.writableNeedDrain;
  }

  /** Writes the end of the body, and whatever was held. */
  writeEnd(trailers: HeaderList | undefined): void {
    if (this.#chunked) {
      this.#held += trailers === undefined ? '0\r\n\r\n' : `0\r\n${headerLines(trailers)}\r\n`;
    }
    this.flush();
  }

  /** Writes a whole response. @param body may hold more than latin1: it comes from configuration */
  writeWhole(status: number, headers: HeaderList, body: string, close: boolean): void {
    this.writeHead(status, headers, true, close);
    const head = this.#held;
    this.#held = '';
    this.#socket.write(head + body, 'utf8');
  }

  /** Writes what is held. */
  flush(): void {
    const text = this.#held;
    if (text === '') return;
    this.#held = '';
    this.#socket.write(text, 'latin1');
  }

  /** The connection is closed: nothing can be written any more. */
  drop(): void {
    this.#held = '';
  }
}
