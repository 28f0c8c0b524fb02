// Writes the requests of one upstream connection, one after the other: head, body in its framing, end.
// What fits goes out in one write, since a system call costs more than a copy.

import type { Writable } from 'node:stream';
import { type HeaderList, headerLines } from '../http/header-list.ts';
import { writeChunk } from '../http/write-chunk.ts';

// Up to here head and body go into one string and one write; larger bodies are written as the buffers they are.
const COPY_BELOW = 4096;

/** The writing half of a connection. */
export class RequestWriter {
  readonly #socket: Writable;
  #chunked = false;
  /** The request is complete. */
  done = false;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** The next request follows. */
  begin(): void {
    this.done = false;
    this.#chunked = false;
  }

  /**
   * Writes a head, with the first (or only) part of its body.
   *
   * @param text the head, complete with its empty line; latin1
   * @param chunked frame `body` and what `writeBody` brings
   * @returns false when the socket's buffer is full
   */
  writeHead(text: string, body: Buffer | undefined, chunked: boolean): boolean {
    const socket = this.#socket;
    this.#chunked = chunked;
    if (body === undefined || body.length === 0) return socket.write(text, 'latin1');
    if (!chunked && body.length <= COPY_BELOW) return socket.write(text + body.toString('latin1'), 'latin1');
    socket.cork();
    socket.write(text, 'latin1');
    const flowing = this.writeBody(body);
    socket.uncork();
    return flowing;
  }

  /** Writes more of the body. @returns as writeHead */
  writeBody(bytes: Buffer): boolean {
    return this.#chunked ? writeChunk(this.#socket, bytes) : this.#socket.write(bytes);
  }

  /** Writes the end of the request. */
  end(trailers: HeaderList | undefined): void {
    if (this.#chunked) this.#socket.write(`0\r\n${trailers === undefined ? '' : headerLines(trailers)}\r\n`, 'latin1');
    this.done = true;
  }
}
