// The Envoys of a run of which every process was killed at once (`pkill -9 limen`), so that none could end them: they hold the ports of the next run.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PID_FILE = 'envoy.pid';
const POLL_MS = 20;
const GONE_MS = 5_000;

/** Where the bootstrap of an instance's Envoy stands: in its command line, and so what tells it from any other process. */
export function bootstrapFileIn(directory: string): string {
  return join(directory, 'bootstrap.json');
}

/** Remembers which process the Envoy is. */
export function recordEnvoy(directory: string, pid: number): void {
  writeFileSync(join(directory, PID_FILE), `${pid}\n`, { mode: 0o600 });
}

/** The Envoy has ended. */
export function forgetEnvoy(directory: string): void {
  rmSync(join(directory, PID_FILE), { force: true });
}

/**
 * Ends what a run before left behind.
 * @param directory with a folder for each Envoy; they go
 * @returns the process ids
 */
export async function endLeftoverEnvoys(directory: string): Promise<number[]> {
  const pids = await Promise.all(foldersIn(directory).map((folder) => endLeftoverEnvoy(join(directory, folder))));
  rmSync(directory, { recursive: true, force: true });
  return pids.filter((pid) => pid !== undefined);
}

function foldersIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // there was no Envoy
  }
}

async function endLeftoverEnvoy(directory: string): Promise<number | undefined> {
  const pid = recordedEnvoy(directory);
  forgetEnvoy(directory);
  if (pid === undefined || !commandOf(pid).includes(bootstrapFileIn(directory))) return undefined;
  const deadline = performance.now() + GONE_MS;
  try {
    process.kill(pid, 'SIGKILL');
    while (performance.now() < deadline && process.kill(pid, 0)) await delay(POLL_MS);
  } catch {
    // gone
  }
  return pid;
}

function recordedEnvoy(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(directory, PID_FILE), 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** The command line of a process; '' where there is none. */
function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return '';
  }
}
