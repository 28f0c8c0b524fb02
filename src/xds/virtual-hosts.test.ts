import { create } from '@bufbuild/protobuf';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { AdsClient, type DecodedResource } from './client.ts';
import { MAX_RESPONSE_BYTES } from './delta.ts';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import { TypeUrl } from './resources.ts';
import { ScriptedClient, spell } from './scripted-client.ts';
import { closers, cluster, routeWithVhds, serve, serverSees, setOf, virtualHost } from './test-support.ts';

const hosts = (...list: ReturnType<typeof virtualHost>[]) => setOf({ VirtualHost: list });

describe('virtual hosts of a route configuration', () => {
  test('come to whoever names the route configuration, all in one answer', async () => {
    const { port } = await serve(hosts(virtualHost('r/a'), virtualHost('other/a'), virtualHost('r/b')));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(spell(await client.take())).toBe('VHDS r/a r/b');
    client.subscribe(TypeUrl.VirtualHost, 'other');
    expect(spell(await client.take())).toBe('VHDS other/a');
  });

  test('are one answer also where they are more than one response of another type holds', async () => {
    const large = 'x'.repeat(MAX_RESPONSE_BYTES / 2);
    const { port } = await serve(hosts(...['a', 'b', 'c'].map((name) => virtualHost(`r/${name}`, large))));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(spell(await client.take())).toBe('VHDS r/a r/b r/c');
  });

  test('follow one by one: a change among many is one resource, and as small as one', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => virtualHost(`r/h${index}`, `h${index}.example`));
    const { port, push, lines } = await serve(hosts(...many));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect((await client.take()).resources.length).toBe(2000);
    push(hosts(...many.with(1000, virtualHost('r/h1000', 'changed.example'))));
    expect(spell(await client.take())).toBe('VHDS r/h1000');
    expect(lines.findLast(({ msg }) => msg === 'push')).toMatchObject({ type: 'VHDS', resources: 1, bytes: 24 });
    push(hosts(...many.with(1000, virtualHost('r/new'))));
    expect(spell(await client.take())).toBe('VHDS r/new -r/h1000');
    await client.expectSilence();
  });

  test('of a route configuration without any are said not to exist, and come once there are some', async () => {
    const { port, push } = await serve(hosts(virtualHost('other/a')));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(spell(await client.take())).toBe('VHDS -r');
    push(hosts(virtualHost('r/a')));
    expect(spell(await client.take())).toBe('VHDS r/a');
  });

  test('are no longer sent to one that dropped the route configuration, and all again once it names it anew', async () => {
    const { port, push } = await serve(hosts(virtualHost('r/a'), virtualHost('s/a')));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r', 's');
    expect(spell(await client.take())).toBe('VHDS r/a s/a');
    client.unsubscribe(TypeUrl.VirtualHost, 'r');
    await client.expectSilence();
    push(hosts(virtualHost('r/a', 'changed'), virtualHost('r/b'), virtualHost('s/b')));
    expect(spell(await client.take())).toBe('VHDS s/b -s/a');
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(spell(await client.take())).toBe('VHDS r/a r/b');
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(spell(await client.take())).toBe('VHDS r/a r/b');
  });

  test('that a client already has are not sent when it comes back, and those that are gone are said', async () => {
    const same = virtualHost('r/same');
    const { port } = await serve(hosts(same, virtualHost('r/changed', 'new')));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.VirtualHost, {
      resourceNamesSubscribe: ['r'],
      initialResourceVersions: { 'r/same': same.version, 'r/changed': 'old', 'r/gone': 'old' },
    });
    expect(spell(await client.take())).toBe('VHDS r/changed -r/gone');
    const back = new ScriptedClient(port);
    back.request(TypeUrl.VirtualHost, {
      resourceNamesSubscribe: ['r'],
      initialResourceVersions: { 'r/same': same.version, 'r/changed': virtualHost('r/changed', 'new').version },
    });
    expect(spell(await back.take())).toBe('VHDS');
  });

  test('of which one is refused cost that one alone', async () => {
    const names = ['a', 'b', 'bad', 'd', 'e'].map((name) => `r/${name}`);
    const { port } = await serve(hosts(...names.map((name) => virtualHost(name))));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.VirtualHost, 'r');
    expect(await client.takeAllBut('r/bad', 4)).toEqual(['r/a', 'r/b', 'r/d', 'r/e']);
  });

  test('wait for the cluster they lead to, and the one they led to leaves after they are accepted', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('old')], VirtualHost: [virtualHost('r/a', 'old')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    await client.take();
    client.subscribe(TypeUrl.VirtualHost, 'r');
    await client.take();
    await client.expectSilence();
    push(setOf({ Cluster: [cluster('new')], VirtualHost: [virtualHost('r/a', 'new')] }));
    const clusters = await client.next();
    expect(spell(clusters)).toBe('CDS new');
    await client.expectSilence();
    client.ack(clusters);
    const hosted = await client.next();
    expect(spell(hosted)).toBe('VHDS r/a');
    await client.expectSilence();
    client.ack(hosted);
    expect(spell(await client.take())).toBe('CDS -old');
  });
});

describe('a client of virtual hosts', () => {
  function connect(port: number, variant: 'delta' | 'state of the world' = 'delta') {
    const told: string[] = [];
    const seen: DecodedResource[] = [];
    const client = new AdsClient({
      target: `127.0.0.1:${port}`,
      node: create(NodeSchema, { id: 'node-1' }),
      log: pino({ level: 'silent' }),
      random: () => 0,
      variant,
      onResponse(_typeUrl, resources, _version, removed) {
        seen.push(...resources);
        told.push([...resources.map(({ name }) => name), ...removed.map((name) => `-${name}`)].join(' '));
      },
    });
    closers.push(() => client.close());
    const until = async (count: number) => {
      while (told.length < count) await new Promise((resolve) => setImmediate(resolve));
      return told.at(-1);
    };
    return { client, told, seen, until };
  }

  test('is told of them by their names as resources', async () => {
    const { port, push } = await serve(hosts(virtualHost('r/a'), virtualHost('r/b')));
    const { client, seen, until } = connect(port);
    client.subscribe(TypeUrl.VirtualHost, ['r']);
    client.start();
    expect(await until(1)).toBe('r/a r/b');
    expect(seen[0]?.message).toMatchObject({ $typeName: 'envoy.config.route.v3.VirtualHost', name: 'a' });
    push(hosts(virtualHost('r/a', 'changed')));
    expect(await until(2)).toBe('r/a -r/b');
  });

  test('says after a reconnect what it has, and is sent the rest', async () => {
    const first = await serve(hosts(virtualHost('r/a'), virtualHost('r/b')));
    const { client, until } = connect(first.port);
    client.subscribe(TypeUrl.VirtualHost, ['r']);
    client.start();
    await until(1);
    await serverSees(first.server, ([one]) => one?.subscriptions[0]?.ackedVersion !== '');
    await first.server.close();
    await serve(hosts(virtualHost('r/a'), virtualHost('r/c')), { port: first.port });
    expect(await until(2)).toBe('r/c -r/b');
  });

  test('forgets those of a route configuration that it drops', async () => {
    const { port } = await serve(hosts(virtualHost('r/a'), virtualHost('s/a')));
    const { client, until } = connect(port);
    client.subscribe(TypeUrl.VirtualHost, ['r', 's']);
    client.start();
    await until(1);
    client.subscribe(TypeUrl.VirtualHost, ['s']);
    client.subscribe(TypeUrl.VirtualHost, ['r', 's']);
    expect(await until(2)).toBe('r/a');
  });

  test('refuses a route configuration that wants them over state of the world, which can not say them', async () => {
    const { port, server } = await serve(setOf({ RouteConfiguration: [routeWithVhds('r')] }));
    const { client, told } = connect(port, 'state of the world');
    client.subscribe(TypeUrl.RouteConfiguration, ['r']);
    client.start();
    await serverSees(server, ([one]) => one?.subscriptions[0]?.refusal !== undefined);
    expect(server.clients()[0]?.subscriptions[0]?.refusal?.message).toBe(
      'RouteConfiguration r: vhds: virtual hosts can be fetched over incremental xDS only',
    );
    expect(told).toEqual([]);
  });
});
