import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import pino from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { AdsClient, type AdsClientOptions, type DecodedResource, retryDelay } from './client.ts';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { encodeResource, shortTypeName, TypeUrl } from './resources.ts';
import type { AdsServer } from './server.ts';
import { aggregatedDiscoveryService } from './service.ts';
import { closers, cluster, route, serve, serverSees, setOf } from './test-support.ts';

/** Which the clients of a test speak. */
let variant: NonNullable<AdsClientOptions['variant']> = 'delta';

const silent = pino({ level: 'silent' });

const clusters = (...names: string[]) => setOf({ Cluster: names.map((name) => cluster(name)) });

/** A client and the responses it got, to be awaited one by one. */
function connect(port: number, refuse: (resources: DecodedResource[]) => string | undefined = () => undefined) {
  const responses: {
    type: string;
    names: string[];
    removed: string[];
    resources: DecodedResource[];
    version: string;
  }[] = [];
  const changes: boolean[] = [];
  let wake = () => {};
  const client = new AdsClient({
    target: `127.0.0.1:${port}`,
    variant,
    node: create(NodeSchema, { id: 'node-1' }),
    log: silent,
    random: () => 0,
    onConnectionChange: (connected) => {
      changes.push(connected);
      wake();
    },
    onResponse: (typeUrl, resources, version, removed) => {
      const names = resources.map((resource) => resource.name);
      responses.push({ type: shortTypeName(typeUrl), names, removed, resources, version });
      wake();
      const reason = refuse(resources);
      if (reason !== undefined) throw new Error(reason);
    },
  });
  closers.push(() => client.close());
  const until = async (condition: () => boolean) => {
    while (!condition())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const next = async () => {
    await until(() => responses.length > 0);
    return responses.shift() as (typeof responses)[number];
  };
  return { client, next, responses, changes, until };
}

const subscription = (server: AdsServer) => server.clients()[0]?.subscriptions[0];

describe.each(['delta', 'state of the world'] as const)('speaking %s', (spoken) => {
  beforeEach(() => {
    variant = spoken;
  });

  test('a subscription is answered with decoded resources, and accepted', async () => {
    const { port, server } = await serve(clusters('a', 'b'));
    const { client, next } = connect(port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    const response = await next();
    expect(response).toMatchObject({ type: 'CDS', names: ['a', 'b'] });
    expect(response.resources[0]?.message).toMatchObject({ $typeName: 'envoy.config.cluster.v3.Cluster', name: 'a' });
    expect(client.connected).toBe(true);
    await serverSees(server, () => subscription(server)?.ackedVersion === response.version);
  });

  test('subscribing to the same names again asks for nothing, other names do', async () => {
    const { port, server } = await serve(setOf({ RouteConfiguration: [route('r1'), route('r2')] }));
    const { client, next, responses } = connect(port);
    client.start();
    client.subscribe(TypeUrl.RouteConfiguration, ['r1']);
    expect((await next()).names).toEqual(['r1']);
    client.subscribe(TypeUrl.RouteConfiguration, ['r1']);
    client.subscribe(TypeUrl.RouteConfiguration, ['r1', 'r2']);
    expect((await next()).names).toEqual(['r2']);
    client.subscribe(TypeUrl.RouteConfiguration, []);
    await serverSees(server, () => subscription(server)?.names.length === 0);
    expect(responses).toEqual([]);
  });

  test('what is gone is said to be removed', async () => {
    const { port, push } = await serve(clusters('a', 'b'));
    const { client, next } = connect(port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    expect((await next()).removed).toEqual([]);
    push(clusters('b'));
    expect((await next()).removed).toEqual(['a']);
  });

  test('names learned in a response are subscribed from within it', async () => {
    const set = setOf({ Cluster: [cluster('a')], RouteConfiguration: [route('a')] });
    const { port } = await serve(set);
    const got: string[] = [];
    const done = Promise.withResolvers<void>();
    const client = new AdsClient({
      target: `127.0.0.1:${port}`,
      variant,
      node: create(NodeSchema, { id: 'node-1' }),
      log: silent,
      onResponse: (typeUrl, resources) => {
        got.push(shortTypeName(typeUrl));
        if (typeUrl === TypeUrl.Cluster)
          client.subscribe(
            TypeUrl.RouteConfiguration,
            resources.map((resource) => resource.name),
          );
        else done.resolve();
      },
    });
    closers.push(() => client.close());
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    await done.promise;
    expect(got).toEqual(['CDS', 'RDS']);
  });

  test('an exception refuses the response with its message, and the client goes on', async () => {
    const { port, server, push } = await serve(clusters('a'));
    const { client, next } = connect(port, (resources) =>
      resources.some((resource) => resource.name === 'bad') ? 'cluster bad: no such thing' : undefined,
    );
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    const good = await next();
    await serverSees(server, () => subscription(server)?.ackedVersion === good.version);
    push(clusters('a', 'bad'));
    await next();
    await serverSees(server, () => subscription(server)?.refusal !== undefined);
    expect(subscription(server)).toMatchObject({
      ackedVersion: good.version,
      refusal: { resources: spoken === 'delta' ? ['bad'] : ['a', 'bad'], message: 'cluster bad: no such thing' },
    });
    push(clusters('a', 'c'));
    expect(await next()).toMatchObject({ names: spoken === 'delta' ? ['c'] : ['a', 'c'], removed: ['bad'] });
    await serverSees(server, () => subscription(server)?.refusal === undefined);
  });

  test('a resource of another type than the response is refused without reaching the caller', async () => {
    const stranger = { ...route('a'), name: 'a' };
    const { port, server } = await serve(setOf({ Cluster: [stranger] }));
    const { client, responses } = connect(port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    await serverSees(server, () => subscription(server)?.refusal !== undefined);
    expect(subscription(server)?.refusal?.message).toContain('envoy.config.route.v3.RouteConfiguration');
    expect(responses).toEqual([]);
  });

  test('a resource whose bytes did not change is the same object as before', async () => {
    const { port, push } = await serve(clusters('a', 'b'));
    const { client, next } = connect(port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    const first = await next();
    push(setOf({ Cluster: [cluster('a'), cluster('b', 'changed')] }));
    const second = await next();
    const b = second.resources.at(-1);
    expect(b?.message).not.toBe(first.resources[1]?.message);
    expect(b?.message).toMatchObject({ name: 'b', altStatName: 'changed' });
    if (spoken === 'delta') expect(second.names).toEqual(['b']);
    else expect(second.resources[0]?.message).toBe(first.resources[0]?.message);
  });

  test('10,000 virtual hosts arrive', async () => {
    const virtualHosts = Array.from({ length: 10_000 }, (_, at) => ({
      name: `host-${at}`,
      domains: [`host-${at}.example.com`],
      routes: [{ name: 'x'.repeat(230) }],
    }));
    const message = create(RouteConfigurationSchema, { name: 'r', virtualHosts });
    const big = encodeResource('r', RouteConfigurationSchema, message);
    const { port } = await serve(setOf({ RouteConfiguration: [big] }));
    const { client, next } = connect(port);
    client.subscribe(TypeUrl.RouteConfiguration, ['r']);
    client.start();
    expect((await next()).resources[0]?.any.value.length).toBeGreaterThan(2_500_000);
  });

  describe('without the control plane', () => {
    test('a client that starts first connects once there is one', async () => {
      const { port, server: first } = await serve(new Map());
      await first.close();
      const { client, next, changes } = connect(port);
      client.subscribe(TypeUrl.Cluster, '*');
      client.start();
      expect(client.connected).toBe(false);
      await serve(clusters('a'), { port });
      expect((await next()).names).toEqual(['a']);
      expect(changes).toEqual([true]);
    });

    test('after a restart it subscribes to what it had, unchanged resources are the same objects, and changes arrive', async () => {
      const first = await serve(clusters('a'));
      const { client, next, changes, until } = connect(first.port);
      client.subscribe(TypeUrl.Cluster, '*');
      client.start();
      const before = await next();
      await first.server.close();
      await until(() => !client.connected);
      const second = await serve(clusters('a', 'b'), { port: first.port });
      const after = await next();
      if (spoken === 'delta') expect(after.names).toEqual(['b']);
      else {
        expect(after.names).toEqual(['a', 'b']);
        expect(after.resources[0]?.message).toBe(before.resources[0]?.message);
      }
      await serverSees(second.server, () => subscription(second.server)?.ackedVersion === after.version);
      expect(changes).toEqual([true, false, true]);
    });

    test('what went away meanwhile is said to be removed, and what changed to be changed', async () => {
      const first = await serve(clusters('a', 'b', 'c'));
      const { client, next, until } = connect(first.port);
      client.subscribe(TypeUrl.Cluster, '*');
      client.start();
      await next();
      await first.server.close();
      await until(() => !client.connected);
      await serve(setOf({ Cluster: [cluster('a'), cluster('b', 'changed')] }), { port: first.port });
      const after = await next();
      expect(after.removed).toEqual(['c']);
      expect(after.names).toEqual(spoken === 'delta' ? ['b'] : ['a', 'b']);
    });

    test('a subscription made meanwhile is asked for on the next connection', async () => {
      const first = await serve(clusters('a'));
      const { client, next, until } = connect(first.port);
      client.subscribe(TypeUrl.Cluster, '*');
      client.start();
      await next();
      await first.server.close();
      await until(() => !client.connected);
      client.subscribe(TypeUrl.RouteConfiguration, ['r']);
      await serve(setOf({ RouteConfiguration: [route('r')] }), { port: first.port });
      const types = [await next(), await next()].map(({ type, names }) => [type, ...names].join(' '));
      expect(types).toEqual(['CDS', 'RDS r']);
    });
  });
});

describe('without the control plane', () => {
  test('close() ends the retries', async () => {
    const { port, server } = await serve(new Map());
    await server.close();
    const { client, changes } = connect(port);
    client.start();
    await client.close();
    client.start();
    expect(client.connected).toBe(false);
    expect(changes).toEqual([]);
  });

  test('retries start after a tenth of a second and slow down to half a minute, with jitter', () => {
    const longest = [0, 1, 2, 3, 8, 9, 1000].map((failures) => retryDelay(failures, () => 1));
    expect(longest).toEqual([100, 200, 400, 800, 25_600, 30_000, 30_000]);
    expect(retryDelay(0, () => 0)).toBe(50);
  });
});

describe('speaking delta', () => {
  beforeEach(() => {
    variant = 'delta';
  });

  test('a name that does not exist is said to be removed, and arrives once it exists', async () => {
    const { port, push } = await serve(new Map());
    const { client, next } = connect(port);
    client.subscribe(TypeUrl.RouteConfiguration, ['r']);
    client.start();
    expect(await next()).toMatchObject({ type: 'RDS', names: [], removed: ['r'] });
    push(setOf({ RouteConfiguration: [route('r')] }));
    expect(await next()).toMatchObject({ type: 'RDS', names: ['r'], removed: [] });
  });

  test('after a reconnect nothing is sent that is there already', async () => {
    const resources = setOf({ Cluster: [cluster('a')], RouteConfiguration: [route('r')] });
    const first = await serve(resources);
    const { client, next, until } = connect(first.port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.subscribe(TypeUrl.RouteConfiguration, ['r']);
    client.start();
    const before = [await next(), await next()];
    await first.server.close();
    await until(() => !client.connected);
    const second = await serve(resources, { port: first.port });
    const after = [await next(), await next()];
    expect(after.map(({ type, names, removed }) => [type, names, removed])).toEqual([
      ['CDS', [], []],
      ['RDS', [], []],
    ]);
    expect(after.map(({ version }) => version)).toEqual(before.map(({ version }) => version));
    await serverSees(second.server, () => subscription(second.server)?.ackedVersion === before[0]?.version);
  });

  test('what was refused is sent once more after a reconnect, though the server that comes back does not know of it', async () => {
    const first = await serve(clusters('a', 'bad'));
    const { client, next, until } = connect(first.port, (resources) =>
      resources.some((resource) => resource.name === 'bad') ? 'no such thing' : undefined,
    );
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    const names = [await next(), await next(), await next()].map((response) => response.names.join());
    expect(names.sort()).toEqual(['a', 'a,bad', 'bad']);
    await serverSees(first.server, () => subscription(first.server)?.refusal?.resources.join() === 'bad');
    await first.server.close();
    await until(() => !client.connected);
    await serve(clusters('a', 'bad'), { port: first.port });
    expect((await next()).names).toEqual(['bad']);
  });

  test('a control plane that only knows the state of the world is spoken to in that', async () => {
    const old = new Server();
    const opened: string[] = [];
    const { streamAggregatedResources } = aggregatedDiscoveryService;
    const answer = (call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>) => {
      opened.push('state of the world');
      call.on('data', ({ responseNonce, typeUrl }: DiscoveryRequest) => {
        if (responseNonce !== '') return;
        const resources = [cluster('a').any];
        call.write(create(DiscoveryResponseSchema, { typeUrl, versionInfo: '1', nonce: '1', resources }));
      });
      call.on('end', () => call.end());
    };
    old.addService({ streamAggregatedResources }, { streamAggregatedResources: answer } as never);
    const port = await new Promise<number>((resolve, reject) =>
      old.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    closers.push(() => old.forceShutdown());
    const { client, next, changes, until } = connect(port);
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
    expect((await next()).names).toEqual(['a']);
    expect(opened).toEqual(['state of the world']);
    expect(changes).toEqual([true]);
    // A newer one that takes its place is spoken to in delta, and told of what there is: it can say that it is gone.
    old.forceShutdown();
    await until(() => !client.connected);
    const { server } = await serve(clusters('b'), { port });
    expect(await next()).toMatchObject({ names: ['b'], removed: ['a'] });
    expect(server.clients()[0]?.variant).toBe('delta');
  });
});
