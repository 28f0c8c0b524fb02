// A `limen up` to measure, and requests to it.

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childrenOf, start, stop, until } from './processes.ts';

const PROGRAM = join(import.meta.dirname, '../bin/limen.js');

/** A running instance. */
export interface Limen {
  process: ChildProcess;
  /** The data plane's process. */
  proxyPid: number;
  /** The published port of Service port 80. */
  port: number;
  /** From the start of the process to `Ready`, milliseconds. */
  readyMs: number;
  stop(): Promise<void>;
}

/** Starts `limen up -f …` with a home of its own and port 80 published on a free port; resolves when it says Ready. */
export async function startLimen(paths: readonly string[], args: readonly string[] = []): Promise<Limen> {
  const home = mkdtempSync(join(tmpdir(), 'limen-bench-'));
  const startedAt = performance.now();
  const files = paths.flatMap((path) => ['-f', path]);
  const child = start(process.execPath, [
    PROGRAM,
    'up',
    ...files,
    '--publish',
    '0:80',
    '--home',
    home,
    '--log-level',
    'warn',
    ...args,
  ]);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  await until('limen up is ready', 60, () => {
    if (child.exitCode !== null) throw new Error(`limen up ended:\n${output}`);
    return /Ready in \d+ ms/.test(output) || undefined;
  });
  const readyMs = performance.now() - startedAt;
  const instance = JSON.parse(readFileSync(join(home, 'instance.json'), 'utf8'));
  return {
    process: child,
    proxyPid: childrenOf(child.pid as number)[0] as number,
    port: instance.proxies[0].published[0].port,
    readyMs,
    async stop() {
      await stop(child);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** One GET; undefined where the connection failed. */
export function get(port: number, host: string, path: string): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent, headers: { host } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}
