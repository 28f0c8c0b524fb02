import { X509Certificate } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { issueCertificate } from '../apiserver/pki/issue.ts';
import type { ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';
import { ClusterSchema } from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { VirtualHostSchema } from '../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type ResourceSet, TypeUrl } from '../xds/resources.ts';
import type { ProxyNode } from './node.ts';
import { createPushContext } from './push-context.ts';
import { translate } from './translate.ts';

const NODE: ProxyNode = {
  id: 'router~127.0.0.1~gateway.istio-system~istio-system.svc.cluster.local',
  type: 'router',
  ip: '127.0.0.1',
  podName: 'gateway',
  namespace: 'istio-system',
  labels: { istio: 'ingressgateway' },
  cluster: '',
  http2: true,
};

const gateway = (server: object, name = 'gateway'): ResourceObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace: 'default' },
  spec: { selector: { istio: 'ingressgateway' }, servers: [server] },
});

const HTTP = { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] };

const virtualService = (name: string, prefix = '/'): ResourceObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'default' },
  spec: {
    hosts: [`${name}.example`],
    gateways: ['gateway'],
    http: [{ match: [{ uri: { prefix } }], route: [{ destination: { host: 'shop' } }] }],
  },
});

const service = (name: string): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
});

const pod = (app: string, podIP: string): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: app, namespace: 'default', labels: { app } },
  status: { podIP, conditions: [{ type: 'Ready', status: 'True' }] },
});

/** Names of the resources that are not the identical object in both sets. */
function changed(before: ResourceSet, after: ResourceSet): string[] {
  const names: string[] = [];
  for (const [typeUrl, resources] of after) {
    for (const [name, resource] of resources) if (before.get(typeUrl)?.get(name) !== resource) names.push(name);
  }
  return names;
}

describe('a translation after another', () => {
  const fixed = [gateway(HTTP), virtualService('a'), service('shop'), service('cart'), pod('cart', '10.0.0.9')];
  const firstContext = createPushContext(Snapshot.of([...fixed, virtualService('b'), pod('shop', '10.0.0.1')]));
  const first = translate(firstContext, NODE).resources;

  it('builds nothing anew when nothing changed', () => {
    const objects = [...fixed, virtualService('b'), pod('shop', '10.0.0.1')];
    const snapshot = Snapshot.of(objects);
    const context = createPushContext(snapshot);
    const resources = translate(context, NODE).resources;
    const again = translate(createPushContext(Snapshot.of(objects), context), NODE).resources;
    expect(changed(resources, again)).toEqual([]);
  });

  it('builds only the endpoints anew when a pod changed', () => {
    const base = [...fixed, virtualService('b')];
    const context = createPushContext(Snapshot.of([...base, pod('shop', '10.0.0.1')]));
    const { resources } = translate(context, NODE);
    const next = createPushContext(Snapshot.of([...base, pod('shop', '10.0.0.2')]), context);
    expect(changed(resources, translate(next, NODE).resources)).toEqual([
      'outbound|80||shop.default.svc.cluster.local',
    ]);
  });

  it('builds only the RouteConfiguration anew when a VirtualService changed, and equals a translation from scratch', () => {
    const objects = [...fixed, virtualService('b', '/changed'), pod('shop', '10.0.0.1')];
    const next = translate(createPushContext(Snapshot.of(objects), firstContext), NODE).resources;
    const scratch = translate(createPushContext(Snapshot.of(objects)), NODE).resources;
    const versions = (set: ResourceSet) =>
      [...set].map(([type, each]) => [type, [...each].map(([name, { version }]) => [name, version])]);
    expect(versions(next)).toEqual(versions(scratch));
    expect(next.get(TypeUrl.RouteConfiguration)?.get('http.80')).not.toBe(
      first.get(TypeUrl.RouteConfiguration)?.get('http.80'),
    );
    expect(next.get(TypeUrl.Listener)?.get('0.0.0.0_80')?.version).toBe(
      first.get(TypeUrl.Listener)?.get('0.0.0.0_80')?.version,
    );
  });
});

describe('a proxy that takes virtual hosts by themselves', () => {
  const node: ProxyNode = { ...NODE, vhds: true };
  const fixed = [gateway(HTTP), service('shop')];
  const others = Array.from({ length: 50 }, (_, index) => virtualService(`vs-${index}`));
  const translated = (objects: ResourceObject[], previous?: ReturnType<typeof createPushContext>) => {
    const context = createPushContext(Snapshot.of([...fixed, ...objects]), previous);
    return { context, resources: translate(context, node).resources };
  };

  it('has the same as one that takes them in their route configuration', () => {
    const { context, resources } = translated(others);
    const routes = (set: ResourceSet) =>
      fromBinary(
        RouteConfigurationSchema,
        set.get(TypeUrl.RouteConfiguration)?.get('http.80')?.any.value ?? new Uint8Array(),
      );
    const inside = routes(translate(context, NODE).resources);
    const apart = [...(resources.get(TypeUrl.VirtualHost) ?? [])];
    expect(apart.map(([name]) => name)).toEqual(inside.virtualHosts.map(({ name }) => `http.80/${name}`));
    expect(apart.map(([, { any }]) => fromBinary(VirtualHostSchema, any.value))).toEqual(inside.virtualHosts);
    const { vhds, ...rest } = routes(resources);
    expect(vhds?.configSource?.configSourceSpecifier.case).toBe('ads');
    expect({ ...rest, virtualHosts: inside.virtualHosts }).toEqual(inside);
  });

  it('has one resource that is new when one of many VirtualServices changed', () => {
    const before = translated(others);
    const after = translated(others.with(25, virtualService('vs-25', '/changed')), before.context);
    expect(changed(before.resources, after.resources)).toEqual(['http.80/vs-25.example:80']);
  });
});

describe('a Secret that the gateway can’t use', () => {
  const server = {
    port: { number: 443, name: 'https', protocol: 'HTTPS' },
    hosts: ['shop.example'],
    tls: { mode: 'SIMPLE', credentialName: 'cred' },
  };
  const translateWith = (data: Record<string, string>) => {
    const secret: ResourceObject & { data: Record<string, string> } = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'cred', namespace: 'istio-system' },
      data: Object.fromEntries(
        Object.entries(data).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
      ),
    };
    return translate(createPushContext(Snapshot.of([gateway(server), secret])), NODE);
  };

  it('is not sent when its key belongs to another certificate, and the notice says so without the key', async () => {
    const [a, b] = await Promise.all(['a', 'b'].map((commonName) => issueCertificate({ commonName, use: 'server' })));
    const { resources, notices } = translateWith({ 'tls.crt': a?.certificate ?? '', 'tls.key': b?.key ?? '' });
    expect(resources.get(TypeUrl.Secret)?.size).toBe(0);
    expect(notices.map(({ message }) => message).join()).toContain('tls.key that does not belong to its tls.crt');
    expect(JSON.stringify(notices)).not.toContain('PRIVATE');
  });

  it.each([
    [{ 'tls.crt': 'x', 'tls.key': 'x' }, 'no certificate in PEM form'],
    [{ 'tls.crt': '', 'tls.key': 'x' }, 'no tls.crt'],
    [{}, 'no tls.crt'],
  ])('is not sent with the content %j', (data, why) => {
    const { resources, notices } = translateWith(data);
    expect(resources.get(TypeUrl.Secret)?.size).toBe(0);
    expect(notices.map(({ message }) => message).join()).toContain(why);
  });

  it('takes its key nowhere but into the SDS resource', async () => {
    const { certificate, key } = await issueCertificate({ commonName: 'shop.example', use: 'server' });
    expect(new X509Certificate(certificate).subject).toBe('CN=shop.example');
    const { resources, notices } = translateWith({ 'tls.crt': certificate, 'tls.key': key });
    expect(notices).toEqual([]);
    const body = key.split('\n')[1] as string;
    for (const [type, each] of resources) {
      const holds = [...each.values()].some(({ any }) => Buffer.from(any.value).includes(body));
      expect([type, holds]).toEqual([type, type === TypeUrl.Secret]);
    }
  });
});

describe('a service on HTTP/2', () => {
  const objects = [
    gateway(HTTP),
    virtualService('a'),
    {
      ...service('shop'),
      spec: { ports: [{ name: 'grpc', port: 80 }] },
    },
  ];
  const optionsFor = (http2: boolean) => {
    const { resources, notices } = translate(createPushContext(Snapshot.of(objects)), { ...NODE, http2 });
    const any = resources.get(TypeUrl.Cluster)?.get('outbound|80||shop.default.svc.cluster.local')?.any;
    const cluster = fromBinary(ClusterSchema, any?.value ?? new Uint8Array());
    return { keys: Object.keys(cluster.typedExtensionProtocolOptions), notices };
  };

  it('is spoken to in HTTP/2 by a proxy that can', () => {
    const { keys, notices } = optionsFor(true);
    expect(keys).toEqual(['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']);
    expect(notices).toEqual([]);
  });

  it('is spoken to in HTTP/1.1 by a proxy that can’t, and the route’s author hears of it', () => {
    const { keys, notices } = optionsFor(false);
    expect(keys).toEqual([]);
    expect(notices.map(({ field }) => field)).toEqual(['spec.http[0].route[0].destination']);
  });
});

describe('a proxy that does not say its labels', () => {
  it('has those of its pod', () => {
    const own: ResourceObject = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: NODE.podName, namespace: NODE.namespace, labels: NODE.labels },
    };
    const listeners = (objects: ResourceObject[]) =>
      translate(createPushContext(Snapshot.of(objects)), { ...NODE, labels: {} }).resources.get(TypeUrl.Listener)?.size;
    expect(listeners([gateway(HTTP), own])).toBe(1);
    expect(listeners([gateway(HTTP)])).toBe(0);
  });
});

describe('a Secret with a revocation list (ca.crl)', () => {
  it('hands it to the proxy with the authorities, so that revoked client certificates are refused', async () => {
    const { certificate, key } = await issueCertificate({ commonName: 'shop.example', use: 'server' });
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const secret: ResourceObject & { data: Record<string, string> } = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'cred', namespace: 'istio-system' },
      data: {
        'tls.crt': base64(certificate),
        'tls.key': base64(key),
        'ca.crt': base64(certificate),
        'ca.crl': base64('revoked'),
      },
    };
    const server = {
      port: { number: 443, name: 'https', protocol: 'HTTPS' },
      hosts: ['shop.example'],
      tls: { mode: 'MUTUAL', credentialName: 'cred' },
    };
    const { resources } = translate(createPushContext(Snapshot.of([secret, gateway(server)])), NODE);
    const any = resources.get(TypeUrl.Secret)?.get('kubernetes://cred-cacert')?.any;
    const message = fromBinary(SecretSchema, any?.value ?? new Uint8Array());
    const crl = message.type.case === 'validationContext' ? message.type.value.crl?.specifier.value : undefined;
    expect(Buffer.from(crl as Uint8Array).toString()).toBe('revoked');
  });
});
