// Golden files of what gRPC clients without a proxy get: objects as YAML in, the resources that follow from the targets dialled out.
// `npx vitest run test/grpc.test.ts -u` writes the outputs anew; the diff is what a reviewer reads.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { translateGrpc } from '../src/controlplane/grpc/translate-grpc.ts';
import type { ProxyNode } from '../src/controlplane/node.ts';
import { createPushContext } from '../src/controlplane/push-context.ts';
import { loadDocuments } from '../src/resources/load.ts';
import { Snapshot } from '../src/resources/snapshot.ts';
import { TypeUrl } from '../src/xds/resources.ts';
import { describeNotice, toJsonResources } from './controlplane/golden.ts';

const FOLDER = join(import.meta.dirname, 'golden/grpc');
const NODE: ProxyNode = {
  id: 'sidecar~127.0.0.1~caller.default~default.svc.cluster.local',
  type: 'sidecar',
  ip: '127.0.0.1',
  podName: 'caller',
  namespace: 'default',
  labels: { app: 'caller' },
  cluster: '',
  http2: true,
  generator: 'grpc',
};

/** Asks as a client does: for the targets, then for what each answer names. */
function dial(text: string, file: string) {
  const { objects, problems } = loadDocuments(text, file);
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  const context = createPushContext(Snapshot.of(objects.map(({ object }) => object)));
  const targets = /^# dials: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
  const names = new Map<string, Set<string>>([[TypeUrl.Listener, new Set(targets)]]);
  const namesOf = (typeUrl: TypeUrl) => names.get(typeUrl) ?? new Set<string>();
  for (const [asked, pattern] of [
    [TypeUrl.RouteConfiguration, /"routeConfigName":"([^"]*)"/g],
    [TypeUrl.Cluster, /"(?:cluster|name)":"((?:outbound\|[^"]*|BlackHoleCluster))"/g],
    [TypeUrl.ClusterLoadAssignment, /"serviceName":"([^"]*)"/g],
  ] as const) {
    const answers = JSON.stringify(toJsonResources(translateGrpc(context, NODE, namesOf).resources));
    names.set(asked, new Set([...answers.matchAll(pattern)].map(([, name]) => name as string)));
  }
  const { resources, notices, unknown } = translateGrpc(context, NODE, namesOf);
  const { SDS: _, ...shown } = toJsonResources(resources);
  return { ...shown, notices: notices.map(describeNotice), unknown };
}

describe('a gRPC client gets', () => {
  const goldens = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.in.yaml'))
    .map((file) => basename(file, '.in.yaml'));
  it.each(goldens)('%s', async (name) => {
    const shown = dial(readFileSync(join(FOLDER, `${name}.in.yaml`), 'utf8'), `${name}.in.yaml`);
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(join(FOLDER, `${name}.out.json`));
  });
});
