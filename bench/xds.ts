// One changed endpoint among many clusters: what a push of it costs the control plane, for one proxy and for hundreds, in both variants of xDS.

import { create, toBinary } from '@bufbuild/protobuf';
import pino from 'pino';
import { delta } from '../src/xds/delta.ts';
import { ClusterSchema } from '../src/xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '../src/xds/gen/envoy/config/core/v3/base_pb.js';
import { ClusterLoadAssignmentSchema } from '../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../src/xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from '../src/xds/resources.ts';
import { stateOfTheWorld } from '../src/xds/state-of-the-world.ts';
import { ClientStream } from '../src/xds/stream.ts';
import { median, printTable } from './table.ts';

const CLUSTERS = 10_000;
const PUSHES = 7;

/** Prints the table. */
export async function benchXds(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const variant of ['delta', 'state of the world'] as const)
    for (const [what, clients] of [
      ['an endpoint', 1],
      ['an endpoint', 300],
      ['a cluster', 1],
    ] as const)
      rows.push(measure(variant, what, clients));
  printTable(
    `xDS: one change among ${CLUSTERS} clusters with endpoints, all proxies having the same configuration`,
    ['variant', 'changed', 'proxies', 'connect ms each', 'push ms', 'resources each', 'bytes each', 'heap MB'],
    rows,
  );
}

interface Answering {
  stream: { push(): void };
  /** Answers what was sent, until nothing more comes. */
  settle(): void;
  subscribe(typeUrl: TypeUrl, names: string[]): void;
}

function measure(variant: 'delta' | 'state of the world', what: string, count: number): (string | number)[] {
  const names = Array.from({ length: CLUSTERS }, (_, at) => `outbound|80||service-${at}.default.svc.cluster.local`);
  const clusters = new Map(names.map((name) => [name, cluster(name, '')]));
  const assignments = new Map(names.map((name) => [name, endpoints(name, 80)]));
  let resources: ResourceSet = new Map([
    [TypeUrl.Cluster, clusters],
    [TypeUrl.ClusterLoadAssignment, assignments],
  ]);
  const sent = { resources: 0, bytes: 0 };
  const connect = variant === 'delta' ? connectDelta : connectStateOfTheWorld;
  const heapBefore = heapMB();
  const connectedAt = performance.now();
  const clients = Array.from({ length: count }, () => {
    const client = connect(() => resources, sent);
    client.subscribe(TypeUrl.Cluster, []);
    client.settle();
    client.subscribe(TypeUrl.ClusterLoadAssignment, names);
    client.settle();
    return client;
  });
  const connectMs = (performance.now() - connectedAt) / count;
  const took: number[] = [];
  for (let at = 0; at < PUSHES; at += 1) {
    const name = names[at] as string;
    // New maps, as each translation makes them.
    resources = new Map(Array.from(resources, ([typeUrl, map]) => [typeUrl, new Map(map)]));
    const [type, changed] =
      what === 'a cluster'
        ? [TypeUrl.Cluster, cluster(name, `changed-${at}`)]
        : [TypeUrl.ClusterLoadAssignment, endpoints(name, 8_000 + at)];
    (resources.get(type) as Map<string, EncodedResource>).set(name, changed);
    sent.resources = 0;
    sent.bytes = 0;
    const pushedAt = performance.now();
    for (const { stream } of clients) stream.push();
    for (const client of clients) client.settle();
    took.push(performance.now() - pushedAt);
  }
  return [
    variant,
    what,
    count,
    connectMs,
    median(took),
    sent.resources / count,
    sent.bytes / count,
    heapMB() - heapBefore,
  ];
}

function connectDelta(resourcesFor: () => ResourceSet, sent: { resources: number; bytes: number }): Answering {
  const answers: (() => void)[] = [];
  const stream = new ClientStream({
    ...options(resourcesFor),
    variant: delta,
    send(response) {
      sent.resources += response.resources.length;
      sent.bytes += toBinary(DeltaDiscoveryResponseSchema, response).length;
      const { typeUrl, nonce: responseNonce } = response;
      answers.push(() => stream.receive(create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce })));
    },
  });
  return {
    stream,
    settle: () => settle(answers),
    subscribe: (typeUrl, resourceNamesSubscribe) =>
      stream.receive(create(DeltaDiscoveryRequestSchema, { typeUrl, resourceNamesSubscribe })),
  };
}

function connectStateOfTheWorld(
  resourcesFor: () => ResourceSet,
  sent: { resources: number; bytes: number },
): Answering {
  const answers: (() => void)[] = [];
  const subscribed = new Map<string, string[]>();
  const stream = new ClientStream({
    ...options(resourcesFor),
    variant: stateOfTheWorld,
    send(response) {
      sent.resources += response.resources.length;
      sent.bytes += toBinary(DiscoveryResponseSchema, response).length;
      const { typeUrl, nonce: responseNonce } = response;
      const resourceNames = subscribed.get(typeUrl) ?? [];
      answers.push(() => stream.receive(create(DiscoveryRequestSchema, { typeUrl, responseNonce, resourceNames })));
    },
  });
  return {
    stream,
    settle: () => settle(answers),
    subscribe(typeUrl, resourceNames) {
      subscribed.set(typeUrl, resourceNames);
      stream.receive(create(DiscoveryRequestSchema, { typeUrl, resourceNames }));
    },
  };
}

function settle(answers: (() => void)[]): void {
  for (let answer = answers.shift(); answer !== undefined; answer = answers.shift()) answer();
}

let nonces = 0;

function options(resourcesFor: () => ResourceSet) {
  return {
    node: create(NodeSchema, { id: 'router~127.0.0.1~gateway.default~default.svc.cluster.local' }),
    log: pino({ level: 'silent' }),
    resourcesFor,
    nonce: () => String(++nonces),
    warmingLimitMs: 60_000,
  };
}

function cluster(name: string, altStatName: string): EncodedResource {
  return encodeResource(name, ClusterSchema, create(ClusterSchema, { name, altStatName }));
}

function endpoints(name: string, port: number): EncodedResource {
  const value = { address: '10.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } };
  const endpoint = { address: { address: { case: 'socketAddress' as const, value } } };
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint } }] }],
  });
  return encodeResource(name, ClusterLoadAssignmentSchema, message);
}

function heapMB(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
