// Where access log lines go: /dev/stdout, /dev/stderr or a file, buffered and written in the background, bounded in memory.

import { close, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import type { Logger } from 'pino';
import { ConfigError } from '../connection.ts';

/** One place lines go to. Shared by all loggers that name the same path. */
export interface AccessLogSink {
  /** Takes one whole line, newline included. Never throws, never blocks. */
  write(line: string): void;
}

/** All sinks of one worker. */
export interface AccessLogSinks {
  /**
   * @param path a file, `/dev/stdout` or `/dev/stderr`
   * @throws ConfigError when the file cannot be opened for appending
   */
  open(path: string): AccessLogSink;
}

/** Lines wait at most this long: short enough to look immediate to someone who watches, long enough to write many at once. */
const FLUSH_MS = 25;
/** A batch of this size is written without waiting (the size Envoy flushes at). */
const FLUSH_BYTES = 64 * 1024;
/** Writes of up to this size to a pipe are not mixed with those of the other workers (PIPE_BUF of POSIX on Linux). */
const PIPE_BATCH_BYTES = 4096;
/** What waits for a slow disk or reader; lines beyond it are lost and counted. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
/** A pipe that is full is tried again after this long. */
const RETRY_MS = 20;
/** What is still pending this long after the end was asked for is given up. */
const CLOSE_MS = 2_000;
/** Complaints about one sink are at least this far apart. */
const COMPLAINT_MS = 10_000;

/** The system calls, so that tests can fail them. */
export interface SinkSystem {
  open(path: string): number;
  write(fd: number, bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void;
  writeSync(fd: number, bytes: Buffer): number;
  isPipe(fd: number): boolean;
  close(fd: number): void;
}

const SYSTEM: SinkSystem = {
  // O_NONBLOCK: opening a FIFO that nobody reads must fail, not hang the worker.
  open: (path) =>
    openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK, 0o644),
  write: (fd, bytes, done) => write(fd, bytes, 0, bytes.length, null, done),
  writeSync: (fd, bytes) => writeSync(fd, bytes),
  isPipe: (fd) => fstatSync(fd).isFIFO(),
  close: (fd) => close(fd, () => {}),
};

/** The sinks of a worker by path; each is opened once and stays open. */
export class FileSinks implements AccessLogSinks {
  readonly #sinks = new Map<string, FileSink>();
  readonly #log: Logger;
  readonly #system: SinkSystem;

  constructor(options: { log: Logger; system?: SinkSystem }) {
    this.#log = options.log;
    this.#system = options.system ?? SYSTEM;
  }

  open(path: string): AccessLogSink {
    let sink = this.#sinks.get(path);
    if (sink === undefined) {
      sink = new FileSink(path, this.#log, this.#system);
      this.#sinks.set(path, sink);
    }
    return sink;
  }

  /** Opens every file anew, after they were rotated. A file that cannot be opened keeps its old descriptor. */
  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }

  /** Resolves when everything taken so far is written or given up. */
  async flush(): Promise<void> {
    await Promise.all(Array.from(this.#sinks.values(), (sink) => sink.flush()));
  }

  /** Flushes (for two seconds at most: a reader may have stopped), then closes the files; lines that come later are lost. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.flush(), patience]);
    clearTimeout(timer);
    for (const sink of this.#sinks.values()) sink.close();
    this.#sinks.clear();
  }

  /** Writes out what is pending before the process ends (`process.on('exit')`): the last chance, so it blocks. */
  flushSync(): void {
    for (const sink of this.#sinks.values()) sink.flushSync();
  }
}

class FileSink implements AccessLogSink {
  readonly #path: string;
  readonly #log: Logger;
  readonly #system: SinkSystem;
  readonly #owned: boolean;
  #fd: number;
  #batchBytes: number;
  /** Descriptors to close once the write under way is over. */
  #retired: number[] = [];
  /** Lines not yet encoded. Their length in characters stands for their size. */
  #lines = '';
  /** Encoded batches in the order they are to be written; the first may be partly written. */
  #batches: Buffer[] = [];
  #batchedBytes = 0;
  #writing = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #lastComplaint = Number.NEGATIVE_INFINITY;
  #idle: (() => void)[] = [];

  constructor(path: string, log: Logger, system: SinkSystem) {
    this.#path = path;
    this.#log = log;
    this.#system = system;
    // The process's own streams, whatever they are: opening /dev/stdout by name fails where it is a socket.
    const standard = path === '/dev/stdout' ? 1 : path === '/dev/stderr' ? 2 : undefined;
    this.#owned = standard === undefined;
    try {
      this.#fd = standard ?? system.open(path);
    } catch (error) {
      throw new ConfigError(
        `access log ${path}: cannot be opened for appending (${reason(error)}); name a file in a directory that exists and that this user may write, or /dev/stdout`,
      );
    }
    this.#batchBytes = this.#pipe() ? PIPE_BATCH_BYTES : FLUSH_BYTES;
  }

  #pipe(): boolean {
    try {
      return this.#system.isPipe(this.#fd);
    } catch {
      return false; // a closed standard stream; the first write will say so
    }
  }

  write(line: string): void {
    if (this.#closed) return;
    if (this.#batchedBytes + this.#lines.length + line.length > MAX_PENDING_BYTES) {
      this.#lost += 1;
      this.#complain('too slow to take all lines');
      return;
    }
    // A batch ends between two lines, so that the lines of several workers in one pipe stay whole.
    if (this.#lines.length + line.length > this.#batchBytes) this.#seal();
    this.#lines += line;
    if (this.#batchedBytes > 0) this.#pump();
    else this.#timer ??= setTimeout(() => this.#due(), FLUSH_MS);
  }

  #due(): void {
    this.#timer = undefined;
    this.#seal();
    this.#pump();
  }

  /** Turns the lines so far into a batch. */
  #seal(): void {
    if (this.#lines === '') return;
    const batch = Buffer.from(this.#lines, 'utf8');
    this.#lines = '';
    this.#batches.push(batch);
    this.#batchedBytes += batch.length;
  }

  #pump(): void {
    if (this.#writing) return;
    const batch = this.#batches[0];
    if (batch === undefined) {
      if (this.#lines !== '') this.#timer ??= setTimeout(() => this.#due(), FLUSH_MS);
      else this.#settle();
      return;
    }
    this.#writing = true;
    this.#system.write(this.#fd, batch, (error, written) => {
      this.#writing = false;
      for (const fd of this.#retired.splice(0)) this.#system.close(fd);
      if (error === null) this.#take(written);
      else if (error.code === 'EAGAIN') {
        if (this.#closed) this.#batches.length = 0;
        else {
          this.#timer ??= setTimeout(() => this.#due(), RETRY_MS);
          return;
        }
      } else {
        this.#dropBatch();
        this.#complain(reason(error));
      }
      this.#pump();
    });
  }

  /** The first `written` bytes of the first batch are out. */
  #take(written: number): void {
    const batch = this.#batches[0]!;
    this.#batchedBytes -= written;
    if (written < batch.length) this.#batches[0] = batch.subarray(written);
    else this.#batches.shift();
  }

  /** A disk that is full or a reader that left: these lines are lost, the next may find room. */
  #dropBatch(): void {
    const batch = this.#batches.shift();
    if (batch === undefined) return;
    this.#batchedBytes -= batch.length;
    for (const byte of batch) if (byte === 0x0a) this.#lost += 1;
  }

  #complain(problem: string): void {
    const now = performance.now();
    if (now - this.#lastComplaint < COMPLAINT_MS) return;
    this.#lastComplaint = now;
    this.#log.warn({ path: this.#path, lost: this.#lost, problem }, 'access log lines are lost');
    this.#lost = 0;
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seal();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle.push(resolve);
    this.#pump();
    return promise;
  }

  flushSync(): void {
    this.#seal();
    // A write under way is finished by the thread pool before the process ends; its batch must not be written twice.
    for (const batch of this.#batches.splice(0, this.#batches.length).slice(this.#writing ? 1 : 0)) {
      try {
        this.#system.writeSync(this.#fd, batch);
      } catch {
        break;
      }
    }
    this.#batchedBytes = 0;
    this.#closed = true;
  }

  reopen(): void {
    if (!this.#owned) return;
    try {
      const fd = this.#system.open(this.#path);
      if (this.#writing) this.#retired.push(this.#fd);
      else this.#system.close(this.#fd);
      this.#fd = fd;
    } catch (error) {
      this.#log.warn(
        { path: this.#path, problem: reason(error) },
        'access log cannot be reopened; the old file is kept',
      );
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#owned) this.#system.close(this.#fd);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
