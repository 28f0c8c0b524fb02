// Commands beside a container that is a process of this machine: a process with the container's environment.

import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { PassThrough } from 'node:stream';
import type { RunningCommand } from '../../resources/pod-access.ts';
import { exitOf, signalGroup } from '../process-group.ts';

/** What a command runs beside. */
export interface CommandSurroundings {
  env: Readonly<Record<string, string>>;
  /** The process that leads the container: `ps` shows it and what it started. */
  pid: number | undefined;
  terminal: boolean;
}

/** Where programs are, for containers that don't say. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Starts a command.
 *
 * @throws Error for the user (rejects) when there is no such program, or no terminal to be had
 */
export async function runCommand(
  command: readonly string[],
  { env, pid, terminal }: CommandSurroundings,
): Promise<RunningCommand> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('you must specify at least one command for the container');
  const isPs = basename(program) === 'ps';
  // `ps` alone lists the processes of its terminal, and here there is none.
  const words = isPs && args.length === 0 ? [program, '-e'] : [program, ...args];
  const [file, ...rest] = terminal ? ['script', '-qefc', words.map(quoted).join(' '), '/dev/null'] : words;
  const child = spawn(file as string, rest, {
    detached: true,
    stdio: 'pipe',
    env: { PATH: process.env.PATH ?? PATH, ...(terminal ? { TERM: 'xterm', SHELL: '/bin/sh' } : {}), ...env },
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      reject(
        new Error(
          missing && terminal
            ? 'there is no program "script" (util-linux) on this machine, which a terminal takes: leave -t out'
            : missing
              ? `exec: "${program}": executable file not found in $PATH`
              : `exec: "${program}": ${error.message}`,
        ),
      );
    });
  });
  child.stdin.on('error', () => {}); // a command that does not read to the end
  const leader = child.pid as number;
  return {
    stdin: child.stdin,
    stdout: isPs && pid !== undefined ? child.stdout.pipe(onlyProcessesOf(pid, leader)) : child.stdout,
    ...(terminal ? {} : { stderr: child.stderr }),
    ...(terminal ? { resize: (columns: number, rows: number) => resizeTerminal(leader, columns, rows) } : {}),
    exit: exitOf(child),
    kill: () => signalGroup(leader, 'SIGKILL'),
  };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The lines of `ps` for processes below these; its heading says in which column the number stands. Without one, all lines. */
function onlyProcessesOf(...roots: number[]): PassThrough {
  const filter = new PassThrough();
  const chunks: Buffer[] = [];
  filter._transform = (chunk: Buffer, _encoding, done) => {
    chunks.push(chunk);
    done();
  };
  filter._flush = (done) => {
    const [heading = '', ...lines] = Buffer.concat(chunks).toString().split('\n');
    const column = heading.trim().split(/\s+/).indexOf('PID');
    const isBelow = (line: string) => descendsFrom(Number(line.trim().split(/\s+/)[column]), roots);
    const kept = column === -1 ? lines : lines.filter((line) => line === '' || isBelow(line));
    done(null, [heading, ...kept].join('\n'));
  };
  return filter;
}

/** Whether a process is one of these or was started by one. */
function descendsFrom(pid: number, roots: readonly number[]): boolean {
  for (let current = pid; current > 1; current = parentOf(current)) if (roots.includes(current)) return true;
  return false;
}

/** The parent of a process; 0 where it is gone, or the system has no /proc. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

/** Tells the terminal that `script` made its size: `stty` on the other side of it. */
function resizeTerminal(script: number, columns: number, rows: number): void {
  try {
    const child = readFileSync(`/proc/${script}/task/${script}/children`, 'utf8').trim().split(' ')[0];
    const device = readlinkSync(`/proc/${child}/fd/0`);
    if (!device.startsWith('/dev/pts/')) return;
    spawn('stty', ['-F', device, 'cols', String(columns), 'rows', String(rows)], { stdio: 'ignore' }).on(
      'error',
      () => {},
    );
  } catch {
    // it has just ended, or the system has no /proc: the size stays
  }
}
