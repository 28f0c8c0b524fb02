// The ADS server with hundreds of clients, each on a connection of its own.

import { create } from '@bufbuild/protobuf';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { AdsClient, type AdsClientOptions, type DecodedResource } from './client.ts';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import { type EncodedResource, TypeUrl } from './resources.ts';
import { closers, cluster, endpoints, serve, serverSees, setOf } from './test-support.ts';

const CLIENTS = 200;
const NAMES = Array.from({ length: 20 }, (_, at) => `service-${at}`);
const CHANGING = 'service-7';

/** A client of all clusters and their endpoints. */
class Follower {
  /** The names and versions of each response of endpoints. */
  readonly responses: { names: string[]; version: string | undefined }[] = [];
  /** What its answers wait for. */
  gate: Promise<void> | undefined;
  /** Calls back at each response. */
  onResponse = () => {};

  constructor(port: number, id: string, variant: NonNullable<AdsClientOptions['variant']>) {
    const client = new AdsClient({
      target: `127.0.0.1:${port}`,
      variant,
      node: create(NodeSchema, { id }),
      log: pino({ level: 'silent' }),
      onResponse: (typeUrl, resources) => {
        if (typeUrl !== TypeUrl.ClusterLoadAssignment) return;
        const names = resources.map(({ name }) => name);
        this.responses.push({ names, version: zoneOf(resources.find(({ name }) => name === CHANGING)) });
        this.onResponse();
        return this.gate;
      },
    });
    closers.push(() => client.close());
    client.subscribe(TypeUrl.Cluster, '*');
    client.subscribe(TypeUrl.ClusterLoadAssignment, NAMES);
    client.start();
  }

  /** Resolves once it has this version. */
  async has(version: string): Promise<void> {
    while (this.responses.at(-1)?.version !== version)
      await new Promise<void>((resolve) => {
        this.onResponse = resolve;
      });
  }
}

/** The content that a test gave to endpoints. */
function zoneOf(resource: DecodedResource | undefined): string | undefined {
  const message = resource?.message;
  return message?.$typeName === 'envoy.config.endpoint.v3.ClusterLoadAssignment'
    ? message.endpoints[0]?.locality?.zone
    : undefined;
}

describe.each(['delta', 'state of the world'] as const)('speaking %s', (variant) => {
  const clusters: EncodedResource[] = NAMES.map((name) => cluster(name));
  const configuration = (version: string) =>
    setOf({
      Cluster: clusters,
      ClusterLoadAssignment: NAMES.map((name) => endpoints(name, name === CHANGING ? version : '')),
    });

  test(`${CLIENTS} clients all get each change and nothing else; a slow one among them holds nobody up and gets the newest state alone`, async () => {
    const { port, push, server } = await serve(configuration('v0'));
    const followers = Array.from({ length: CLIENTS }, (_, at) => new Follower(port, `node-${at}`, variant));
    await Promise.all(followers.map((follower) => follower.has('v0')));
    const settled = () =>
      server
        .clients()
        .every(({ subscriptions }) => subscriptions.every((each) => each.sentVersion === each.ackedVersion));
    await serverSees(server, (clients) => clients.length === CLIENTS && settled());

    const slow = followers[100] as Follower;
    const others = followers.filter((follower) => follower !== slow);
    const { promise, resolve: open } = Promise.withResolvers<void>();
    slow.gate = promise;
    for (const version of ['v1', 'v2', 'v3', 'v4']) {
      push(configuration(version));
      await Promise.all(others.map((follower) => follower.has(version)));
    }
    expect(slow.responses.map(({ version }) => version)).toEqual(['v0', 'v1']);
    open();
    await slow.has('v4');
    await serverSees(server, settled);

    const change = (version: string) => ({ names: [CHANGING], version });
    expect(slow.responses.slice(1)).toEqual(['v1', 'v4'].map(change));
    for (const { responses } of others) {
      expect(responses[0]?.names).toEqual(NAMES);
      expect(responses.slice(1)).toEqual(['v1', 'v2', 'v3', 'v4'].map(change));
    }
  });
});
