// Where access log lines go: /dev/stdout, /dev/stderr or a file, buffered and written in the background, bounded in memory.

import type { Logger } from 'pino';

/** One place lines go to. Shared by all loggers that name the same path. */
export interface AccessLogSink {
  /** Takes one whole line, newline included. Never throws, never blocks. */
  write(line: string): void;
}

/** All sinks of one worker. `new FileSinks({ log })` in a worker; tests pass their own. */
export interface AccessLogSinks {
  /**
   * @param path a file, `/dev/stdout` or `/dev/stderr`
   * @throws ConfigError when the file cannot be opened for appending
   */
  open(path: string): AccessLogSink;
}

export interface FileSinksOptions {
  readonly log: Logger;
}
