// The Kubernetes API: durable creates, a list of all, a thousand watches, the start with fifty thousand objects, and an apply until the proxy serves it.

import type { ChildProcess } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { openStore } from '../src/store/open.ts';
import { Client, type Server } from './api-client.ts';
import { gateway } from './fixtures.ts';
import { get, startLimen } from './limen.ts';
import { cpuSeconds, memoryMB, removeFolder, start, stop, temporaryFolder, until } from './processes.ts';
import { type Cell, median, printTable } from './table.ts';

const OBJECTS = 10_000;
const CLIENTS = 8;
const LISTS = 7;
const WATCHES = 1_000;
const WRITES = 10;
/** Among so many VirtualServices, and how often. */
const APPLIES = [
  [1, 200],
  [10_000, 50],
] as const;

/** A big cluster's, for memory and the start. */
const MANY = 50_000;
const STARTS = 3;

const PATH = '/apis/networking.istio.io/v1/namespaces/default/virtualservices';

const virtualService = (name: string, body: string) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'default' },
  spec: {
    hosts: [`${name}.example`],
    gateways: ['bench'],
    http: [{ match: [{ uri: { prefix: '/' } }], directResponse: { status: 200, body: { string: body } } }],
  },
});

/** Prints all tables. */
export async function benchApi(): Promise<void> {
  const folder = temporaryFolder();
  const { child, server } = await startServer(folder);
  const pid = child.pid as number;
  const emptyMB = memoryMB(pid);

  const creates = await measureCreates(server, pid);
  const fullMB = memoryMB(pid);
  const lists = await measureLists(server);
  printTable(
    `API server alone, its store in a file, each write synced to the disk: ${OBJECTS.toLocaleString('en-US')} VirtualServices`,
    ['', 'value'],
    [
      [`creates by ${CLIENTS} clients, per second`, Math.round(OBJECTS / creates.seconds)],
      ['create, median ms', creates.p50],
      ['create, p99 ms', creates.p99],
      ['CPU of the server per create, ms', (1000 * creates.cpuSeconds) / OBJECTS],
      ['list of all, ms (median)', median(lists.ms)],
      ['list of all, MB', lists.bytes / 1e6],
      ['table of all, ms (median)', median(lists.tableMs)],
      ['memory before, MB', emptyMB],
      ['memory with all, MB', fullMB],
    ],
  );

  const watches = await measureWatches(server);
  printTable(
    `${WATCHES.toLocaleString('en-US')} watches of all VirtualServices, one write at a time (${WRITES})`,
    ['', 'value'],
    [
      ['write to the first watch that has it, ms (median)', median(watches.first)],
      ['write to all watches have it, ms (median)', median(watches.all)],
      ['memory per watch, KB', ((memoryMB(pid) - fullMB) * 1024) / WATCHES],
    ],
  );
  watches.close();
  await stop(child);
  removeFolder(folder);

  await benchStart();

  const rows: Cell[][] = [];
  for (const [among, times] of APPLIES) {
    const { acknowledged, live } = await measureApply(among, times);
    rows.push([among, times, ...[acknowledged, live].flatMap((ms) => [percentile(ms, 50), percentile(ms, 99)])]);
  }
  printTable(
    'limen up: server-side apply of one VirtualService until the proxy answers by it',
    ['VirtualServices', 'applies', 'acknowledged p50 ms', 'p99 ms', 'live p50 ms', 'p99 ms'],
    rows,
  );
}

/** Prints how an API server starts that has much to remember. */
async function benchStart(): Promise<void> {
  const folder = temporaryFolder();
  const store = openStore({ path: join(folder, 'store.db') });
  store.batch(() => {
    for (let index = 0; index < MANY; index += 1) store.put(virtualService(`host-${index}`, 'x'));
  });
  store.close();
  const seconds: number[] = [];
  const memory: number[] = [];
  const lists: number[] = [];
  for (let run = 0; run < STARTS; run += 1) {
    const startedAt = performance.now();
    const { child, server } = await startServer(folder);
    seconds.push((performance.now() - startedAt) / 1000);
    memory.push(memoryMB(child.pid as number));
    const client = new Client(server);
    const listedAt = performance.now();
    await client.send('GET', `${PATH}?limit=500`);
    lists.push(performance.now() - listedAt);
    client.close();
    await stop(child);
  }
  printTable(
    `API server alone, started on a file of ${MANY.toLocaleString('en-US')} VirtualServices (${(statSync(join(folder, 'store.db')).size / 1e6).toFixed(0)} MB; ${STARTS} times)`,
    ['', 'value'],
    [
      ['start to first answer, s', seconds],
      ['memory then, MB', memory],
      ['first list of 500, ms', lists],
    ],
  );
  removeFolder(folder);
}

async function startServer(folder: string): Promise<{ child: ChildProcess; server: Server }> {
  const child = start(process.execPath, [join(import.meta.dirname, 'api-server.ts'), folder]);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  await until('the API server serves', 60, () => output.includes('\n') || undefined);
  const { port, ca, token } = JSON.parse(output);
  return { child, server: { port, tls: { ca }, token } };
}

async function measureCreates(server: Server, pid: number) {
  const took: number[] = [];
  let next = 0;
  const cpuBefore = cpuSeconds(pid);
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = new Client(server);
      for (let index = next++; index < OBJECTS; index = next++) {
        const sentAt = performance.now();
        await client.send('POST', PATH, virtualService(`host-${index}`, 'x'));
        took.push(performance.now() - sentAt);
      }
      client.close();
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, cpuSeconds: cpuSeconds(pid) - cpuBefore, p50: percentile(took, 50), p99: percentile(took, 99) };
}

async function measureLists(server: Server) {
  const client = new Client(server);
  const ms: number[] = [];
  const tableMs: number[] = [];
  let bytes = 0;
  for (let run = 0; run < LISTS; run += 1) {
    const startedAt = performance.now();
    bytes = (await client.send('GET', PATH)).length;
    ms.push(performance.now() - startedAt);
  }
  const table = new Client({ ...server, accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  for (let run = 0; run < LISTS; run += 1) {
    const startedAt = performance.now();
    await table.send('GET', PATH);
    tableMs.push(performance.now() - startedAt);
  }
  client.close();
  table.close();
  return { ms, tableMs, bytes };
}

async function measureWatches(server: Server) {
  const writer = new Client(server);
  const { metadata } = JSON.parse(await writer.send('GET', `${PATH}?limit=1`));
  const clients = Array.from({ length: WATCHES }, () => new Client(server));
  let told = 0;
  let firstAt = 0;
  let onAll: () => void = () => undefined;
  // A few at a time: handshakes are not what is measured.
  for (let at = 0; at < WATCHES; at += 50)
    await Promise.all(
      clients.slice(at, at + 50).map(async (client) => {
        const response = await client.open('GET', `${PATH}?watch=true&resourceVersion=${metadata.resourceVersion}`);
        response.on('data', (chunk: Buffer) => {
          if (told === 0) firstAt = performance.now();
          if (chunk.at(-1) === 0x0a) told += 1;
          if (told === WATCHES) onAll();
        });
        response.on('error', () => undefined); // its connection is closed at the end
      }),
    );
  const first: number[] = [];
  const all: number[] = [];
  for (let write = 0; write < WRITES; write += 1) {
    told = 0;
    const everyone = new Promise<void>((resolve) => {
      onAll = resolve;
    });
    const sentAt = performance.now();
    await Promise.all([writer.send('POST', PATH, virtualService(`watched-${write}`, 'x')), everyone]);
    first.push(firstAt - sentAt);
    all.push(performance.now() - sentAt);
  }
  const close = () => {
    for (const client of [writer, ...clients]) client.close();
  };
  return { first, all, close };
}

async function measureApply(among: number, times: number) {
  const folder = temporaryFolder();
  const others = Array.from({ length: among - 1 }, (_, index) => JSON.stringify(virtualService(`host-${index}`, 'x')));
  writeFileSync(join(folder, 'base.yaml'), [gateway('"*"'), ...others].join('\n---\n'));
  const limen = await startLimen([folder]);
  const { clusters, users } = parse(readFileSync(join(limen.home, 'kubeconfig'), 'utf8'));
  const bytes = (base64: string) => Buffer.from(base64, 'base64');
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  const client = new Client({
    port: Number(new URL(cluster.server).port),
    tls: {
      ca: bytes(cluster['certificate-authority-data']),
      cert: bytes(user['client-certificate-data']),
      key: bytes(user['client-key-data']),
    },
  });
  const acknowledged: number[] = [];
  const live: number[] = [];
  const path = `${PATH}/live?fieldManager=bench`;
  for (let at = -5; at < times; at += 1) {
    const body = `change-${at}`;
    const sentAt = performance.now();
    await client.send('PATCH', path, virtualService('live', body), 'application/apply-patch+yaml');
    const acknowledgedAt = performance.now();
    await until('the change is live', 30, async () => {
      const answer = await get(limen.port, 'live.example', '/');
      return answer?.body === body || undefined;
    });
    if (at < 0) continue; // until its code is warm
    acknowledged.push(acknowledgedAt - sentAt);
    live.push(performance.now() - sentAt);
  }
  client.close();
  await limen.stop();
  removeFolder(folder);
  return { acknowledged, live };
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
