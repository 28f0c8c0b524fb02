import { connect } from 'node:net';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, shortTypeName, TypeUrl } from './resources.ts';
import { AdsServer, type AdsServerOptions } from './server.ts';
import { aggregatedDiscoveryService, MAX_MESSAGE_BYTES } from './service.ts';
import { closers, cluster, endpoints, listener, route, secret, serve, setOf } from './test-support.ts';

const node = (id: string) => create(NodeSchema, { id });

/** A client that speaks the protocol word by word. */
class ScriptedClient {
  readonly #call: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  readonly #responses: DiscoveryResponse[] = [];
  readonly ended: Promise<{ code: status; details: string }>;
  #waiting: ((response: DiscoveryResponse) => void) | undefined;
  #barriers = 0;

  constructor(port: number) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    });
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.streamAggregatedResources;
    this.#call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call.on('data', (response: DiscoveryResponse) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#responses.push(response);
      else waiting(response);
    });
    this.#call.on('error', () => {});
    this.ended = new Promise((resolve) => this.#call.on('status', resolve));
    closers.push(() => {
      this.#call.cancel();
      client.close();
    });
  }

  request(typeUrl: string, init: MessageInitShape<typeof DiscoveryRequestSchema> = {}): void {
    this.#call.write(create(DiscoveryRequestSchema, { typeUrl, node: node('node-1'), ...init }));
  }

  ack(response: DiscoveryResponse, resourceNames: string[] = []): void {
    const { typeUrl, versionInfo, nonce } = response;
    this.request(typeUrl, { versionInfo, responseNonce: nonce, resourceNames });
  }

  nack(response: DiscoveryResponse, message: string, resourceNames: string[] = []): void {
    this.request(response.typeUrl, {
      responseNonce: response.nonce,
      resourceNames,
      errorDetail: { code: 13, message },
    });
  }

  next(): Promise<DiscoveryResponse> {
    const response = this.#responses.shift();
    if (response !== undefined) return Promise.resolve(response);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Resolves once the server has handled what was sent; rejects where it had answered anything. Uses SDS, which the test must not. */
  async expectSilence(): Promise<void> {
    this.request(TypeUrl.Secret, { resourceNames: [`barrier-${++this.#barriers}`] });
    const response = await this.next();
    expect(shortTypeName(response.typeUrl)).toBe('SDS');
    this.ack(response, [`barrier-${this.#barriers}`]);
  }
}

/** `CDS a b`: the type and the names of a response. */
function spell(response: DiscoveryResponse, names: readonly EncodedResource[]): string {
  const found = response.resources.map(
    (any) =>
      names.find((known) => known.any.typeUrl === any.typeUrl && Buffer.compare(known.any.value, any.value) === 0)
        ?.name,
  );
  return [shortTypeName(response.typeUrl), ...found].join(' ');
}

describe('what is sent', () => {
  test('a client learns what there is by subscribing to what it learned: clusters, endpoints, listeners, routes, secrets', async () => {
    const known = [cluster('a'), endpoints('a'), listener('l'), route('r'), secret('s')] as const;
    const [a, aEndpoints, l, r, s] = known;
    const { port } = await serve(
      setOf({ Cluster: [a], ClusterLoadAssignment: [aEndpoints], Listener: [l], RouteConfiguration: [r], Secret: [s] }),
    );
    const client = new ScriptedClient(port);
    const wanted = [
      [TypeUrl.Cluster, []],
      [TypeUrl.ClusterLoadAssignment, ['a']],
      [TypeUrl.Listener, []],
      [TypeUrl.RouteConfiguration, ['r']],
      [TypeUrl.Secret, ['s']],
    ] as const;
    const seen: string[] = [];
    for (const [typeUrl, resourceNames] of wanted) {
      client.request(typeUrl, { resourceNames: [...resourceNames] });
      const response = await client.next();
      seen.push(spell(response, known));
      client.ack(response, [...resourceNames]);
    }
    expect(seen).toEqual(['CDS a', 'EDS a', 'LDS l', 'RDS r', 'SDS s']);
  });

  test('an empty configuration is answered too, so that a proxy gets ready', async () => {
    const { port } = await serve(new Map());
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    expect((await client.next()).resources).toEqual([]);
  });

  test('a push sends only the types that changed, and of routes, endpoints and secrets only the resources that changed', async () => {
    const routes = [route('r1'), route('r2'), route('r2', 'changed')] as const;
    const before = { Cluster: [cluster('a')], RouteConfiguration: [routes[0], routes[1]] };
    const { port, push, server } = await serve(setOf(before));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    client.ack(await client.next());
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r1', 'r2'] });
    const first = await client.next();
    client.ack(first, ['r1', 'r2']);
    await client.expectSilence();
    push(setOf({ ...before, RouteConfiguration: [routes[0], routes[2]] }));
    const second = await client.next();
    expect(spell(second, routes)).toBe('RDS r2');
    expect(second.versionInfo).not.toBe(first.versionInfo);
    expect(second.nonce).not.toBe(first.nonce);
    client.ack(second, ['r1', 'r2']);
    server.push();
    await client.expectSilence();
  });

  test('a resource that is not subscribed is not sent', async () => {
    const { port, push } = await serve(setOf({ RouteConfiguration: [route('r1')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r1'] });
    client.ack(await client.next(), ['r1']);
    push(setOf({ RouteConfiguration: [route('r1'), route('r2')] }));
    await client.expectSilence();
  });

  test('names added to a subscription are answered, names dropped are not, and names taken up again are', async () => {
    const known = [route('r1'), route('r2')];
    const { port } = await serve(setOf({ RouteConfiguration: known }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r1'] });
    const first = await client.next();
    client.ack(first, ['r1', 'r2']);
    const second = await client.next();
    expect(spell(second, known)).toBe('RDS r2');
    client.ack(second, ['r2']);
    await client.expectSilence();
    client.ack(second, ['r1', 'r2']);
    expect(spell(await client.next(), known)).toBe('RDS r1');
  });

  test('versions come from the content: two servers with the same configuration say the same version', async () => {
    const versions: string[] = [];
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const { port } = await serve(setOf({ Cluster: order.map((name) => cluster(name)) }));
      const client = new ScriptedClient(port);
      client.request(TypeUrl.Cluster);
      versions.push((await client.next()).versionInfo);
    }
    expect(versions[0]).toBe(versions[1]);
  });

  test('a client that comes back with all listeners or clusters there are is sent none of them, only what changes then', async () => {
    const [a, b] = [cluster('a'), cluster('b')];
    const { port, push, server } = await serve(setOf({ Cluster: [a] }));
    const first = new ScriptedClient(port);
    first.request(TypeUrl.Cluster);
    const { versionInfo } = await first.next();
    const second = new ScriptedClient(port);
    second.request(TypeUrl.Cluster, { versionInfo });
    await second.expectSilence();
    const status = server
      .clients()
      .map(({ subscriptions }) => subscriptions.find((one) => one.typeUrl === TypeUrl.Cluster));
    expect(status.at(-1)).toMatchObject({ resources: 1, sentVersion: versionInfo, ackedVersion: versionInfo });
    push(setOf({ Cluster: [a, b] }));
    expect(spell(await second.next(), [a, b])).toBe('CDS a b');
    const third = new ScriptedClient(port);
    third.request(TypeUrl.Cluster, { versionInfo });
    expect(spell(await third.next(), [a, b])).toBe('CDS a b');
  });

  test('a message of several megabytes arrives whole', async () => {
    const big = route('r', 'x'.repeat(8_000_000));
    const { port } = await serve(setOf({ RouteConfiguration: [big] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r'] });
    expect(spell(await client.next(), [big])).toBe('RDS r');
  });

  test('a type that is not served is left unanswered, and the others still are', async () => {
    const { port } = await serve(setOf({}));
    const client = new ScriptedClient(port);
    client.request('type.googleapis.com/envoy.service.runtime.v3.Runtime');
    await client.expectSilence();
  });

  test('each push is logged with type, node, number of resources, bytes and version', async () => {
    const a = cluster('a');
    const { port, lines } = await serve(setOf({ Cluster: [a] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    const { versionInfo } = await client.next();
    expect(lines.find((line) => line.type === 'CDS')).toMatchObject({
      node: 'node-1',
      resources: 1,
      bytes: a.any.value.length,
      version: versionInfo,
      msg: 'push on request',
    });
  });
});

describe('make before break', () => {
  const before = {
    Cluster: [cluster('old')],
    ClusterLoadAssignment: [endpoints('old'), endpoints('new')],
    Listener: [listener('l')],
    RouteConfiguration: [route('r', 'to old')],
  };
  const after = { ...before, Cluster: [cluster('new')], RouteConfiguration: [route('r', 'to new')] };
  const known = [...before.Cluster, ...after.Cluster, ...before.ClusterLoadAssignment, ...before.Listener];
  const routes = [...before.RouteConfiguration, ...after.RouteConfiguration];

  async function connected(options: Partial<AdsServerOptions> = {}) {
    const served = await serve(setOf(before), options);
    const client = new ScriptedClient(served.port);
    const last = new Map<string, DiscoveryResponse>();
    for (const [typeUrl, resourceNames] of [
      [TypeUrl.Cluster, []],
      [TypeUrl.ClusterLoadAssignment, ['old']],
      [TypeUrl.Listener, []],
      [TypeUrl.RouteConfiguration, ['r']],
    ] as const) {
      client.request(typeUrl, { resourceNames: [...resourceNames] });
      const response = await client.next();
      client.ack(response, [...resourceNames]);
      last.set(typeUrl, response);
    }
    await client.expectSilence();
    return { ...served, client, lastEndpoints: last.get(TypeUrl.ClusterLoadAssignment) as DiscoveryResponse };
  }

  test('a new cluster and its endpoints are accepted before the route to it is sent, and the old cluster leaves last', async () => {
    const { client, push, lastEndpoints } = await connected();
    push(setOf(after));
    const clusters = await client.next();
    expect(spell(clusters, known)).toBe('CDS new old');
    // As Envoy does: first it asks for the endpoints of the new cluster, and accepts the clusters once that is warm.
    client.ack(lastEndpoints, ['old', 'new']);
    const warmed = await client.next();
    expect(spell(warmed, known)).toBe('EDS new');
    client.ack(warmed, ['old', 'new']);
    await client.expectSilence();
    client.ack(clusters);
    const routed = await client.next();
    expect(spell(routed, routes)).toBe('RDS r');
    await client.expectSilence();
    client.ack(routed, ['r']);
    expect(spell(await client.next(), known)).toBe('CDS new');
  });

  test('while the new route is refused, the cluster that the old one uses stays', async () => {
    const { client, push } = await connected();
    push(setOf(after));
    client.ack(await client.next());
    client.nack(await client.next(), 'bad route', ['r']);
    await client.expectSilence();
    push(setOf(before));
    const routed = await client.next();
    expect(spell(routed, routes)).toBe('RDS r');
    client.ack(routed, ['r']);
    expect(spell(await client.next(), known)).toBe('CDS old');
  });

  test('a cluster that never warms holds routes back for a limited time only', async () => {
    const { client, push } = await connected({ warmingLimitMs: 20 });
    push(setOf(after));
    expect(spell(await client.next(), known)).toBe('CDS new old');
    expect(spell(await client.next(), routes)).toBe('RDS r');
  });

  test('a changed cluster warms anew, so its endpoints are sent again though they are the same', async () => {
    const { client, push } = await connected();
    const changed = cluster('old', 'changed');
    push(setOf({ ...before, Cluster: [changed] }));
    expect(spell(await client.next(), [changed])).toBe('CDS old');
    expect(spell(await client.next(), known)).toBe('EDS old');
  });
});

describe('ACK, NACK and nonces', () => {
  test('what a client accepted is shown', async () => {
    const { port, server } = await serve(setOf({ Cluster: [cluster('a'), cluster('b')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    const response = await client.next();
    expect(server.clients()[0]?.subscriptions).toMatchObject([{ sentVersion: response.versionInfo, ackedVersion: '' }]);
    client.ack(response);
    await client.expectSilence();
    expect(server.clients()).toMatchObject([
      {
        node: { id: 'node-1' },
        address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        subscriptions: [
          {
            typeUrl: TypeUrl.Cluster,
            names: '*',
            resources: 2,
            sentVersion: response.versionInfo,
            ackedVersion: response.versionInfo,
          },
          { typeUrl: TypeUrl.Secret },
        ],
      },
    ]);
  });

  test('a refusal is logged and shown with node, type, resource and reason, and the same bytes are not sent again', async () => {
    const { port, push, server, lines } = await serve(setOf({ Listener: [listener('l')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Listener);
    const good = await client.next();
    client.ack(good);
    const bad = setOf({ Listener: [listener('l', 'bad')] });
    push(bad);
    const refused = await client.next();
    client.nack(refused, 'l: duplicate address');
    await client.expectSilence();
    push(bad);
    await client.expectSilence();
    expect(lines.find((line) => line.level === 40)).toMatchObject({
      type: 'LDS',
      node: 'node-1',
      version: refused.versionInfo,
      accepted: good.versionInfo,
      resources: ['l'],
      reason: 'l: duplicate address',
    });
    expect(server.clients()[0]?.subscriptions[0]).toMatchObject({
      sentVersion: refused.versionInfo,
      ackedVersion: good.versionInfo,
      refusal: { version: refused.versionInfo, resources: ['l'], message: 'l: duplicate address' },
    });
    const better = setOf({ Listener: [listener('l', 'better')] });
    push(better);
    client.ack(await client.next());
    await client.expectSilence();
    expect(server.clients()[0]?.subscriptions[0]?.refusal).toBeUndefined();
  });

  test('of many refused routes the good ones still arrive: halves are tried apart until the bad one is alone', async () => {
    const names = ['r1', 'r2', 'r3', 'r4', 'r5'];
    const { port, server } = await serve(setOf({ RouteConfiguration: names.map((name) => route(name)) }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: names });
    const accepted = new Set<string>();
    for (let left = 9; left > 0 && accepted.size < 4; left--) {
      const response = await client.next();
      const carried = spell(
        response,
        names.map((name) => route(name)),
      )
        .split(' ')
        .slice(1);
      if (carried.includes('r3')) client.nack(response, 'r3 is bad', names);
      else {
        for (const name of carried) accepted.add(name);
        client.ack(response, names);
      }
    }
    expect([...accepted].sort()).toEqual(['r1', 'r2', 'r4', 'r5']);
    server.push();
    await client.expectSilence();
  });

  test('a request with a superseded nonce accepts nothing', async () => {
    const { port, push, server } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    const first = await client.next();
    client.ack(first);
    await client.expectSilence();
    push(setOf({ Cluster: [cluster('b')] }));
    const second = await client.next();
    client.ack(first);
    await client.expectSilence();
    expect(server.clients()[0]?.subscriptions[0]).toMatchObject({ ackedVersion: first.versionInfo });
    client.ack(second);
    await client.expectSilence();
    expect(server.clients()[0]?.subscriptions[0]).toMatchObject({ ackedVersion: second.versionInfo });
  });

  test('a name dropped and taken up again while a response is under way is sent again', async () => {
    const known = [route('r1'), route('r2')];
    const { port, push } = await serve(setOf({ RouteConfiguration: known }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r1', 'r2'] });
    const first = await client.next();
    client.ack(first, ['r1', 'r2']);
    await client.expectSilence();
    const changed = route('r2', 'changed');
    push(setOf({ RouteConfiguration: [route('r1'), changed] }));
    const second = await client.next();
    client.ack(first, ['r2']);
    client.ack(first, ['r1', 'r2']);
    await client.expectSilence();
    client.ack(second, ['r1', 'r2']);
    expect(spell(await client.next(), known)).toBe('RDS r1');
  });

  test('a slow client has one response of a type under way, and then gets the newest, not each in between', async () => {
    const { port, push } = await serve(setOf({ Cluster: [cluster('a')] }));
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    const first = await client.next();
    for (const name of ['b', 'c', 'd']) push(setOf({ Cluster: [cluster(name)] }));
    await client.expectSilence();
    client.ack(first);
    expect(spell(await client.next(), [cluster('d')])).toBe('CDS d');
    await client.expectSilence();
  });
});

describe('clients that misbehave', () => {
  test('a node that resourcesFor refuses gets INVALID_ARGUMENT and a line in the log', async () => {
    const { port, lines } = await serve(new Map(), {
      resourcesFor: (node) => {
        throw new Error(`node id ${JSON.stringify(node.id)}: expected router~IP~name.namespace~domain`);
      },
    });
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster, { node: node('nonsense') });
    expect(await client.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'node id "nonsense": expected router~IP~name.namespace~domain',
    });
    expect(lines.find((line) => line.msg === 'node refused')).toMatchObject({ node: 'nonsense', level: 40 });
  });

  test('a first request without a node gets INVALID_ARGUMENT', async () => {
    const { port, server } = await serve(new Map());
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster, { node: undefined as never });
    expect(await client.ended).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(server.clients()).toEqual([]);
  });

  test('a translation that fails at a push leaves the client with what it has', async () => {
    let fail = false;
    const { port, server, lines } = await serve(new Map(), {
      resourcesFor: () => {
        if (fail) throw new Error('no');
        return setOf({ Cluster: [cluster('a')] });
      },
    });
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    client.ack(await client.next());
    fail = true;
    server.push();
    await client.expectSilence();
    expect(lines.some((line) => line.level === 50 && String(line.msg).startsWith('push failed'))).toBe(true);
  });

  test('one that subscribes to 100,000 names that do not exist is told what there is, and the others are served', async () => {
    const known = [route('r'), route('name-77777')] as const;
    const { port, push } = await serve(setOf({ RouteConfiguration: [known[0]] }));
    const greedy = new ScriptedClient(port);
    const names = Array.from({ length: 100_000 }, (_, at) => `name-${at}`);
    greedy.request(TypeUrl.RouteConfiguration, { resourceNames: names });
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: ['r'] });
    expect(spell(await client.next(), known)).toBe('RDS r');
    greedy.ack(await greedy.next(), names);
    await greedy.expectSilence();
    push(setOf({ RouteConfiguration: [...known] }));
    expect(spell(await greedy.next(), known)).toBe('RDS name-77777');
  });

  test('one that refuses everything for ever is left in peace after a while, and the others are served', async () => {
    const names = Array.from({ length: 1_000 }, (_, at) => `r-${at}`);
    const { port, server, lines } = await serve(setOf({ RouteConfiguration: names.map((name) => route(name)) }));
    const refuses = new ScriptedClient(port);
    refuses.request(TypeUrl.RouteConfiguration, { resourceNames: names });
    // As many as are tried apart before the client is taken to refuse all of it.
    for (let refused = 0; refused < 64; refused++) refuses.nack(await refuses.next(), 'no', names);
    await refuses.expectSilence();
    server.push();
    await refuses.expectSilence();
    const client = new ScriptedClient(port);
    client.request(TypeUrl.RouteConfiguration, { resourceNames: names });
    expect((await client.next()).resources.length).toBe(1_000);
    expect(lines.filter((line) => line.level === 40).length).toBeLessThan(10);
  });

  test('garbage bytes and a client that hangs up in the middle do not disturb the others', async () => {
    const { port } = await serve(setOf({ Cluster: [cluster('a')] }));
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0\xff'.repeat(500),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x7f\x7f\x7f\x7f',
    ]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      await new Promise<void>((resolve) => {
        socket.on('close', () => resolve());
        socket.resume();
        socket.end(bytes, 'latin1');
      });
    }
    const hangsUp = new ScriptedClient(port);
    hangsUp.request(TypeUrl.Cluster);
    await closers.pop()?.();
    const client = new ScriptedClient(port);
    client.request(TypeUrl.Cluster);
    expect(spell(await client.next(), [cluster('a')])).toBe('CDS a');
  });

  test('an address that is taken is an error that names it', async () => {
    const { port } = await serve(new Map());
    const second = new AdsServer({ resourcesFor: () => new Map(), log: pino({ level: 'silent' }) });
    await expect(second.listen(`127.0.0.1:${port}`)).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
    await second.close();
  });
});
