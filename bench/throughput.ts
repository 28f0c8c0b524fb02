// Keep-alive GETs over HTTP/1.1 and HTTP/2 through the gateway, through an Envoy that our control plane drives with the same snapshot, and through nginx and
// haproxy with the same routes: requests per CPU-second of the proxy, and latency at one rate for all.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gateway, serviceEntry } from './fixtures.ts';
import { type DataPlane, startLimen } from './limen.ts';
import { type Paced, pace, type Saturated, saturate, saturateHttp2 } from './load.ts';
import { type Peer, startHaproxy, startNginx, startUpstream } from './peers.ts';
import { installed, memoryMB, removeFolder, stop, temporaryFolder } from './processes.ts';
import { median, printTable } from './table.ts';

const ROUNDS = 3;
const CONNECTIONS = 64;
const SECONDS = 3;
/** Over HTTP/2. */
const STREAMS = { connections: 16, streams: 10, requests: 20_000 };
/** Few, since those of h2load ask at the same moment: many would measure their queue. */
const PACED_CONNECTIONS = 16;
/** Requests a second that each of them has answered on one core of a slow machine, with room. */
const RATE = 3_200;

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

interface Samples {
  saturated: Saturated[];
  http2: Saturated[];
  paced: Paced[];
}

/** Prints the table; says which peer is missing. */
export async function benchThroughput(): Promise<void> {
  const missing = ['wrk', 'nginx', 'h2load'].filter((program) => !installed(program));
  if (missing.length > 0) {
    console.log(
      `\nThroughput: skipped, there is no ${missing.join(', ')} (apt-get install wrk nginx nghttp2-client haproxy).`,
    );
    return;
  }
  const directory = temporaryFolder();
  mkdirSync(join(directory, 'config'));
  mkdirSync(join(directory, 'upstream'));
  const upstream = await startUpstream(join(directory, 'upstream'));
  writeFileSync(join(directory, 'config/bench.yaml'), config(upstream.port));
  const viaControlPlane = async (name: DataPlane): Promise<Peer & { end: () => Promise<void> }> => {
    const limen = await startLimen([join(directory, 'config')], name);
    return { name, port: limen.port, pid: limen.proxyPid, process: limen.process, end: () => limen.stop() };
  };
  const limen = await viaControlPlane('limen');
  const envoy = installed('envoy') ? await viaControlPlane('envoy') : undefined;
  const nginx = await startNginx(directory, upstream.port);
  const haproxy = installed('haproxy') ? await startHaproxy(directory, upstream.port) : undefined;
  const proxies: Peer[] = [limen, envoy, nginx, haproxy].filter((proxy) => proxy !== undefined);
  for (const name of ['envoy', 'haproxy'])
    if (!installed(name)) console.log(`\nThroughput: without ${name}, which is not installed.`);

  const samples = new Map<string, Samples>(proxies.map(({ name }) => [name, { saturated: [], http2: [], paced: [] }]));
  for (const proxy of proxies) {
    // Warm.
    await saturate(proxy, CONNECTIONS, 2);
    await saturateHttp2(proxy, STREAMS);
  }
  // In turn, so that a machine that slows down does so for all.
  for (let round = 0; round < ROUNDS; round += 1)
    for (const proxy of proxies) {
      samples.get(proxy.name)?.saturated.push(await saturate(proxy, CONNECTIONS, SECONDS));
      samples.get(proxy.name)?.http2.push(await saturateHttp2(proxy, STREAMS));
      const load = { rate: RATE, connections: PACED_CONNECTIONS, seconds: SECONDS, directory };
      samples.get(proxy.name)?.paced.push(await pace(proxy, load));
    }

  const of = (name: string) => samples.get(name) as Samples;
  const saturated = (name: string, field: keyof Saturated, protocol: 'saturated' | 'http2' = 'saturated') =>
    of(name)[protocol].map((sample) => sample[field]);
  const paced = (name: string, field: keyof Paced) => of(name).paced.map((sample) => sample[field]);
  const efficiency = (name: string, protocol: 'saturated' | 'http2' = 'saturated') =>
    median(saturated(name, 'perCpuSecond', protocol));
  printTable(
    `Throughput: keep-alive GET, 3 routes, ${CONNECTIONS} connections, one worker each; median of ${ROUNDS} × ${SECONDS} s, ± the furthest from it`,
    ['at its limit', 'requests/s', 'requests per CPU-s', '÷ nginx', ...(envoy === undefined ? [] : ['÷ envoy'])],
    proxies.map(({ name }) => [
      name,
      saturated(name, 'perSecond'),
      saturated(name, 'perCpuSecond'),
      efficiency(name) / efficiency('nginx'),
      ...(envoy === undefined ? [] : [efficiency(name) / efficiency('envoy')]),
    ]),
  );
  printTable(
    `HTTP/2: the same over ${STREAMS.connections} connections with ${STREAMS.streams} streams each; HTTP/1.1 to the upstream`,
    ['at its limit', 'requests/s', 'requests per CPU-s', '÷ nginx', ...(envoy === undefined ? [] : ['÷ envoy'])],
    proxies.map(({ name }) => [
      name,
      saturated(name, 'perSecond', 'http2'),
      saturated(name, 'perCpuSecond', 'http2'),
      efficiency(name, 'http2') / efficiency('nginx', 'http2'),
      ...(envoy === undefined ? [] : [efficiency(name, 'http2') / efficiency('envoy', 'http2')]),
    ]),
  );
  printTable(
    `Latency: the same at ${RATE.toLocaleString('en-US')} requests/s over ${PACED_CONNECTIONS} connections`,
    [`at ${RATE.toLocaleString('en-US')}/s`, 'p50 ms', 'p99 ms', 'CPU %', 'CPU ÷ nginx', 'memory (PSS) MB'],
    proxies.map(({ name, pid }) => [
      name,
      paced(name, 'p50'),
      paced(name, 'p99'),
      paced(name, 'cpu'),
      median(paced(name, 'cpu')) / median(paced('nginx', 'cpu')),
      memoryMB(pid),
    ]),
  );
  await limen.end();
  await envoy?.end();
  for (const peer of [nginx, haproxy, upstream]) if (peer !== undefined) await stop(peer.process);
  removeFolder(directory);
}
