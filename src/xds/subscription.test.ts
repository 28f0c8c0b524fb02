import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeltaSubscription } from './delta.ts';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, encodeResource, TypeUrl } from './resources.ts';
import { StateOfTheWorldSubscription } from './state-of-the-world.ts';
import type { NextResponse } from './subscription.ts';

// The content of a resource is a number; the client refuses a response that holds a 0.
const resource = (name: string, content: number) =>
  encodeResource(name, ClusterSchema, create(ClusterSchema, { name, altStatName: String(content) }));

type Step =
  | { do: 'configure'; contents: Record<string, number> }
  | { do: 'subscribe'; names: string[] }
  | { do: 'answer' };

/** A client, the server's view of it, and the responses on the wire between them. */
abstract class Pair {
  abstract readonly subscription: StateOfTheWorldSubscription | DeltaSubscription;
  protected readonly wildcard: boolean;
  readonly has = new Map<string, string>();
  protected names: string[];
  #available = new Map<string, EncodedResource>();
  #wire: (NextResponse & { nonce: string })[] = [];
  #nonces = 0;
  readonly sent: NextResponse[] = [];

  constructor(typeUrl: TypeUrl, names: string[]) {
    this.wildcard = typeUrl === TypeUrl.Cluster;
    this.names = names;
  }

  configure(contents: Record<string, number>): void {
    this.#available = new Map(Object.entries(contents).map(([name, content]) => [name, resource(name, content)]));
    this.flush();
  }

  abstract subscribe(names: string[]): void;
  protected abstract reply(nonce: string, error?: string): void;
  protected abstract take(response: NextResponse): void;

  /** The client takes the next response, if there is one. */
  answer(): boolean {
    const response = this.#wire.shift();
    if (response === undefined) return false;
    const refused = response.resources.some((known) => known.version === resource(known.name, 0).version);
    if (!refused) this.take(response);
    this.reply(response.nonce, refused ? 'refused' : undefined);
    return true;
  }

  /** What the client should have: the configuration, as far as it is subscribed. */
  wanted(): Map<string, string> {
    const all = [...this.#available.values()].map(({ name, version }) => [name, version] as const);
    return new Map(this.wildcard ? all : all.filter(([name]) => this.names.includes(name)));
  }

  protected flush(): void {
    const next = this.subscription.next(this.#available);
    if (next === undefined) return;
    const nonce = String(++this.#nonces);
    this.subscription.markSent(next, nonce);
    this.sent.push(next);
    this.#wire.push({ ...next, nonce });
    expect(this.#wire.length, 'responses under way').toBe(1);
  }
}

class StateOfTheWorldPair extends Pair {
  readonly subscription: StateOfTheWorldSubscription;
  #lastNonce = '';

  constructor(typeUrl: TypeUrl, names: string[]) {
    super(typeUrl, names);
    this.subscription = new StateOfTheWorldSubscription(typeUrl);
    this.reply('');
  }

  subscribe(names: string[]): void {
    this.names = names;
    if (!this.wildcard) for (const name of this.has.keys()) if (!names.includes(name)) this.has.delete(name);
    this.reply(this.#lastNonce);
  }

  protected reply(nonce: string, error?: string): void {
    this.#lastNonce = nonce;
    this.subscription.receive(
      create(DiscoveryRequestSchema, {
        resourceNames: this.wildcard ? [] : this.names,
        responseNonce: nonce,
        ...(error === undefined ? {} : { errorDetail: { message: error } }),
      }),
    );
    this.flush();
  }

  protected take(response: NextResponse): void {
    if (this.wildcard) this.has.clear();
    for (const known of response.resources)
      if (this.wildcard || this.names.includes(known.name)) this.has.set(known.name, known.version);
  }
}

class DeltaPair extends Pair {
  readonly subscription: DeltaSubscription;

  constructor(typeUrl: TypeUrl, names: string[]) {
    super(typeUrl, names);
    this.subscription = new DeltaSubscription(typeUrl);
    this.#request({ resourceNamesSubscribe: this.wildcard ? [] : names });
  }

  subscribe(names: string[]): void {
    if (this.wildcard) return;
    const before = this.names;
    this.names = names;
    for (const name of this.has.keys()) if (!names.includes(name)) this.has.delete(name);
    this.#request({
      resourceNamesSubscribe: names.filter((name) => !before.includes(name)),
      resourceNamesUnsubscribe: before.filter((name) => !names.includes(name)),
    });
  }

  protected reply(nonce: string, error?: string): void {
    this.#request({ responseNonce: nonce, ...(error === undefined ? {} : { errorDetail: { message: error } }) });
  }

  protected take(response: NextResponse): void {
    for (const known of response.resources)
      if (this.wildcard || this.names.includes(known.name)) this.has.set(known.name, known.version);
    for (const name of response.removed) this.has.delete(name);
  }

  #request(init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    this.subscription.receive(create(DeltaDiscoveryRequestSchema, init));
    this.flush();
  }
}

const names = ['a', 'b', 'c', 'd', 'e'];
const contents = (least: number) => fc.dictionary(fc.constantFrom(...names), fc.integer({ min: least, max: 3 }));
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('configure' as const), contents: contents(0) }),
    fc.record({ do: fc.constant('subscribe' as const), names: fc.subarray(names, { minLength: 1 }) }),
    fc.record({ do: fc.constant('answer' as const) }),
  ),
  { maxLength: 30 },
) satisfies fc.Arbitrary<Step[]>;

function run(pair: Pair, list: Step[]): void {
  for (const step of list) {
    if (step.do === 'configure') pair.configure(step.contents);
    else if (step.do === 'subscribe') pair.subscribe(step.names);
    else pair.answer();
  }
}

describe.each([
  ['of the whole state', TypeUrl.Cluster, StateOfTheWorldPair],
  ['by name', TypeUrl.RouteConfiguration, StateOfTheWorldPair],
  ['to all, incremental', TypeUrl.Cluster, DeltaPair],
  ['by name, incremental', TypeUrl.RouteConfiguration, DeltaPair],
] as const)('a subscription %s', (_name, typeUrl, Variant) => {
  test('whatever was pushed, refused, subscribed and superseded before: a good configuration arrives in full', () => {
    fc.assert(
      fc.property(steps, contents(1), (list, last) => {
        const pair = new Variant(typeUrl, ['a', 'b']);
        run(pair, list);
        pair.configure(last);
        while (pair.answer()); // ends: otherwise the same bytes go round for ever
        for (const [name, version] of pair.wanted()) expect(pair.has.get(name)).toBe(version);
        if (typeUrl === TypeUrl.Cluster || Variant === DeltaPair) expect(pair.has).toEqual(pair.wanted());
        expect(pair.subscription.refusal).toBeUndefined();
      }),
    );
  });

  test('once all is answered, pushing the same configuration sends nothing, refused or not', () => {
    fc.assert(
      fc.property(steps, contents(0), (list, last) => {
        const pair = new Variant(typeUrl, ['a', 'b']);
        run(pair, list);
        pair.configure(last);
        while (pair.answer());
        const before = pair.sent.length;
        pair.configure(last);
        expect(pair.sent.length).toBe(before);
      }),
    );
  });
});

test.each([
  ['by name', TypeUrl.RouteConfiguration, StateOfTheWorldPair],
  ['to all, incremental', TypeUrl.Cluster, DeltaPair],
  ['by name, incremental', TypeUrl.RouteConfiguration, DeltaPair],
] as const)('%s, a bad resource keeps no good one away', (_name, typeUrl, Variant) => {
  fc.assert(
    fc.property(contents(0), (all) => {
      const pair = new Variant(typeUrl, names);
      pair.configure(all);
      while (pair.answer());
      const good = Object.keys(all).filter((name) => all[name] !== 0);
      expect([...pair.has.keys()].sort()).toEqual(good.sort());
    }),
  );
});

test.each([
  ['state of the world', StateOfTheWorldPair],
  ['incremental', DeltaPair],
] as const)('a client that refuses everything is left in peace after a while (%s)', (_name, Variant) => {
  const many = Array.from({ length: 1_000 }, (_, at) => `name-${at}`);
  const pair = new Variant(TypeUrl.RouteConfiguration, many);
  while (pair.answer());
  pair.configure(Object.fromEntries(many.map((name) => [name, 0])));
  while (pair.answer());
  expect(pair.sent.length).toBeLessThan(100);
  expect(pair.subscription.unsettled).toBe(true);
  pair.configure(Object.fromEntries(many.map((name) => [name, 1])));
  while (pair.answer());
  expect(pair.has).toEqual(pair.wanted());
  expect(pair.subscription.unsettled).toBe(false);
});
