// What a container wrote, line by line with the time, as much as fits: `kubectl logs` reads it, and follows it.

import { Readable } from 'node:stream';
import type { LogOptions } from '../../resources/pod-access.ts';

interface Line {
  time: number;
  /** With its newline, which only a last line that is still being written lacks. */
  text: Buffer;
}

/** How much a container's log holds; the oldest lines go first. A kubelet rotates at 10 MiB a file; here it is memory. */
const MAX_BYTES = 1024 * 1024;
/** A line longer than this is cut into several, as container runtimes do (16 KiB). */
const MAX_LINE = 16 * 1024;
const NEWLINE = 10;

/** The log of one run of a container. */
export class ContainerLog {
  readonly #clock: () => number;
  readonly #lines: Line[] = [];
  readonly #readers = new Set<(line: Line | undefined) => void>();
  #bytes = 0;
  /** The beginnings of lines that have no newline yet, by stream. */
  readonly #partial = new Map<string, Buffer>();
  #ended = false;

  /** @param clock milliseconds since the epoch */
  constructor(clock: () => number = Date.now) {
    this.#clock = clock;
  }

  /** Adds output. Lines of stdout and stderr stay whole. */
  write(chunk: Buffer | string, stream: 'stdout' | 'stderr'): void {
    let rest = Buffer.concat([this.#partial.get(stream) ?? Buffer.alloc(0), Buffer.from(chunk)]);
    for (;;) {
      const end = rest.indexOf(NEWLINE);
      const length = end === -1 ? MAX_LINE : Math.min(end + 1, MAX_LINE);
      if (end === -1 && rest.length < MAX_LINE) break;
      const text = Buffer.from(rest.subarray(0, length));
      this.#add(end !== -1 && length === end + 1 ? text : Buffer.concat([text, Buffer.from('\n')]));
      rest = rest.subarray(length);
    }
    this.#partial.set(stream, Buffer.from(rest));
  }

  /** The container has ended: nothing more comes. */
  end(): void {
    if (this.#ended) return;
    for (const text of this.#partial.values()) if (text.length > 0) this.#add(text);
    this.#partial.clear();
    this.#ended = true;
    for (const reader of [...this.#readers]) reader(undefined);
  }

  /** The lines asked for, and those that come if it follows. */
  read({ follow, timestamps, tailLines, limitBytes, since }: Omit<LogOptions, 'previous'>): Readable {
    const wanted = this.#lines.filter(({ time }) => since === undefined || time >= since);
    const lines = tailLines === undefined ? wanted : wanted.slice(Math.max(wanted.length - tailLines, 0));
    let left = limitBytes ?? Number.POSITIVE_INFINITY;
    const stream = new Readable({
      read: () => {},
      destroy: (error, done) => {
        this.#readers.delete(give);
        done(error);
      },
    });
    const give = (line: Line | undefined) => {
      if (line !== undefined && left > 0) {
        const bytes = timestamps
          ? Buffer.concat([Buffer.from(`${new Date(line.time).toISOString()} `), line.text])
          : line.text;
        stream.push(bytes.subarray(0, Math.min(bytes.length, left)));
        left -= bytes.length;
      }
      if (line === undefined || left <= 0) {
        this.#readers.delete(give);
        stream.push(null);
      } else if (stream.readableLength > MAX_BYTES) {
        // Somebody who does not read must not cost memory without end.
        stream.destroy(new Error('the reader is too slow for this log'));
      }
    };
    for (const line of lines) if (left > 0) give(line);
    if (left > 0 && (!follow || this.#ended)) give(undefined);
    else if (left > 0) this.#readers.add(give);
    return stream;
  }

  #add(text: Buffer): void {
    const line = { time: this.#clock(), text };
    this.#lines.push(line);
    this.#bytes += text.length;
    let gone = 0;
    while (this.#bytes > MAX_BYTES) this.#bytes -= this.#lines[gone++]?.text.length ?? 0;
    if (gone > 0) this.#lines.splice(0, gone);
    for (const reader of [...this.#readers]) reader(line);
  }
}
