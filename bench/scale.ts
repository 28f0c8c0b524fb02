// 10,000 VirtualServices on as many hosts: the translation, and one change until it is live at each data plane, with what was sent for it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPushContext } from '../src/controlplane/push-context.ts';
import { translate } from '../src/controlplane/translate.ts';
import { loadDocuments } from '../src/resources/load.ts';
import type { ResourceObject } from '../src/resources/object.ts';
import { Snapshot } from '../src/resources/snapshot.ts';
import { ingressGatewayObjects } from '../src/workloads/ingress-gateway.ts';
import { gateway, serviceEntry } from './fixtures.ts';
import { type DataPlane, get, type Limen, startLimen } from './limen.ts';
import { installed, memoryMB, removeFolder, temporaryFolder, until } from './processes.ts';
import { type Cell, median, printTable } from './table.ts';

const COUNTS = [10, 1_000, 10_000];
const CHANGES = 7;

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

/** Prints both tables for growing numbers, so that growth shows. */
export async function benchScale(): Promise<void> {
  printTable(
    'Translation: VirtualServices on as many hosts, one Gateway, in one process',
    ['VirtualServices', 'parse ms', 'build ms', 'rebuild after one change ms'],
    COUNTS.map((count) => {
      const { parseMs, buildMs, rebuildMs } = buildInProcess(virtualServices(count));
      return [count, parseMs, buildMs, rebuildMs];
    }),
  );
  const dataPlanes: DataPlane[] = installed('envoy') ? ['limen', 'envoy'] : ['limen'];
  const rows: Cell[][] = [];
  for (const count of COUNTS) {
    const measured: Change[] = [];
    for (const dataPlane of dataPlanes) measured.push(await measure(count, dataPlane));
    const envoy = measured[dataPlanes.indexOf('envoy')];
    for (const [at, change] of measured.entries())
      rows.push([
        count,
        dataPlanes[at] as string,
        change.readyMs,
        change.liveMs,
        ...(envoy === undefined ? [] : [median(change.liveMs) / median(envoy.liveMs)]),
        change.resources,
        change.bytes,
        change.controlPlaneMB,
        change.dataPlaneMB,
      ]);
  }
  printTable(
    `Change: from saving one VirtualService of so many to the first answer by it; median of ${CHANGES}, ± the furthest from it`,
    [
      ...['VirtualServices', 'data plane', 'up to Ready ms', 'save to live ms'],
      ...(dataPlanes.includes('envoy') ? ['÷ envoy'] : []),
      ...['resources sent', 'bytes sent', 'control plane MB', 'data plane MB'],
    ],
    rows,
  );
}

/** All but the one that changes. */
function virtualServices(count: number): string {
  return Array.from({ length: count - 1 }, (_, index) => virtualService(index + 1, routed)).join('---\n');
}

interface Change {
  readyMs: number;
  liveMs: number[];
  /** Sent for one change. */
  resources: number;
  bytes: number;
  controlPlaneMB: number;
  dataPlaneMB: number;
}

async function measure(count: number, dataPlane: DataPlane): Promise<Change> {
  const directory = temporaryFolder();
  writeFileSync(join(directory, 'base.yaml'), base);
  writeFileSync(join(directory, 'many.yaml'), virtualServices(count));
  const changing = join(directory, 'changing.yaml');
  const change = async (limen: Limen, body: string) => {
    const savedAt = performance.now();
    writeFileSync(changing, virtualService(0, answered(body)));
    await until('the change is live', 60, async () => {
      const answer = await get(limen.port, 'host-0.example', '/');
      return answer?.body === body || undefined;
    });
    return performance.now() - savedAt;
  };
  writeFileSync(changing, virtualService(0, answered('start')));
  const limen = await startLimen([directory], dataPlane);
  await change(limen, 'first'); // until it is served, and its code warm
  limen.sent();
  const liveMs: number[] = [];
  for (let at = 0; at < CHANGES; at += 1) liveMs.push(await change(limen, `change-${at}`));
  const sent = limen.sent();
  const measured = {
    readyMs: limen.readyMs,
    liveMs,
    resources: sent.resources / CHANGES,
    bytes: sent.bytes / CHANGES,
    controlPlaneMB: memoryMB(limen.process.pid as number),
    dataPlaneMB: memoryMB(limen.proxyPid),
  };
  await limen.stop();
  removeFolder(directory);
  return measured;
}

/** Parse, full translation, and the translation after one VirtualService changed, in this process. */
function buildInProcess(many: string): { parseMs: number; buildMs: number; rebuildMs: number } {
  const t0 = performance.now();
  const { objects: loaded } = loadDocuments(`${base}---\n${many}`, 'many.yaml');
  const t1 = performance.now();
  const gateway = ingressGatewayObjects();
  const [, , , deployment] = gateway;
  const node = {
    id: `router~127.0.0.2~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local`,
    type: 'router' as const,
    ip: '127.0.0.2',
    podName: 'istio-ingressgateway-0',
    namespace: 'istio-system',
    labels: deployment.metadata.labels ?? {},
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
