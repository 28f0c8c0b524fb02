// HTTP/1.1 keep-alive GETs through the gateway beside nginx and haproxy with the same route: requests per CPU-second of the proxy.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gateway, serviceEntry } from './fixtures.ts';
import { startLimen } from './limen.ts';
import { type Peer, startHaproxy, startNginx, startUpstream } from './peers.ts';
import { cpuSeconds, installed, residentMB, stop } from './processes.ts';
import { median, printTable } from './table.ts';

const SECONDS = 4;
const ROUNDS = 3;
const CONNECTIONS = 64;

const config = (upstreamPort: number) => `${gateway('bench.example')}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bench, namespace: default }
spec:
  hosts: [bench.example]
  gateways: [bench]
  http:
    - match: [{ uri: { exact: /login } }]
      route: [{ destination: { host: up.example, port: { number: 80 } } }]
    - match: [{ uri: { prefix: /static } }]
      route: [{ destination: { host: up.example, port: { number: 80 } } }]
    - match: [{ uri: { prefix: /api } }]
      route: [{ destination: { host: up.example, port: { number: 80 } } }]
---
${serviceEntry(upstreamPort)}`;

interface Sample {
  perSecond: number;
  perCpuSecond: number;
  p50: number;
  p99: number;
}

/** Prints the table; says which peer is missing. */
export async function benchThroughput(): Promise<void> {
  if (!installed('wrk') || !installed('nginx')) {
    console.log('\nThroughput: skipped, it needs wrk and nginx (apt-get install wrk nginx haproxy).');
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'limen-bench-'));
  mkdirSync(join(dir, 'config'));
  mkdirSync(join(dir, 'upstream'));
  const upstream = await startUpstream(join(dir, 'upstream'));
  writeFileSync(join(dir, 'config/bench.yaml'), config(upstream.port));
  const limen = await startLimen([join(dir, 'config')]);
  const proxies: Peer[] = [
    { name: 'limen', port: limen.port, pid: limen.proxyPid, process: limen.process },
    await startNginx(dir, upstream.port),
    ...(installed('haproxy') ? [await startHaproxy(dir, upstream.port)] : []),
  ];
  const samples = new Map<string, Sample[]>(proxies.map(({ name }) => [name, []]));
  for (const proxy of proxies) await load(proxy, 2); // warm
  // In turn, so that a machine that slows down does so for all.
  for (let round = 0; round < ROUNDS; round += 1)
    for (const proxy of proxies) samples.get(proxy.name)?.push(await load(proxy, SECONDS));

  const of = (name: string, field: keyof Sample) => median((samples.get(name) ?? []).map((sample) => sample[field]));
  printTable(
    `Throughput: keep-alive GET, 3 routes, ${CONNECTIONS} connections, median of ${ROUNDS} × ${SECONDS} s, one worker each`,
    ['', 'requests/s', 'requests per CPU-s', '÷ nginx', 'p50 ms', 'p99 ms', 'memory MB'],
    proxies.map(({ name, pid }) => [
      name,
      Math.round(of(name, 'perSecond')),
      Math.round(of(name, 'perCpuSecond')),
      of(name, 'perCpuSecond') / of('nginx', 'perCpuSecond'),
      of(name, 'p50'),
      of(name, 'p99'),
      residentMB(pid),
    ]),
  );
  await limen.stop();
  for (const peer of [...proxies.slice(1), upstream]) await stop(peer.process);
  rmSync(dir, { recursive: true, force: true });
}

/** One run of wrk against a proxy. */
async function load({ port, pid, name }: Peer, seconds: number): Promise<Sample> {
  const before = cpuSeconds(pid);
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '-H', 'Host: bench.example'],
    `http://127.0.0.1:${port}/api/catalog/items?page=1`,
  ]);
  const cpu = cpuSeconds(pid) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
  if (requests === 0 || /Non-2xx/.test(stdout) || /Socket errors/.test(stdout))
    throw new Error(`${name}: the load failed:\n${stdout}`);
  const latency = (percent: string) => milliseconds(new RegExp(`${percent}%\\s+([\\d.]+\\w+)`).exec(stdout)?.[1] ?? '');
  return { perSecond: requests / seconds, perCpuSecond: requests / cpu, p50: latency('50'), p99: latency('99') };
}

function milliseconds(text: string): number {
  const value = Number.parseFloat(text);
  return text.endsWith('us') ? value / 1000 : text.endsWith('ms') ? value : value * 1000;
}
