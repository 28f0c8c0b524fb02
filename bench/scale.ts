// 10,000 VirtualServices on 10,000 hosts: a full build, one change until it is live at the proxy, memory of both processes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPushContext } from '../src/controlplane/push-context.ts';
import { translate } from '../src/controlplane/translate.ts';
import { loadDocuments } from '../src/resources/load.ts';
import type { ResourceObject } from '../src/resources/object.ts';
import { Snapshot } from '../src/resources/snapshot.ts';
import { ingressGatewayObjects } from '../src/workloads/ingress-gateway.ts';
import { gateway, serviceEntry } from './fixtures.ts';
import { get, startLimen } from './limen.ts';
import { residentMB, until } from './processes.ts';
import { median, printTable } from './table.ts';

const CHANGES = 5;

const base = `${gateway('"*"')}---\n${serviceEntry(80)}`;

const virtualService = (index: number, http: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: host-${index}, namespace: default }
spec:
  hosts: [host-${index}.example]
  gateways: [bench]
  http:
${http}`;

const routed = `    - match: [{ uri: { prefix: /api } }, { uri: { exact: /login } }]
      route: [{ destination: { host: up.example, port: { number: 80 } } }]
    - route: [{ destination: { host: up.example, port: { number: 80 } } }]
`;
const answered = (body: string) => `    - directResponse: { status: 200, body: { string: "${body}" } }\n`;

/** Prints the table for 100, 1,000 and 10,000 hosts, so that growth shows. */
export async function benchScale(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const count of [100, 1_000, 10_000]) rows.push(await measure(count));
  printTable(
    'Scale: VirtualServices on as many hosts, one Gateway',
    [
      'VirtualServices',
      'parse ms',
      'build ms',
      'rebuild ms',
      'up to Ready ms',
      'save to live ms',
      'control plane MB',
      'proxy MB',
    ],
    rows,
  );
}

async function measure(count: number): Promise<(string | number)[]> {
  const dir = mkdtempSync(join(tmpdir(), 'limen-bench-'));
  const many = Array.from({ length: count - 1 }, (_, index) => virtualService(index + 1, routed)).join('---\n');
  writeFileSync(join(dir, 'base.yaml'), base);
  writeFileSync(join(dir, 'many.yaml'), many);
  const changing = join(dir, 'changing.yaml');
  writeFileSync(changing, virtualService(0, answered('start')));
  const build = buildInProcess(many);

  const limen = await startLimen([dir]);
  const live: number[] = [];
  for (let change = 0; change < CHANGES; change += 1) {
    const body = `change-${change}`;
    const savedAt = performance.now();
    writeFileSync(changing, virtualService(0, answered(body)));
    await until('the change is live', 30, async () => {
      const answer = await get(limen.port, 'host-0.example', '/');
      return answer?.body === body || undefined;
    });
    live.push(performance.now() - savedAt);
  }
  const row = [
    count,
    build.parseMs,
    build.buildMs,
    build.rebuildMs,
    limen.readyMs,
    median(live),
    residentMB(limen.process.pid as number),
    residentMB(limen.proxyPid),
  ];
  await limen.stop();
  rmSync(dir, { recursive: true, force: true });
  return row;
}

/** Parse, full translation, and the translation after one VirtualService changed, in this process. */
function buildInProcess(many: string): { parseMs: number; buildMs: number; rebuildMs: number } {
  const t0 = performance.now();
  const { objects: loaded } = loadDocuments(`${base}---\n${many}`, 'many.yaml');
  const t1 = performance.now();
  const gateway = ingressGatewayObjects('127.0.0.2');
  const pod = gateway[4];
  const node = {
    id: `router~127.0.0.2~${pod.metadata.name}.istio-system~istio-system.svc.cluster.local`,
    type: 'router' as const,
    ip: '127.0.0.2',
    podName: pod.metadata.name,
    namespace: 'istio-system',
    labels: pod.metadata.labels ?? {},
    cluster: 'istio-ingressgateway.istio-system',
    http2: false,
  };
  const objects: ResourceObject[] = [...gateway, ...loaded.map(({ object }) => object)];
  const context = createPushContext(Snapshot.of(objects));
  translate(context, node);
  const t2 = performance.now();
  const last = objects.at(-1) as ResourceObject;
  const changed = { ...last, metadata: { ...last.metadata, resourceVersion: '2' } };
  translate(createPushContext(Snapshot.of([...objects.slice(0, -1), changed]), context), node);
  const t3 = performance.now();
  return { parseMs: t1 - t0, buildMs: t2 - t1, rebuildMs: t3 - t2 };
}
