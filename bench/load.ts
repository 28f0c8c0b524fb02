// Requests to a proxy: as many as it takes, and a fixed number a second.

import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Peer } from './peers.ts';
import { cpuSeconds } from './processes.ts';

const HOST = 'bench.example';
const PATH = '/api/catalog/items?page=1';

/** How HTTP/2 is asked. */
export const STREAMS = { connections: 16, streams: 10, requests: 20_000 };

/** What a proxy did at its limit. */
export interface Saturated {
  perSecond: number;
  perCpuSecond: number;
}

/** What a proxy did at a rate far below its limit. Latencies in milliseconds; `cpu`: how busy it was, percent of one core. */
export interface Paced {
  p50: number;
  p99: number;
  cpu: number;
}

/** A load that a proxy is asked to take as fast as it can. Throws where an answer is not a 2xx. */
export type Load = (peer: Peer) => Promise<Saturated>;

/** HTTP/1.1: keep-alive connections that ask without a pause (wrk). */
export function http1Load({ tls, connections, seconds }: { tls: boolean; connections: number; seconds: number }): Load {
  return (peer) =>
    measured(peer, async () => {
      const flags = ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', `Host: ${HOST}`];
      const url = tls ? `https://127.0.0.1:${peer.tlsPort}${PATH}` : `http://127.0.0.1:${peer.port}${PATH}`;
      const { stdout } = await promisify(execFile)('wrk', [...flags, url]);
      const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
      return { stdout, requests: /Non-2xx|Socket errors/.test(stdout) ? 0 : requests };
    });
}

/** HTTP/2, by prior knowledge or over TLS: connections with streams that ask without a pause (h2load). */
export function http2Load({ tls, ...load }: { tls: boolean } & typeof STREAMS): Load {
  return (peer) =>
    measured(peer, async () => {
      const { stdout } = await promisify(execFile)('h2load', [
        ...[`--clients=${load.connections}`, `--max-concurrent-streams=${load.streams}`, `--requests=${load.requests}`],
        `--connect-to=127.0.0.1:${tls ? peer.tlsPort : (peer.http2Port ?? peer.port)}`,
        `${tls ? 'https' : 'http'}://${HOST}${PATH}`,
      ]);
      return { stdout, requests: stdout.includes(`status codes: ${load.requests} 2xx`) ? load.requests : 0 };
    });
}

async function measured(
  { name, pid }: Peer,
  run: () => Promise<{ stdout: string; requests: number }>,
): Promise<Saturated> {
  const before = cpuSeconds(pid);
  const startedAt = performance.now();
  const { stdout, requests } = await run();
  const seconds = (performance.now() - startedAt) / 1000;
  if (requests === 0) throw new Error(`${name}: the load failed:\n${stdout}`);
  return { perSecond: requests / seconds, perCpuSecond: requests / (cpuSeconds(pid) - before) };
}

/** Keep-alive connections that together ask `rate` times a second (h2load). Throws where an answer is not a 2xx. */
export async function pace(
  { name, port, pid }: Peer,
  { rate, connections, seconds, directory }: { rate: number; connections: number; seconds: number; directory: string },
): Promise<Paced> {
  const log = join(directory, 'requests.log');
  const requests = rate * seconds;
  const before = cpuSeconds(pid);
  const startedAt = performance.now();
  const { stdout } = await promisify(execFile)('h2load', [
    ...['--h1', `--clients=${connections}`, `--requests=${requests}`, `--rps=${rate / connections}`],
    ...[`--connect-to=127.0.0.1:${port}`, `--log-file=${log}`, `http://${HOST}${PATH}`],
  ]);
  const elapsed = (performance.now() - startedAt) / 1000;
  const cpu = (100 * (cpuSeconds(pid) - before)) / elapsed;
  if (!stdout.includes(`status codes: ${requests} 2xx`)) throw new Error(`${name}: the load failed:\n${stdout}`);
  // Start, status, microseconds.
  const rows = readFileSync(log, 'utf8').trim().split('\n');
  rmSync(log);
  const took = rows.map((row) => Number(row.split('\t')[2]) / 1000).sort((a, b) => a - b);
  const percentile = (part: number) => took[Math.min(took.length - 1, Math.floor(took.length * part))] as number;
  return { p50: percentile(0.5), p99: percentile(0.99), cpu };
}
