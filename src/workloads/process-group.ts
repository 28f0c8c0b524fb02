// Processes that lead a group: how they end, and ending them with all they started.

import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

/** The exit code of a child: 128 + the signal's number where one ended it, 127 where it could not be started. Waits for its output. */
export function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => {
      if (child.pid === undefined) resolve(127);
    });
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL'); // what it started goes with it, and lets go of its output
      const result = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      child.once('close', () => resolve(result));
    });
  });
}

/** Ends a child that leads a group: SIGTERM, and SIGKILL for what is left after `graceMs`. Resolves when it is gone. */
export async function stopGroup(child: ChildProcess, exit: Promise<number>, graceMs: number): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return void (await exit);
  if (graceMs > 0) signalGroup(pid, 'SIGTERM');
  const force = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
  await exit;
  clearTimeout(force);
}

/** Sends a signal to all processes of a group; nothing happens when none is left. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // nothing is left of it
  }
}
