// A `limen up` to measure, and requests to it.

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import type { Instance } from '../src/cli/instance.ts';
import { childrenOf, removeFolder, start, stop, temporaryFolder, until } from './processes.ts';

const PROGRAM = join(import.meta.dirname, '../bin/limen.js');

/** What carries the traffic. */
export type DataPlane = 'limen' | 'envoy';

/** What the control plane sent. */
export interface Sent {
  resources: number;
  bytes: number;
}

/** A running instance. */
export interface Limen {
  process: ChildProcess;
  home: string;
  /** The process that carries the traffic. */
  proxyPid: number;
  /** The published port of Service port 80. */
  port: number;
  /** That of 443, where something listens there. */
  tlsPort: number;
  /** From the start of the process to `Ready`, milliseconds. */
  readyMs: number;
  /** What the control plane has sent since this was last called. */
  sent(): Sent;
  stop(): Promise<void>;
}

/** Starts `limen up -f …` with a home of its own and ports 80 and 443 published on free ones; resolves when it says Ready. */
export async function startLimen(paths: readonly string[], dataPlane: DataPlane = 'limen'): Promise<Limen> {
  const home = temporaryFolder();
  const startedAt = performance.now();
  const files = paths.flatMap((path) => ['-f', path]);
  const child = start(process.execPath, [
    ...[PROGRAM, 'up', ...files, '--publish', '0:80', '--publish', '0:443', '--home', home, '--data-plane', dataPlane],
    ...['--log-level', 'info', '--log-format', 'json'], // which says what is pushed
  ]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  await until('limen up is ready', 120, () => {
    if (child.exitCode !== null) throw new Error(`limen up ended:\n${output}`);
    return /Ready in \d+ ms/.test(output) || undefined;
  });
  const readyMs = performance.now() - startedAt;
  const instance: Instance = JSON.parse(readFileSync(join(home, 'instance.json'), 'utf8'));
  const published = (servicePort: number) =>
    instance.proxies[0]?.published.find((port) => port.servicePort === servicePort)?.port ?? 0;
  return {
    process: child,
    home,
    proxyPid: dataPlanePid(child.pid as number, dataPlane),
    port: published(80),
    tlsPort: published(443),
    readyMs,
    sent() {
      const end = output.lastIndexOf('\n') + 1;
      const pushes = output.slice(0, end).split('\n').flatMap(push);
      output = output.slice(end);
      return {
        resources: pushes.reduce((sum, { resources }) => sum + resources, 0),
        bytes: pushes.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    },
    async stop() {
      await stop(child);
      removeFolder(home);
    },
  };
}

/** Our proxy is the child of `limen up`; an Envoy is the child of the process that watches it. */
function dataPlanePid(up: number, dataPlane: DataPlane): number {
  const [child] = childrenOf(up) as [number];
  return dataPlane === 'limen' ? child : (childrenOf(child)[0] as number);
}

/** What a line of the log says was sent. */
function push(line: string): Sent[] {
  if (!line.startsWith('{')) return [];
  const { msg, resources, bytes } = JSON.parse(line) as Sent & { msg: string };
  return msg.startsWith('push') && typeof bytes === 'number' ? [{ resources, bytes }] : [];
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
