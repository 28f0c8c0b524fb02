// A gRPC client that has no proxy: it resolves and balances by what the ADS server says.

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import pino from 'pino';
import { afterEach, expect, test } from 'vitest';
import { Cluster_DiscoveryType, ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { ApiVersion } from './gen/envoy/config/core/v3/config_source_pb.js';
import { ClusterLoadAssignmentSchema } from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from './gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from './gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from './resources.ts';
import { AdsServer } from './server.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SERVICE = 'greeter.default.svc.cluster.local:7070';
const ROUTES = 'outbound|7070||greeter.default.svc.cluster.local';
const ads = { resourceApiVersion: ApiVersion.V3, configSourceSpecifier: { case: 'ads', value: {} } } as const;

const bytes = {
  requestSerialize: (message: string) => Buffer.from(message),
  requestDeserialize: String,
  responseSerialize: (message: string) => Buffer.from(message),
  responseDeserialize: String,
};
const greet = { path: '/Greeter/Greet', requestStream: false, responseStream: false, ...bytes };

/** A backend that answers with its name. */
async function backend(name: string): Promise<number> {
  const server = new Server();
  const handler = (_call: unknown, callback: (error: null, answer: string) => void) => callback(null, name);
  server.addService({ greet }, { greet: handler as UntypedHandleCall });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  closers.push(() => server.forceShutdown());
  return port;
}

function at(port: number) {
  const value = { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } };
  return { address: { address: { case: 'socketAddress' as const, value } } };
}

/** What such a client wants: an API listener by the target's name, its routes, their cluster, its endpoints. */
function resources(ports: number[]): ResourceSet {
  const connectionManager = create(HttpConnectionManagerSchema, {
    routeSpecifier: { case: 'rds', value: { routeConfigName: ROUTES, configSource: ads } },
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) },
      },
    ],
  });
  const listener = create(ListenerSchema, {
    name: SERVICE,
    apiListener: { apiListener: anyPack(HttpConnectionManagerSchema, connectionManager) },
  });
  const routes = create(RouteConfigurationSchema, {
    name: ROUTES,
    virtualHosts: [
      {
        name: SERVICE,
        domains: [SERVICE],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '' } },
            action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: ROUTES } } },
          },
        ],
      },
    ],
  });
  const cluster = create(ClusterSchema, {
    name: ROUTES,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { serviceName: ROUTES, edsConfig: ads },
  });
  const assignment = create(ClusterLoadAssignmentSchema, {
    clusterName: ROUTES,
    endpoints: [
      {
        locality: { region: 'here' },
        loadBalancingWeight: 1,
        lbEndpoints: ports.map((port) => ({ hostIdentifier: { case: 'endpoint' as const, value: at(port) } })),
      },
    ],
  });
  const named = (resource: EncodedResource) => new Map([[resource.name, resource]]);
  return new Map([
    [TypeUrl.Listener, named(encodeResource(SERVICE, ListenerSchema, listener))],
    [TypeUrl.RouteConfiguration, named(encodeResource(ROUTES, RouteConfigurationSchema, routes))],
    [TypeUrl.Cluster, named(encodeResource(ROUTES, ClusterSchema, cluster))],
    [TypeUrl.ClusterLoadAssignment, named(encodeResource(ROUTES, ClusterLoadAssignmentSchema, assignment))],
  ]);
}

test('a gRPC client resolves xds:///…, balances over the endpoints, and follows when they change', async () => {
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map(backend));
  let current = resources([one ?? 0, two ?? 0]);
  const server = new AdsServer({ resourcesFor: () => current, log: pino({ level: 'silent' }) });
  const port = await server.listen('127.0.0.1:0');
  closers.push(() => server.close());

  process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
    // It insists on a locality.
    node: { id: 'sidecar~127.0.0.1~caller.default~default.svc.cluster.local', locality: {} },
    xds_servers: [
      { server_uri: `127.0.0.1:${port}`, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
  });
  const { register } = await import('@grpc/grpc-js-xds');
  register();
  const client = new Client(`xds:///${SERVICE}`, credentials.createInsecure());
  closers.push(() => client.close());
  const call = () =>
    new Promise<string>((resolve, reject) =>
      client.makeUnaryRequest<string, string>(
        greet.path,
        greet.requestSerialize,
        greet.responseDeserialize,
        'hello',
        { deadline: Date.now() + 20_000 },
        (error, answer) => (error === null ? resolve(answer ?? '') : reject(error)),
      ),
    );
  const answers = new Set<string>();
  while (!(answers.has('one') && answers.has('two'))) answers.add(await call());

  expect(server.clients()[0]?.variant).toBe('state of the world');
  const subscriptions = server
    .clients()[0]
    ?.subscriptions.map(({ names, ackedVersion }) => [names, ackedVersion !== '']);
  expect(subscriptions).toEqual([ROUTES, ROUTES, SERVICE, ROUTES].map((name) => [[name], true]));

  current = resources([three ?? 0]);
  server.push();
  while ((await call()) !== 'three');
  expect(await Promise.all([call(), call(), call()])).toEqual(['three', 'three', 'three']);
});
