// A command in a container and the client that runs it, whatever carries their streams.

import type { Readable, Writable } from 'node:stream';
import { PodAccessError, type RunningCommand } from '../../resources/pod-access.ts';

/** The client's ends of a command's streams. */
export interface CommandStreams {
  stdin?: Readable;
  stdout?: Writable;
  stderr?: Writable;
  /** Terminal sizes, as JSON `{"Width":80,"Height":24}`, one after the other. */
  resize?: Readable;
  /** Sends how it ended and closes everything. */
  finish(status: CommandStatus): void;
  /** Resolves when the client is gone. */
  readonly closed: Promise<void>;
}

/** A Kubernetes Status, as clients read the end of a command. */
export interface CommandStatus {
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: { causes: { reason: string; message: string }[] };
  code?: number;
}

/** Connects a command with its client until one of them is done. Never rejects. */
export async function runCommand(start: () => Promise<RunningCommand>, streams: CommandStreams): Promise<void> {
  let command: RunningCommand;
  try {
    command = await start();
  } catch (error) {
    streams.finish(failure(error));
    return;
  }
  const { stdin, stdout, stderr, resize } = streams;
  for (const stream of [stdin, stdout, stderr, resize, command.stdin, command.stdout, command.stderr]) {
    stream?.on('error', () => {}); // either end may go first
  }
  if (stdin !== undefined && command.stdin !== undefined) stdin.pipe(command.stdin);
  resize?.on('data', (chunk: Buffer) => follow(chunk, command));
  const passed = [forward(command.stdout, stdout), forward(command.stderr, stderr)];
  void streams.closed.then(() => command.kill());
  try {
    const code = await command.exit;
    await Promise.race([Promise.all(passed), streams.closed]);
    streams.finish(exitStatus(code));
  } catch (error) {
    streams.finish(failure(error));
  }
}

/** Resolves when all that the command said has been handed on. */
function forward(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) return Promise.resolve();
  if (to === undefined) from.resume();
  else from.pipe(to, { end: false });
  return new Promise((resolve) => from.once('end', resolve).once('close', resolve));
}

function follow(chunk: Buffer, command: RunningCommand): void {
  for (const line of chunk.toString().split(/(?<=\})/)) {
    try {
      const { Width, Height } = JSON.parse(line) as { Width?: unknown; Height?: unknown };
      if (Number.isInteger(Width) && Number.isInteger(Height)) command.resize?.(Width as number, Height as number);
    } catch {
      // a size that can't be read leaves the terminal as it is
    }
  }
}

function exitStatus(code: number): CommandStatus {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

function failure(error: unknown): CommandStatus {
  const message = error instanceof Error ? error.message : String(error);
  const { reason, code } = error instanceof PodAccessError ? error : new PodAccessError('InternalError', message);
  return { metadata: {}, status: 'Failure', message, reason, code };
}
