// Keep-alive GETs over HTTP/1.1 and HTTP/2, in plain text and over TLS, through the gateway, through an Envoy that our control plane drives with the same
// snapshot, and through nginx and haproxy with the same routes: requests per CPU-second of the proxy, and latency at one rate for all.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Credential, issueCertificate } from '../src/apiserver/pki/issue.ts';
import { gatewayWithTls, serviceEntry } from './fixtures.ts';
import { type DataPlane, startLimen } from './limen.ts';
import { http1Load, http2Load, type Load, type Paced, pace, type Saturated, STREAMS } from './load.ts';
import { type Peer, startHaproxy, startNginx, startUpstream } from './peers.ts';
import { installed, memoryMB, removeFolder, stop, temporaryFolder } from './processes.ts';
import { median, printTable } from './table.ts';

const ROUNDS = 3;
const CONNECTIONS = 64;
const SECONDS = 3;
const HTTP1 = { connections: CONNECTIONS, seconds: SECONDS };
const HTTP1_TITLE = `GET, 3 routes, ${CONNECTIONS} connections`;
const HTTP2_TITLE = `GET, 3 routes, ${STREAMS.connections} connections × ${STREAMS.streams} streams, HTTP/1.1 to the upstream`;
/** What proxies are asked at their limit, each a table. */
const LOADS: readonly { readonly title: string; readonly load: Load }[] = [
  { title: `HTTP/1.1: ${HTTP1_TITLE}`, load: http1Load({ tls: false, ...HTTP1 }) },
  { title: `HTTP/1.1 over TLS: ${HTTP1_TITLE}`, load: http1Load({ tls: true, ...HTTP1 }) },
  { title: `HTTP/2: ${HTTP2_TITLE}`, load: http2Load({ tls: false, ...STREAMS }) },
  { title: `HTTP/2 over TLS: ${HTTP2_TITLE}`, load: http2Load({ tls: true, ...STREAMS }) },
];
/** Few, since those of h2load ask at the same moment: many would measure their queue. */
const PACED_CONNECTIONS = 16;
/** Requests a second that each of them has answered on one core of a slow machine, with room. */
const RATE = 3_200;

const config = (upstreamPort: number, credential: Credential) => `${gatewayWithTls('bench.example', credential)}---
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
  /** Of each of LOADS. */
  saturated: Saturated[][];
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
  const credential = await issueCertificate({ commonName: 'bench.example', use: 'server', algorithm: 'ECDSA' });
  const certificate = join(directory, 'bench.pem');
  writeFileSync(certificate, credential.certificate + credential.key);
  writeFileSync(join(directory, 'config/bench.yaml'), config(upstream.port, credential));
  const viaControlPlane = async (name: DataPlane): Promise<Peer & { end: () => Promise<void> }> => {
    const limen = await startLimen([join(directory, 'config')], name);
    const { port, tlsPort, proxyPid: pid, process } = limen;
    return { name, port, tlsPort, pid, process, end: () => limen.stop() };
  };
  const limen = await viaControlPlane('limen');
  const envoy = installed('envoy') ? await viaControlPlane('envoy') : undefined;
  const nginx = await startNginx(directory, upstream.port, certificate);
  const haproxy = installed('haproxy') ? await startHaproxy(directory, upstream.port, certificate) : undefined;
  const proxies: Peer[] = [limen, envoy, nginx, haproxy].filter((proxy) => proxy !== undefined);
  for (const name of ['envoy', 'haproxy'])
    if (!installed(name)) console.log(`\nThroughput: without ${name}, which is not installed.`);

  const samples = new Map<string, Samples>(
    proxies.map(({ name }) => [name, { saturated: LOADS.map(() => []), paced: [] }]),
  );
  // Warm.
  for (const proxy of proxies) for (const { load } of LOADS) await load(proxy);
  // In turn, so that a machine that slows down does so for all.
  for (let round = 0; round < ROUNDS; round += 1)
    for (const proxy of proxies) {
      const of = samples.get(proxy.name) as Samples;
      for (const [at, { load }] of LOADS.entries()) of.saturated[at]?.push(await load(proxy));
      const paced = { rate: RATE, connections: PACED_CONNECTIONS, seconds: SECONDS, directory };
      of.paced.push(await pace(proxy, paced));
    }

  const paced = (name: string, field: keyof Paced) => (samples.get(name) as Samples).paced.map((each) => each[field]);
  const yardsticks = ['nginx', 'envoy'].filter((name) => samples.has(name));
  for (const [at, { title }] of LOADS.entries()) {
    const of = (name: string, field: keyof Saturated) =>
      (samples.get(name) as Samples).saturated[at]?.map((sample) => sample[field]) ?? [];
    const efficiency = (name: string) => median(of(name, 'perCpuSecond'));
    printTable(
      `${title}; one worker each, median of ${ROUNDS}, ± the furthest from it`,
      ['at its limit', 'requests/s', 'requests per CPU-s', ...yardsticks.map((name) => `÷ ${name}`)],
      proxies.map(({ name }) => [
        name,
        of(name, 'perSecond'),
        of(name, 'perCpuSecond'),
        ...yardsticks.map((other) => efficiency(name) / efficiency(other)),
      ]),
    );
  }
  printTable(
    `Latency: HTTP/1.1 at ${RATE.toLocaleString('en-US')} requests/s over ${PACED_CONNECTIONS} connections`,
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
