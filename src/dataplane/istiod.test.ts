// Our proxy under a control plane that says what istiod says, in both variants of xDS.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer as createHttpsServer, request as requestTls } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server as GrpcServer, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { HTTPFaultSchema } from '../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { type Secret, SecretSchema } from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '../xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { TypeUrl } from '../xds/resources.ts';
import { streamSecrets } from '../xds/service.ts';
import * as istiod from './example-istiod-resources.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from './proxy.ts';
import * as xds from './test-support.ts';
import { createAuthority } from './tls/test-certificates.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const SHOP = 'outbound|80||shop.shop.svc.cluster.local';
const OTHER = 'outbound|80|v2|shop.shop.svc.cluster.local';

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

const upstream = (name: string) => listen(createHttpServer((_request, response) => response.end(name)));

async function start(address: string, options: Partial<ProxyOptions> = {}) {
  const lines: { level: number; msg: string }[] = [];
  const proxy = await startProxy({
    xds: address,
    node: create(NodeSchema, { id: 'router~127.0.0.1~gw-0.istio-system~istio-system.svc.cluster.local' }),
    workers: 1,
    bind: { publish: [8080, 8443, 31400].map((listenerPort) => ({ host: '127.0.0.1', hostPort: 0, listenerPort })) },
    admin: { host: '127.0.0.1', port: 0 },
    log: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) }),
    ...options,
  });
  undo.push(() => proxy.close());
  return { proxy, lines };
}

const portOf = (proxy: RunningProxy, listenerPort: number) =>
  proxy.published.find((publish) => publish.listenerPort === listenerPort)?.hostPort ?? 0;

/** The body of an answer, or its status where it is no 200. */
function get(proxy: RunningProxy, ca?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const common = { host: '127.0.0.1', headers: { host: 'shop.test', connection: 'close' } };
    const asked =
      ca === undefined
        ? request({ ...common, port: portOf(proxy, 8080) })
        : requestTls({ ...common, port: portOf(proxy, 8443), ca, servername: 'shop.test' });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? text : String(response.statusCode)));
    });
    asked.end();
  });
}

async function eventually<Value>(ask: () => Promise<Value> | Value, wanted: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const authority = createAuthority();
const shopCertificate = xds.identitySecret('kubernetes://shop-cert', authority.issue('shop.test'));

function resources(port: number, more: Partial<xds.TestResources> = {}): xds.TestResources {
  return {
    listeners: [istiod.httpListener(), istiod.httpsListener('shop-cert', 'shop.test'), istiod.tcpListener(SHOP)],
    routes: [istiod.istioRoutes(SHOP)],
    clusters: [istiod.outbound(SHOP), istiod.outbound(OTHER), ...istiod.otherClusters()],
    endpoints: [istiod.istioEndpoints(SHOP, { port }), istiod.istioEndpoints(OTHER, { port })],
    secrets: [shopCertificate],
    ...more,
  };
}

async function controlPlane(initial: xds.TestResources) {
  const control = await xds.startControlPlane(initial);
  undo.push(() => control.close());
  return control;
}

function refusal(control: xds.TestControlPlane, typeUrl: TypeUrl): string | undefined {
  return control.server.clients()[0]?.subscriptions.find((one) => one.typeUrl === typeUrl)?.refusal?.message;
}

async function counters(proxy: RunningProxy): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.adminPort}/stats`)).text();
  const of = (name: string) => Number(new RegExp(`^${name.replaceAll('.', '\\.')}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return Object.fromEntries(
    ['listener_manager.lds', 'cluster_manager.cds', 'control_plane.rds', 'control_plane.eds', 'control_plane.sds'].map(
      (type) => [type.slice(-3), of(`${type}.update_success`)],
    ),
  );
}

describe.each(['delta', 'state of the world'] as const)('under istiod, in %s', (xdsVariant) => {
  it('serves HTTP, HTTPS and TCP, and says once what it leaves out', async () => {
    const control = await controlPlane(resources(await upstream('hello')));
    const { proxy, lines } = await start(control.address, { xdsVariant });
    await proxy.ready;
    expect(await get(proxy)).toBe('hello');
    expect(await get(proxy, authority.ca)).toBe('hello');
    expect(await (await fetch(`http://127.0.0.1:${portOf(proxy, 31400)}/`)).text()).toBe('hello');
    for (const typeUrl of Object.values(TypeUrl)) expect(refusal(control, typeUrl)).toBeUndefined();
    const leftOut = lines.filter(({ msg }) => msg.includes('left out')).map(({ msg }) => msg);
    expect(leftOut.toSorted()).toEqual([
      expect.stringMatching(/^HTTP filter envoy\.filters\.http\.grpc_stats left out: it only reports/),
      expect.stringMatching(/^HTTP filter istio\.metadata_exchange left out/),
      expect.stringMatching(/^HTTP filter istio\.stats left out/),
      expect.stringMatching(/^access log envoy\.access_loggers\.open_telemetry \(.*\) left out/),
      expect.stringMatching(/^locality_weighted_lb_config of clusters left out/),
      expect.stringMatching(/^network filter istio\.metadata_exchange left out/),
      expect.stringMatching(/^network filter istio\.stats left out/),
      expect.stringMatching(/^outlier_detection of clusters left out/),
      expect.stringMatching(/^tracing provider envoy\.tracers\.zipkin left out/),
      expect.stringMatching(/^upstream network filter istio\.metadata_exchange left out/),
    ]);
    expect(lines.filter(({ msg }) => msg.includes('--sds'))).toHaveLength(1);
    control.set(resources(await upstream('again'), { listeners: [istiod.httpListener()] }));
    await eventually(
      () => get(proxy),
      (text) => text === 'again',
    );
    expect(lines.filter(({ msg }) => msg.includes('left out'))).toHaveLength(leftOut.length);
  });

  it('follows endpoints, routes and secrets, each by an update of that type alone', async () => {
    const [first, second] = [await upstream('first'), await upstream('second')];
    const control = await controlPlane(resources(first));
    const { proxy } = await start(control.address, { xdsVariant });
    await proxy.ready;
    expect(await get(proxy)).toBe('first');
    const before = await counters(proxy);
    const endpoints = [istiod.istioEndpoints(SHOP, { port: second }), istiod.istioEndpoints(OTHER, { port: first })];
    control.set(resources(first, { endpoints }));
    await eventually(
      () => get(proxy),
      (text) => text === 'second',
    );
    expect(await counters(proxy)).toEqual({ ...before, eds: before.eds! + 1 });
    control.set(resources(first, { endpoints, routes: [istiod.istioRoutes(OTHER)] }));
    await eventually(
      () => get(proxy),
      (text) => text === 'first',
    );
    expect(await counters(proxy)).toEqual({ ...before, eds: before.eds! + 1, rds: before.rds! + 1 });
    const renewed = createAuthority();
    const secrets = [xds.identitySecret('kubernetes://shop-cert', renewed.issue('shop.test'))];
    control.set(resources(first, { endpoints, routes: [istiod.istioRoutes(OTHER)], secrets }));
    await eventually(
      () => get(proxy, renewed.ca).catch(() => ''),
      (text) => text === 'first',
    );
    expect(await counters(proxy)).toEqual({
      ...before,
      eds: before.eds! + 1,
      rds: before.rds! + 1,
      sds: before.sds! + 1,
    });
  });

  it('serves on without its control plane, and follows the next one at the same address', async () => {
    const control = await xds.startControlPlane(resources(await upstream('old')));
    const { proxy } = await start(control.address, { xdsVariant });
    await proxy.ready;
    await control.close();
    expect(await get(proxy)).toBe('old');
    const port = Number(control.address.split(':')[1]);
    const next = await xds.startControlPlane(resources(await upstream('new')), port);
    undo.push(() => next.close());
    await eventually(
      () => get(proxy),
      (text) => text === 'new',
    );
  });
});

describe('faults of routes', () => {
  it('are injected by the fault filter that every listener has', async () => {
    const port = await upstream('hello');
    const control = await controlPlane(resources(port));
    const { proxy } = await start(control.address);
    await proxy.ready;
    expect(await get(proxy)).toBe('hello');
    const routes = istiod.istioRoutes(SHOP);
    const fault = create(HTTPFaultSchema, {
      abort: { errorType: { case: 'httpStatus', value: 418 }, percentage: { numerator: 100 } },
    });
    for (const { typedPerFilterConfig } of routes.virtualHosts.flatMap((host) => host.routes))
      typedPerFilterConfig['envoy.filters.http.fault'] = anyPack(HTTPFaultSchema, fault);
    control.set(resources(port, { routes: [routes] }));
    await eventually(
      () => get(proxy),
      (answer) => answer === '418',
    );
  });
});

describe('what would change who is let in', () => {
  it.each([
    ['envoy.filters.http.jwt_authn', 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'],
    ['envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC'],
    ['envoy.filters.http.ext_authz', 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'],
    ['shop.my-plugin', 'envoy.extensions.filters.http.wasm.v3.Wasm'],
    // The name alone makes no filter harmless.
    ['istio.stats', 'envoy.extensions.filters.http.rbac.v3.RBAC'],
  ])('refuses the listener with %s (%s), and goes on with the last good one', async (name, type) => {
    const port = await upstream('hello');
    const control = await controlPlane(resources(port));
    const { proxy } = await start(control.address);
    await proxy.ready;
    const guarded = istiod.istioHttpFilters({ name, configType: { case: 'typedConfig', value: istiod.opaque(type) } });
    control.set(resources(port, { listeners: [istiod.httpListener(guarded)] }));
    const reason = await eventually(
      () => refusal(control, TypeUrl.Listener),
      (text) => text !== undefined,
    );
    expect(reason).toBe(
      `Listener 0.0.0.0_8080: HttpConnectionManager: http_filters[6]: ${name} is not supported (a filter of type ${type}); without it the listener would serve what it may not`,
    );
    expect(await get(proxy)).toBe('hello');
  });

  it('leaves out a filter that says it is optional', async () => {
    const value = istiod.opaque('envoy.extensions.filters.http.wasm.v3.Wasm');
    const filters = istiod.istioHttpFilters({
      name: 'shop.my-plugin',
      isOptional: true,
      configType: { case: 'typedConfig', value },
    });
    const control = await controlPlane(
      resources(await upstream('hello'), { listeners: [istiod.httpListener(filters)] }),
    );
    const { proxy, lines } = await start(control.address);
    await proxy.ready;
    expect(await get(proxy)).toBe('hello');
    expect(
      lines.filter(({ msg }) => msg.startsWith('HTTP filter shop.my-plugin left out: it is optional')),
    ).toHaveLength(1);
  });
});

/** What Istio's agent does on its socket. Returns its address. */
async function secretServer(secrets: readonly Secret[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'limen-sds-'));
  const server = new GrpcServer();
  server.addService({ streamSecrets } as never, {
    streamSecrets(call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>) {
      call.on('data', ({ resourceNames, responseNonce, typeUrl }: DiscoveryRequest) => {
        if (responseNonce !== '') return; // an answer
        const resources = secrets
          .filter(({ name }) => resourceNames.includes(name))
          .map((one) => anyPack(SecretSchema, one));
        call.write(create(DiscoveryResponseSchema, { typeUrl, versionInfo: '1', nonce: '1', resources }));
      });
      call.on('end', () => call.end());
    },
  });
  const address = `unix:${join(folder, 'socket')}`;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  undo.push(() => {
    server.forceShutdown();
    rmSync(folder, { recursive: true });
  });
  return address;
}

describe('an endpoint with a sidecar', () => {
  /** A pod behind a sidecar: wants a certificate of the mesh, and notes the ALPN. */
  async function sidecar() {
    const protocols: (string | false | null)[] = [];
    const server = createHttpsServer(
      {
        ...authority.issue('shop.test'),
        ca: authority.ca,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: ['istio-http/1.1'],
      },
      (asked, response) => {
        protocols.push((asked.socket as TLSSocket).alpnProtocol);
        response.end('over mutual TLS');
      },
    );
    return { port: await listen(server), protocols };
  }

  it('is spoken to with the certificate of the agent’s socket; others of the cluster in plain text', async () => {
    const agent = await secretServer([
      xds.identitySecret('default', authority.issue('gateway.test')),
      xds.caSecret('ROOTCA', authority.ca),
    ]);
    const { port, protocols } = await sidecar();
    const plain = await upstream('in plain text');
    const control = await controlPlane(
      resources(port, { endpoints: [istiod.istioEndpoints(SHOP, { port, tls: true }), istiod.istioEndpoints(OTHER)] }),
    );
    const { proxy } = await start(control.address, { secretServers: { 'sds-grpc': agent } });
    await proxy.ready;
    expect(await get(proxy)).toBe('over mutual TLS');
    expect(protocols).toEqual(['istio-http/1.1']);
    control.set(
      resources(port, { endpoints: [istiod.istioEndpoints(SHOP, { port: plain }), istiod.istioEndpoints(OTHER)] }),
    );
    await eventually(
      () => get(proxy),
      (text) => text === 'in plain text',
    );
  });

  it('is not spoken to in plain text where the certificate can not be had', async () => {
    const { port, protocols } = await sidecar();
    const control = await controlPlane(
      resources(port, { endpoints: [istiod.istioEndpoints(SHOP, { port, tls: true }), istiod.istioEndpoints(OTHER)] }),
    );
    const { proxy, lines } = await start(control.address);
    await proxy.ready;
    expect(await get(proxy)).toBe('503');
    expect(protocols).toEqual([]);
    expect(lines.filter(({ msg }) => msg.includes('--sds'))).toHaveLength(1);
  });
});
