// A pipe with a name, for a child's standard output: Envoy opens /dev/stdout anew for its access log, which works for files, terminals and
// pipes, but not for the sockets that Node.js gives to children as "pipes".

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

/** Both ends. */
export interface Fifo {
  /** For `stdio` of the child; close it with `handOver` once the child has it. */
  readonly fd: number;
  /** What the child writes. Ends when the child and all its children are gone. */
  readonly output: Socket;
  handOver(): void;
}

/**
 * Makes a pipe. Its name is gone again when this returns.
 * @param directory where the name stands for a moment
 * @throws Error where this machine has no `mkfifo`
 */
export function createFifo(directory: string, name: string): Fifo {
  const path = join(directory, name);
  rmSync(path, { force: true });
  execFileSync('mkfifo', ['-m', '600', path]);
  try {
    // The reader first, and without waiting for a writer; then the writer finds one.
    const output = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), writable: false });
    const fd = openSync(path, constants.O_WRONLY);
    return { fd, output, handOver: () => closeSync(fd) };
  } finally {
    rmSync(path, { force: true });
  }
}

/** Whether a child that inherits this process's standard output can open it under `/dev/stdout`. */
export function canOpenStdout(): boolean {
  try {
    closeSync(openSync('/dev/stdout', constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}
