import { describe, expect, it } from 'vitest';
import { loadDocuments } from '../resources/load.ts';
import type { ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';
import type { ProxyNode } from './node.ts';
import { classOf } from './proxy-class.ts';
import { createPushContext } from './push-context.ts';
import { translate } from './translate.ts';

const CONFIGURATION = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: web, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }
    - { port: { number: 443, name: https, protocol: HTTPS }, hosts: ['*'], tls: { mode: SIMPLE, credentialName: none } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec:
  hosts: [web.example]
  gateways: [web]
  http:
    - match: [{ sourceLabels: { istio: ingressgateway } }]
      route: [{ destination: { host: up.example } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up, namespace: default }
spec:
  hosts: [up.example]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 127.0.0.1 }]
`;

const pod = (name: string, port = 8080): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'istio-system', labels: { istio: 'ingressgateway' } },
  spec: { containers: [{ name: 'proxy', ports: [{ name: 'http', containerPort: port }] }] },
});

const context = (...objects: ResourceObject[]) =>
  createPushContext(
    Snapshot.of([...loadDocuments(CONFIGURATION, 'test.yaml').objects.map(({ object }) => object), ...objects]),
  );

const node = (podName: string, fields: Partial<ProxyNode> = {}): ProxyNode => ({
  id: `router~10.0.0.1~${podName}.istio-system~istio-system.svc.cluster.local`,
  type: 'router',
  ip: '10.0.0.1',
  podName,
  namespace: 'istio-system',
  labels: { istio: 'ingressgateway' },
  cluster: 'gateway',
  http2: true,
  ...fields,
});

describe('classOf', () => {
  it('puts replicas of one gateway together, whatever their id, address and pod', () => {
    const both = context(pod('a'), pod('b'));
    expect(classOf(both, node('a')).id).toBe(classOf(both, node('b', { ip: '10.0.0.2' })).id);
    expect(classOf(both, node('a')).id).toBe(classOf(both, node('a', { labels: {} })).id);
  });

  it.each([
    ['another namespace', node('a', { namespace: 'default' })],
    ['other labels', node('a', { labels: { istio: 'egressgateway' } })],
    ['another type', node('a', { type: 'sidecar' })],
    ['no HTTP/2 to upstreams', node('a', { http2: false })],
    ['virtual hosts as resources of their own', node('a', { vhds: true })],
    ['a gRPC library as its client', node('a', { generator: 'grpc' })],
    ['a pod with another port of that name', node('other')],
    ['no pod', node('unknown')],
  ])('keeps apart a proxy with %s', (_what, other) => {
    const all = context(pod('a'), pod('other', 9090));
    expect(classOf(all, other).id).not.toBe(classOf(all, node('a')).id);
  });

  it('parts proxies that bind their listeners elsewhere', () => {
    const both = context(pod('a'), pod('b'));
    const bound = { ...node('b'), bind: { address: '127.9.9.2', taken: [], reusePort: false, publish: [] } };
    expect(classOf(both, bound).id).not.toBe(classOf(both, node('a')).id);
  });

  it('parts sidecars that serve as HTTP proxies at other ports', () => {
    const all = context(pod('a'));
    const sidecar = (httpProxyPort: number) => classOf(all, node('a', { type: 'sidecar', httpProxyPort }));
    expect(sidecar(15001).id).not.toBe(sidecar(15007).id);
  });

  it.each([
    ['a gateway', node('a'), [true, true, true, true, false], ['bind', 'generator', 'podName']],
    [
      'a sidecar',
      node('a', { type: 'sidecar', httpProxyPort: 15001 }),
      [true, true, true, true, false],
      ['httpProxyPort'],
    ],
  ] as const)('leaves out only what the translation does not read: %s', (_, proxy, has, own) => {
    const read = new Set<PropertyKey>();
    const watched = new Proxy<ProxyNode>(proxy, {
      get(target, property) {
        read.add(property);
        return Reflect.get(target, property);
      },
    });
    const { resources } = translate(context(pod('a')), watched);
    expect([...resources.values()].map((ofType) => ofType.size > 0)).toEqual(has);
    // `id` keys what is remembered, `podName` leads to the pod.
    const all = ['http2', 'id', 'labels', 'namespace', 'type', 'vhds', ...own];
    expect([...read].sort()).toEqual(all.sort());
  });

  it('translates to the same for all of a class', () => {
    const both = context(pod('a'), pod('b'));
    const versions = (proxy: ProxyNode) =>
      [...translate(both, proxy).resources.values()].flatMap((ofType) => [...ofType.values()].map((r) => r.version));
    expect(versions(classOf(both, node('b')))).toEqual(versions(node('a')));
  });
});
