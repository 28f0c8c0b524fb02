import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../../resources/object.ts';
import { Snapshot } from '../../resources/snapshot.ts';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { changedNames } from '../../xds/resource-changes.ts';
import { type ResourceSet, TypeUrl } from '../../xds/resources.ts';
import { RESOURCE_SCHEMAS } from '../../xds/schemas.ts';
import type { ProxyNode } from '../node.ts';
import { createPushContext, type PushContext } from '../push-context.ts';
import { translate } from '../translate.ts';

const NODE: ProxyNode = {
  id: 'a',
  type: 'router',
  ip: '127.0.0.1',
  podName: 'gateway',
  namespace: 'istio-system',
  labels: { istio: 'ingressgateway' },
  cluster: '',
  http2: true,
};
const APART: ProxyNode = { ...NODE, id: 'b', vhds: true };

const HOSTS = ['a.test', 'b.test', 'c.test', '*.test', '*.a.test', 'x.a.test', '*'];
const name = fc.constantFrom('one', 'two', 'three', 'four');
const namespace = fc.constantFrom('default', 'shop', 'istio-system');
const hosts = fc.uniqueArray(fc.constantFrom(...HOSTS), { minLength: 1, maxLength: 3 });

const virtualService = fc
  .record({
    name,
    namespace,
    hosts,
    age: fc.integer({ min: 1, max: 3 }),
    exportTo: fc.constantFrom(undefined, ['.'], ['istio-system']),
    gateways: fc.uniqueArray(fc.constantFrom('default/plain', 'default/other'), { minLength: 1 }),
    http: fc.array(
      fc.record({
        prefix: fc.constantFrom(undefined, '/', '/api'),
        service: fc.constantFrom('up.test', 'outside.test', 'unknown.test'),
        weight: fc.constantFrom(undefined, 0),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  })
  .map(({ name, namespace, hosts, age, exportTo, gateways, http }): ResourceObject & { spec: object } => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace, creationTimestamp: `2026-01-01T00:00:0${age}Z` },
    spec: {
      hosts,
      gateways,
      ...(exportTo === undefined ? {} : { exportTo }),
      http: http.map(({ prefix, service, weight }) => ({
        ...(prefix === undefined ? {} : { match: [{ uri: { prefix } }] }),
        // A second destination: one alone counts whatever its weight.
        route: [{ destination: { host: service } }, { destination: { host: 'up.test' } }].map((route) => ({
          ...route,
          ...(weight === undefined ? { weight: 50 } : { weight }),
        })),
      })),
    },
  }));

/** One that leaves its routes to another, and that other. */
const delegation = fc
  .record({ delegate: fc.boolean(), prefix: fc.constantFrom('/', '/api'), hosts, age: fc.integer({ min: 1, max: 3 }) })
  .map(
    ({ delegate, prefix, hosts, age }): ResourceObject => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: {
        name: delegate ? 'delegate' : 'root',
        namespace: 'default',
        creationTimestamp: `2026-01-01T00:00:0${age}Z`,
      },
      spec: delegate
        ? { http: [{ match: [{ uri: { prefix } }], route: [{ destination: { host: 'up.test' } }] }] }
        : { hosts, gateways: ['plain'], http: [{ delegate: { name: 'delegate', namespace: 'default' } }] },
    }),
  );

const gateway = fc
  .record({
    name: fc.constantFrom('plain', 'other'),
    servers: fc.array(
      fc.record({
        number: fc.constantFrom(80, 8080),
        hosts: fc.uniqueArray(fc.constantFrom('*', 'a.test', '*.test', 'shop/b.test', './c.test'), { minLength: 1 }),
        httpsRedirect: fc.boolean(),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  })
  .map(
    ({ name, servers }): ResourceObject => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name, namespace: 'default' },
      spec: {
        selector: { istio: 'ingressgateway' },
        servers: servers.map(({ number, hosts, httpsRedirect }, index) => ({
          port: { number, name: `http-${index}`, protocol: 'HTTP' },
          hosts,
          ...(httpsRedirect ? { tls: { httpsRedirect } } : {}),
        })),
      },
    }),
  );

const serviceEntry = fc
  .record({
    host: fc.constantFrom('up.test', 'outside.test'),
    resolution: fc.constantFrom('STATIC', 'NONE'),
    port: fc.constantFrom(80, 81),
  })
  .map(
    ({ host, resolution, port }): ResourceObject => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: host, namespace: 'default' },
      spec: { hosts: [host], resolution, ports: [{ number: port, name: 'http', protocol: 'HTTP' }] },
    }),
  );

const workload = fc.boolean().map(
  (ready): ResourceObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pod', namespace: 'default', labels: { ready: String(ready) } },
  }),
);

/** An object comes, changes or goes. */
const edit = fc.record({
  object: fc.oneof({ weight: 6, arbitrary: virtualService }, delegation, gateway, serviceEntry, workload),
  goes: fc.boolean(),
});

const nameOf = ({ kind, metadata }: ResourceObject) => `${kind}/${metadata.namespace}/${metadata.name}`;

/** Everything that a proxy is sent, as JSON would say it. */
function spelled(resources: ResourceSet) {
  return [...resources].map(([typeUrl, each]) => [
    typeUrl,
    [...each]
      .map(([name, { any }]) => ({ name, message: fromBinary(RESOURCE_SCHEMAS[typeUrl], any.value) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  ]);
}

describe('virtual hosts that are kept from push to push', () => {
  it('are those that a translation from scratch makes, after whatever changes', () => {
    fc.assert(
      fc.property(fc.array(fc.array(edit, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), (pushes) => {
        const objects = new Map<string, ResourceObject>();
        let context: PushContext | undefined;
        let before: ResourceSet | undefined;
        for (const edits of pushes) {
          for (const { object, goes } of edits)
            if (goes) objects.delete(nameOf(object));
            else objects.set(nameOf(object), object);
          const snapshot = Snapshot.of(objects.values());
          context = createPushContext(snapshot, context);
          const scratch = createPushContext(snapshot);
          for (const node of [NODE, APART]) {
            const kept = translate(context, node);
            const anew = translate(scratch, node);
            expect(spelled(kept.resources)).toEqual(spelled(anew.resources));
            expect(kept.notices).toEqual(anew.notices);
          }
          const { resources } = translate(context, APART);
          const now = resources.get(TypeUrl.VirtualHost) ?? new Map();
          const was = before?.get(TypeUrl.VirtualHost) ?? new Map();
          // What is known of a change is what a comparison finds.
          expect(new Set(changedNames(was, now))).toEqual(new Set(changedNames(new Map(was), new Map(now))));
          before = resources;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('can be asked for an earlier state again', () => {
    const of = (prefix: string): ResourceObject => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'one', namespace: 'default' },
      spec: {
        hosts: ['a.test'],
        gateways: ['plain'],
        http: [{ match: [{ uri: { prefix } }], redirect: { uri: '/' } }],
      },
    });
    const plain: ResourceObject = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'plain', namespace: 'default' },
      spec: {
        selector: { istio: 'ingressgateway' },
        servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
      },
    };
    const prefix = (context: PushContext) => {
      const routes = translate(context, NODE).resources.get(TypeUrl.RouteConfiguration)?.get('http.80');
      const { virtualHosts } = fromBinary(RouteConfigurationSchema, routes?.any.value ?? new Uint8Array());
      return virtualHosts[0]?.routes[0]?.match?.pathSpecifier.value;
    };
    const first = createPushContext(Snapshot.of([plain, of('/first')]));
    expect(prefix(first)).toBe('/first');
    const second = createPushContext(Snapshot.of([plain, of('/second')]), first);
    expect([prefix(second), prefix(first), prefix(second)]).toEqual(['/second', '/first', '/second']);
  });
});
