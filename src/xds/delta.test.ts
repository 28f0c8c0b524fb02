import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { MAX_RESPONSE_BYTES } from './delta.ts';
import { type EncodedResource, type ResourceSet, TypeUrl } from './resources.ts';
import { ScriptedClient, spell } from './scripted-client.ts';
import { cluster, endpoints, route, serve, serverSees, setOf } from './test-support.ts';

describe('wildcard subscriptions', () => {
  test('a first request without names is one for all of LDS or CDS; changes and removals follow by name', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('a'), cluster('b')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const first = await client.take();
    expect(spell(first)).toBe('CDS a b');
    expect(first.resources[0]?.version).toBe(cluster('a').version);
    expect(Buffer.compare(first.resources[0]?.resource?.value ?? Buffer.of(), cluster('a').any.value)).toBe(0);
    push(setOf({ Cluster: [cluster('b', 'changed'), cluster('c')] }));
    expect(spell(await client.take())).toBe('CDS b c -a');
  });

  test('`*` is one for all as well, and an empty configuration is answered', async () => {
    const { port, push } = await serve(new Map());
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Listener, '*');
    expect(spell(await client.take())).toBe('LDS');
    client.subscribe(TypeUrl.Cluster, '*');
    expect(spell(await client.take())).toBe('CDS');
    push(setOf({ Cluster: [cluster('a')] }));
    expect(spell(await client.take())).toBe('CDS a');
  });

  test('a first request that names some is not one for all, and dropping them does not make it one', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('a'), cluster('b')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster, 'a');
    expect(spell(await client.take())).toBe('CDS a');
    client.unsubscribe(TypeUrl.Cluster, 'a');
    client.request(TypeUrl.Cluster);
    await client.expectSilence();
  });

  test('a name beside the legacy wildcard adds to it; dropping `*` leaves the name', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('a'), cluster('b')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    expect(spell(await client.take())).toBe('CDS a b');
    client.subscribe(TypeUrl.Cluster, 'a');
    expect(spell(await client.take())).toBe('CDS a');
    push(setOf({ Cluster: [cluster('a'), cluster('b', '2')] }));
    expect(spell(await client.take())).toBe('CDS b');
    client.unsubscribe(TypeUrl.Cluster, '*');
    await client.expectSilence();
    push(setOf({ Cluster: [cluster('a', '3'), cluster('b', '3')] }));
    expect(spell(await client.take())).toBe('CDS a');
    await client.expectSilence();
  });

  test('a name dropped beside the wildcard is answered: with the resource, or that there is none', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster, '*', 'a', 'x');
    expect(spell(await client.take())).toBe('CDS a -x');
    client.unsubscribe(TypeUrl.Cluster, 'a');
    expect(spell(await client.take())).toBe('CDS a');
    client.unsubscribe(TypeUrl.Cluster, 'x');
    expect(spell(await client.take())).toBe('CDS -x');
  });
});

describe('named subscriptions', () => {
  test('only what is subscribed is sent, and of it only what changed', async () => {
    const { port, push } = await serve(setOf({ RouteConfiguration: [route('a'), route('b'), route('c')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration, 'a', 'b');
    expect(spell(await client.take())).toBe('RDS a b');
    push(setOf({ RouteConfiguration: [route('a'), route('b', '2'), route('c', '2')] }));
    expect(spell(await client.take())).toBe('RDS b');
    await client.expectSilence();
  });

  test('a name that does not exist is said to be removed, is sent once it exists, and removed when it is gone', async () => {
    const { port, push } = await serve(new Map());
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration, 'a');
    expect(spell(await client.take())).toBe('RDS -a');
    push(setOf({ RouteConfiguration: [route('a')] }));
    expect(spell(await client.take())).toBe('RDS a');
    push(new Map());
    expect(spell(await client.take())).toBe('RDS -a');
    push(setOf({ Cluster: [] }));
    await client.expectSilence();
  });

  test('a name dropped is not sent any more; taken up again, or subscribed twice, it is sent though it did not change', async () => {
    const { port, push } = await serve(setOf({ RouteConfiguration: [route('a'), route('b')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration, 'a', 'b');
    await client.take();
    client.unsubscribe(TypeUrl.RouteConfiguration, 'b', 'never-subscribed');
    await client.expectSilence();
    push(setOf({ RouteConfiguration: [route('a'), route('b', '2')] }));
    await client.expectSilence();
    client.subscribe(TypeUrl.RouteConfiguration, 'b');
    expect(spell(await client.take())).toBe('RDS b');
    client.subscribe(TypeUrl.RouteConfiguration, 'a');
    expect(spell(await client.take())).toBe('RDS a');
  });

  test('names may come and go with an answer, also with one to a superseded response', async () => {
    const { port } = await serve(setOf({ RouteConfiguration: [route('a'), route('b'), route('c')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration, 'a');
    client.ack(await client.next(), { resourceNamesSubscribe: ['b'], resourceNamesUnsubscribe: ['a'] });
    const second = await client.next();
    expect(spell(second)).toBe('RDS b');
    client.request(TypeUrl.RouteConfiguration, { responseNonce: 'old', resourceNamesSubscribe: ['c'] });
    await client.expectSilence();
    client.ack(second);
    expect(spell(await client.take())).toBe('RDS c');
  });

  test('routes, endpoints and secrets have no wildcard by silence', async () => {
    const { port } = await serve(setOf({ RouteConfiguration: [route('a')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration);
    await client.expectSilence();
  });
});

describe('after a reconnect', () => {
  test('nothing is sent that the client has: only what changed, came or went', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('same'), cluster('changed', '2'), cluster('new')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster, {
      initialResourceVersions: {
        same: cluster('same').version,
        changed: cluster('changed').version,
        gone: cluster('gone').version,
        'of another server': '17',
      },
    });
    expect(spell(await client.take())).toBe('CDS changed new -gone -of another server');
    await client.expectSilence();
  });

  test('by name too, and what is not subscribed any more is not mentioned', async () => {
    const { port, server } = await serve(setOf({ RouteConfiguration: [route('a'), route('b')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, {
      resourceNamesSubscribe: ['a', 'b', 'gone'],
      initialResourceVersions: { a: route('a').version, gone: '1', dropped: '1' },
    });
    expect(spell(await client.take())).toBe('RDS b -gone');
    await serverSees(server, ([only]) => only?.subscriptions[0]?.ackedVersion !== '');
    expect(server.clients()[0]).toMatchObject({
      variant: 'delta',
      subscriptions: [{ names: ['a', 'b', 'gone'], resources: 2 }],
    });
  });

  test('a client that has it all is told so with an empty response, whose version is that of the content', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('a'), cluster('b')] }));
    const first = new ScriptedClient(port);
    first.subscribe(TypeUrl.Cluster);
    const { systemVersionInfo } = await first.take();
    const again = new ScriptedClient(port);
    again.request(TypeUrl.Cluster, {
      initialResourceVersions: { a: cluster('a').version, b: cluster('b').version },
    });
    expect(await again.take()).toMatchObject({ resources: [], removedResources: [], systemVersionInfo });
  });
});

describe('ACK and NACK', () => {
  test('a refusal is shown and logged, is not repeated, and is over with the next good version', async () => {
    const { port, push, server, lines } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const good = await client.take();
    const bad = setOf({ Cluster: [cluster('a', 'bad')] });
    push(bad);
    const refused = await client.next();
    client.nack(refused, 'a: no such thing');
    push(bad);
    await client.expectSilence();
    expect(lines.find((line) => line.level === 40)).toMatchObject({
      type: 'CDS',
      version: refused.systemVersionInfo,
      accepted: good.systemVersionInfo,
      resources: ['a'],
      reason: 'a: no such thing',
    });
    expect(server.clients()[0]?.subscriptions[0]?.refusal?.message).toBe('a: no such thing');
    push(setOf({ Cluster: [cluster('a', 'better')] }));
    expect(spell(await client.take())).toBe('CDS a');
    await client.expectSilence();
    expect(server.clients()[0]?.subscriptions[0]?.refusal).toBeUndefined();
  });

  test('of many refused clusters the good ones still arrive: halves are tried apart until the bad one is alone', async () => {
    const names = ['c1', 'c2', 'c3', 'c4', 'c5'];
    const { port } = await serve(setOf({ Cluster: names.map((name) => cluster(name)) }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    expect(await client.takeAllBut('c3', 4)).toEqual(['c1', 'c2', 'c4', 'c5']);
  });

  test('one response of a type is under way at a time; a slow client then gets the newest, not each in between', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const first = await client.next();
    for (const name of ['b', 'c', 'd']) push(setOf({ Cluster: [cluster(name)] }));
    push(setOf({ Cluster: [cluster('d', 'newest')] }));
    await client.expectSilence();
    client.ack(first);
    const second = await client.take();
    expect(spell(second)).toBe('CDS d -a');
    expect(second.resources[0]?.version).toBe(cluster('d', 'newest').version);
    await client.expectSilence();
  });

  test('what came and went again before the client answered is not mentioned', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const first = await client.next();
    push(setOf({ Cluster: [cluster('a', '2'), cluster('b')] }));
    push(setOf({ Cluster: [cluster('a')] }));
    client.ack(first);
    await client.expectSilence();
  });
});

describe('make before break', () => {
  test('the cluster of an old route, and its endpoints, leave after the new route was accepted', async () => {
    const before = {
      Cluster: [cluster('old')],
      ClusterLoadAssignment: [endpoints('old')],
      RouteConfiguration: [route('r', 'to old')],
    };
    const { port, push } = await serve(setOf(before));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    await client.take();
    client.subscribe(TypeUrl.ClusterLoadAssignment, 'old');
    await client.take();
    client.subscribe(TypeUrl.RouteConfiguration, 'r');
    await client.take();
    await client.expectSilence();
    push(
      setOf({
        Cluster: [cluster('new')],
        ClusterLoadAssignment: [endpoints('new')],
        RouteConfiguration: [route('r', 'to new')],
      }),
    );
    const clusters = await client.next();
    expect(spell(clusters)).toBe('CDS new');
    client.subscribe(TypeUrl.ClusterLoadAssignment, 'new');
    expect(spell(await client.take())).toBe('EDS new');
    client.ack(clusters);
    const routed = await client.next();
    expect(spell(routed)).toBe('RDS r');
    await client.expectSilence();
    client.ack(routed);
    expect(spell(await client.take())).toBe('CDS -old');
    expect(spell(await client.take())).toBe('EDS -old');
  });

  test('a changed cluster warms anew, so its endpoints are sent again though they are the same', async () => {
    const same = { ClusterLoadAssignment: [endpoints('a'), endpoints('b')] };
    const { port, push } = await serve(setOf({ ...same, Cluster: [cluster('a'), cluster('b')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    await client.take();
    client.subscribe(TypeUrl.ClusterLoadAssignment, 'a', 'b');
    await client.take();
    await client.expectSilence();
    push(setOf({ ...same, Cluster: [cluster('a', 'changed'), cluster('b')] }));
    expect(spell(await client.take())).toBe('CDS a');
    expect(spell(await client.take())).toBe('EDS a');
  });
});

describe('size', () => {
  const many = (count: number, build: (name: string) => EncodedResource) =>
    Array.from({ length: count }, (_, at) => build(`outbound|80||service-${at}.default.svc.cluster.local`));

  test('one changed endpoint among 10,000 clusters sends one resource, and compares once for all clients', async () => {
    const clusters = many(10_000, cluster);
    const assignments = many(10_000, endpoints);
    const { port, push, lines } = await serve(setOf({ Cluster: clusters, ClusterLoadAssignment: assignments }));
    const connected = [new ScriptedClient(port), new ScriptedClient(port)];
    for (const client of connected) {
      client.subscribe(TypeUrl.Cluster);
      expect((await client.take()).resources.length).toBe(10_000);
      client.subscribe(TypeUrl.ClusterLoadAssignment, ...assignments.map(({ name }) => name));
      expect((await client.take()).resources.length).toBe(10_000);
      await client.expectSilence();
    }
    const name = assignments[5_000]?.name ?? '';
    const changed = endpoints(name, 'moved');
    const next = setOf({ Cluster: clusters, ClusterLoadAssignment: assignments.with(5_000, changed) });
    // The comparison walks the new map; the clients look up single names in it.
    const map = next.get(TypeUrl.ClusterLoadAssignment) as Map<string, EncodedResource>;
    let walks = 0;
    const iterate = map[Symbol.iterator].bind(map);
    map[Symbol.iterator] = () => {
      walks += 1;
      return iterate();
    };
    lines.length = 0;
    push(next);
    for (const client of connected) {
      expect(spell(await client.take())).toBe(`EDS ${name}`);
      await client.expectSilence();
    }
    expect(walks).toBe(1);
    expect(lines.filter((line) => line.type === 'EDS').map((line) => line.bytes)).toEqual([
      changed.any.value.length,
      changed.any.value.length,
    ]);
  });

  test('what is too much for one message comes in several, each after the one before was accepted', async () => {
    const big = many(5, (name) => cluster(name, 'x'.repeat(MAX_RESPONSE_BYTES / 2 - 1_000)));
    const { port } = await serve(setOf({ Cluster: big }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const counts: number[] = [];
    for (let sum = 0; sum < 5; sum += counts.at(-1) ?? 0) counts.push((await client.take()).resources.length);
    expect(counts).toEqual([2, 2, 1]);
    await client.expectSilence();
  });

  test('a resource that is larger than that comes alone', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('big', 'x'.repeat(8_000_000)), cluster('small')] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    expect([spell(await client.take()), spell(await client.take())]).toEqual(['CDS big', 'CDS small']);
  });
});

describe('clients that misbehave', () => {
  test('one that neither reads nor answers holds nobody up, and little is kept for it', async () => {
    const generation = (content: string) =>
      setOf({ Cluster: Array.from({ length: 20 }, (_, at) => cluster(`c-${at}`, content + 'x'.repeat(200_000))) });
    const { port, push, server, lines } = await serve(generation('0'));
    const deaf = new ScriptedClient(port);
    deaf.subscribe(TypeUrl.Cluster);
    await serverSees(server, ([only]) => (only?.subscriptions[0]?.sentVersion ?? '') !== '');
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    const has = new Map<string, string>();
    const whole = async (set: ResourceSet) => {
      const wanted = [...(set.get(TypeUrl.Cluster)?.values() ?? [])];
      while (!wanted.every(({ name, version }) => has.get(name) === version))
        for (const { name, version } of (await client.take()).resources) has.set(name, version);
    };
    for (let at = 1; at <= 5; at++) {
      const next = generation(String(at));
      push(next);
      await whole(next);
    }
    expect(has.size).toBe(20);
    // One response, of all that was pushed since.
    const toDeaf = lines.filter((line) => line.type === 'CDS').length - 5 * 2 - 2;
    expect(toDeaf).toBeLessThanOrEqual(1);
    expect(server.clients()[0]?.subscriptions[0]?.resources).toBeLessThan(20);
  });

  test('one that refuses everything for ever is left in peace after a while, and the log with it', async () => {
    const { port, push, server, lines } = await serve(setOf({ Cluster: [] }));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.Cluster);
    await client.take();
    const all = Array.from({ length: 1_000 }, (_, at) => cluster(`c-${at}`));
    push(setOf({ Cluster: all }));
    let refused = 0;
    const refuseAll = (async () => {
      for (;;) {
        client.nack(await client.next(), 'no');
        refused += 1;
      }
    })();
    refuseAll.catch(() => {});
    await serverSees(server, ([only]) => {
      const clusters = only?.subscriptions[0];
      return clusters?.refusal !== undefined && refused >= 64;
    });
    const responses = () => lines.filter((line) => line.type === 'CDS' && line.level === 30).length;
    const before = responses();
    server.push();
    const other = new ScriptedClient(port);
    other.subscribe(TypeUrl.Cluster);
    expect((await other.take()).resources.length).toBe(1_000);
    expect(responses()).toBe(before + 1);
    expect(lines.filter((line) => line.level === 40).length).toBeLessThan(10);
  });

  test('one that subscribes to 100,000 names that do not exist gets an answer, and the others are served', async () => {
    const { port, push } = await serve(setOf({ RouteConfiguration: [route('r')] }));
    const greedy = new ScriptedClient(port);
    greedy.subscribe(TypeUrl.RouteConfiguration, ...Array.from({ length: 100_000 }, (_, at) => `name-${at}`));
    const client = new ScriptedClient(port);
    client.subscribe(TypeUrl.RouteConfiguration, 'r');
    expect(spell(await client.take())).toBe('RDS r');
    expect((await greedy.take()).removedResources.length).toBe(100_000);
    push(setOf({ RouteConfiguration: [route('r', '2'), route('name-77777')] }));
    expect(spell(await greedy.take())).toBe('RDS name-77777');
    expect(spell(await client.take())).toBe('RDS r');
  });

  test('one that goes on subscribing to ever more names is shown the door', async () => {
    const { port, server } = await serve(new Map());
    const client = new ScriptedClient(port);
    for (let block = 0; block < 6; block++)
      client.subscribe(TypeUrl.RouteConfiguration, ...Array.from({ length: 100_000 }, (_, at) => `${block}-${at}`));
    expect(await client.ended).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('at most 500000'),
    });
    expect(server.clients()).toEqual([]);
  });

  test('one that hangs up in the middle of a push leaves nothing behind', async () => {
    const big = (content: string) => setOf({ Cluster: [cluster('a', content + 'x'.repeat(4_000_000))] });
    const { port, push, server } = await serve(big('1'));
    const goes = new ScriptedClient(port);
    goes.subscribe(TypeUrl.Cluster);
    await goes.take();
    const stays = new ScriptedClient(port);
    stays.subscribe(TypeUrl.Cluster);
    await stays.take();
    push(big('2'));
    goes.hangUp();
    push(big('3'));
    while ((await stays.take()).resources[0]?.version !== cluster('a', `3${'x'.repeat(4_000_000)}`).version);
    await serverSees(server, (clients) => clients.length === 1);
    push(big('4'));
    expect(spell(await stays.take())).toBe('CDS a');
  });
});
