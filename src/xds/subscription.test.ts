import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { DiscoveryRequestSchema } from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, encodeResource, TypeUrl } from './resources.ts';
import { type NextResponse, Subscription } from './subscription.ts';

// The content of a resource is a number; the client refuses a response that holds a 0.
const resource = (name: string, content: number) =>
  encodeResource(name, ClusterSchema, create(ClusterSchema, { name, altStatName: String(content) }));

type Step =
  | { do: 'configure'; contents: Record<string, number> }
  | { do: 'subscribe'; names: string[] }
  | { do: 'answer' };

/** A client, the server's view of it, and the responses on the wire between them. */
class Pair {
  readonly subscription: Subscription;
  readonly #wholeState: boolean;
  readonly has = new Map<string, string>();
  #names: string[];
  #available = new Map<string, EncodedResource>();
  #wire: (NextResponse & { nonce: string })[] = [];
  #lastNonce = '';
  #nonces = 0;
  readonly sent: NextResponse[] = [];

  constructor(typeUrl: TypeUrl, names: string[]) {
    this.#wholeState = typeUrl === TypeUrl.Cluster;
    this.subscription = new Subscription(typeUrl);
    this.#names = names;
    this.#request();
  }

  configure(contents: Record<string, number>): void {
    this.#available = new Map(Object.entries(contents).map(([name, content]) => [name, resource(name, content)]));
    this.#flush();
  }

  subscribe(names: string[]): void {
    this.#names = names;
    if (!this.#wholeState) for (const name of this.has.keys()) if (!names.includes(name)) this.has.delete(name);
    this.#request();
  }

  /** The client takes the next response, if there is one. */
  answer(): boolean {
    const response = this.#wire.shift();
    if (response === undefined) return false;
    this.#lastNonce = response.nonce;
    if (response.resources.some((known) => known.version === resource(known.name, 0).version)) {
      this.#request('refused');
      return true;
    }
    if (this.#wholeState) this.has.clear();
    for (const known of response.resources)
      if (this.#wholeState || this.#names.includes(known.name)) this.has.set(known.name, known.version);
    this.#request();
    return true;
  }

  /** What the client should have: the configuration, as far as it is subscribed. */
  wanted(): Map<string, string> {
    const all = [...this.#available.values()].map(({ name, version }) => [name, version] as const);
    return new Map(this.#wholeState ? all : all.filter(([name]) => this.#names.includes(name)));
  }

  #request(error?: string): void {
    this.subscription.receive(
      create(DiscoveryRequestSchema, {
        resourceNames: this.#wholeState ? [] : this.#names,
        responseNonce: this.#lastNonce,
        ...(error === undefined ? {} : { errorDetail: { message: error } }),
      }),
    );
    this.#flush();
  }

  #flush(): void {
    const next = this.subscription.next(this.#available);
    if (next === undefined) return;
    const nonce = String(++this.#nonces);
    this.subscription.markSent(next, nonce);
    this.sent.push(next);
    this.#wire.push({ ...next, nonce });
    expect(this.#wire.length, 'responses under way').toBe(1);
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
  ['of the whole state', TypeUrl.Cluster],
  ['by name', TypeUrl.RouteConfiguration],
])('a subscription %s', (_name, typeUrl) => {
  test('whatever was pushed, refused, subscribed and superseded before: a good configuration arrives in full', () => {
    fc.assert(
      fc.property(steps, contents(1), (list, last) => {
        const pair = new Pair(typeUrl, ['a', 'b']);
        run(pair, list);
        pair.configure(last);
        while (pair.answer()); // ends: otherwise the same bytes go round for ever
        for (const [name, version] of pair.wanted()) expect(pair.has.get(name)).toBe(version);
        if (typeUrl === TypeUrl.Cluster) expect(pair.has).toEqual(pair.wanted());
        expect(pair.subscription.refusal).toBeUndefined();
      }),
    );
  });

  test('once all is answered, pushing the same configuration sends nothing, refused or not', () => {
    fc.assert(
      fc.property(steps, contents(0), (list, last) => {
        const pair = new Pair(typeUrl, ['a', 'b']);
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

test('by name, a bad resource keeps no good one away', () => {
  fc.assert(
    fc.property(contents(0), (all) => {
      const pair = new Pair(TypeUrl.RouteConfiguration, names);
      pair.configure(all);
      while (pair.answer());
      const good = Object.keys(all).filter((name) => all[name] !== 0);
      expect([...pair.has.keys()].sort()).toEqual(good.sort());
    }),
  );
});
