// A data plane for tests of the admin interface: two listeners, a route, clusters, a secret, one refused update.

import { generateKeyPairSync } from 'node:crypto';
import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { SecretSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { typeRegistry } from '../../xds/registry.ts';
import { TypeUrl } from '../../xds/resources.ts';
import { snapshotStats } from '../stats/snapshot.ts';
import { Stats } from '../stats/stats.ts';
import type { AdminLogLevel, ClusterView, DataplaneView, DynamicResource, HostView, ServerState } from './view.ts';

export const STARTED = Date.UTC(2026, 10, 20, 14, 0, 0);
export const WEB = 'outbound|80||webapp.istioinaction.svc.cluster.local';

/** A private key, and a certificate for `test.io` with it. */
export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
}

/** For test.io, spiffe://cluster.local/ns/a/sa/b and 127.0.0.1. Its key is thrown away: the admin interface does not compare the two. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBpjCCAUygAwIBAgIDChssMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB3Rlc3Qu
aW8wHhcNMjYxMTIwMTQ0NTMyWhcNMjYxMjIwMTQ0NTMyWjASMRAwDgYDVQQDDAd0
ZXN0LmlvMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3f+DN8i2hihSog/GMm1B
EoCBKZebggFN6YreRRAqqpeoBbiO57HE/gFGJxYoSb3xBD5wKJ/DjceQa3MranCE
36OBkDCBjTAdBgNVHQ4EFgQUpT5UJSifXgWFnL+c6InuJVpg244wHwYDVR0jBBgw
FoAUpT5UJSifXgWFnL+c6InuJVpg244wDwYDVR0TAQH/BAUwAwEB/zA6BgNVHREE
MzAxggd0ZXN0LmlvhiBzcGlmZmU6Ly9jbHVzdGVyLmxvY2FsL25zL2Evc2EvYocE
fwAAATAKBggqhkjOPQQDAgNIADBFAiAmDy2zR2lqwU0/r+abot3a5ztggwNoROB9
4kUMfjxrNAIhAPWUnXtgY/8XOKfQwBEvNmNVpvUod+mB5qNklnUKDL40
-----END CERTIFICATE-----
`;

/** The certificate, and a new private key: `pkcs8` is what certificates of today come with, `pkcs1` the older RSA form. */
export function keyPair(form: 'pkcs8' | 'pkcs1' = 'pkcs8'): KeyPair {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  return { key: privateKey.export({ type: form, format: 'pem' }).toString(), certificate: CERTIFICATE };
}

/** A message from its JSON, packed. */
export function any(json: JsonValue): Any {
  return fromJson(AnySchema, json, { registry: typeRegistry() });
}

export function secretResource(name: string, { key, certificate }: KeyPair): DynamicResource {
  const secret = create(SecretSchema, {
    name,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineBytes', value: Buffer.from(certificate) } },
        privateKey: { specifier: { case: 'inlineBytes', value: Buffer.from(key) } },
      },
    },
  });
  return { name, versionInfo: 'v3', lastUpdated: STARTED + 3_000, resource: anyPack(SecretSchema, secret) };
}

const listener = (name: string, port: number, filters: JsonValue = []): JsonValue => ({
  '@type': TypeUrl.Listener,
  name,
  address: { socketAddress: { address: '0.0.0.0', portValue: port } },
  filterChains: [{ filters }],
});

const HCM = [
  {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      statPrefix: 'outbound_0.0.0.0_8080',
      rds: { configSource: { ads: {}, resourceApiVersion: 'V3' }, routeConfigName: 'http.8080' },
    },
  },
];

function host(address: string, change: Partial<HostView> = {}): HostView {
  return {
    address,
    port: 8080,
    hostname: '',
    weight: 1,
    priority: 0,
    region: '',
    zone: '',
    subZone: '',
    edsHealth: 'HEALTHY',
    failedActiveHealthCheck: false,
    failedOutlierCheck: false,
    stats: {
      cx_active: 1,
      cx_connect_fail: 0,
      cx_total: 3,
      rq_active: 0,
      rq_error: 1,
      rq_success: 2,
      rq_timeout: 0,
      rq_total: 3,
    },
    ...change,
  };
}

const BREAKERS = {
  maxConnections: 4294967295,
  maxPendingRequests: 4294967295,
  maxRequests: 4294967295,
  maxRetries: Number.POSITIVE_INFINITY,
};

const cluster = (name: string, hosts: HostView[], change: Partial<ClusterView> = {}): ClusterView => ({
  name,
  edsServiceName: name,
  addedViaApi: true,
  circuitBreakers: BREAKERS,
  hosts,
  ...change,
});

/** What was told to the data plane, in order. */
export type Told = string[];

/** A view whose reads do not change, but for what `told` records. */
export function exampleView(
  change: Partial<DataplaneView> & { secrets?: DynamicResource[]; told?: Told } = {},
): DataplaneView {
  const { secrets = [], told = [], ...rest } = change;
  let level: AdminLogLevel = 'info';
  let healthy = true;
  const resources = new Map<string, DynamicResource[]>([
    [
      TypeUrl.Listener,
      [
        {
          name: '0.0.0.0_8443',
          versionInfo: 'v2',
          lastUpdated: STARTED + 2_000,
          resource: any(listener('0.0.0.0_8443', 8443)),
          errorState: {
            details: 'filter_chains[0].transport_socket: no such secret',
            lastUpdateAttempt: STARTED + 9_000,
            versionInfo: 'v4',
            failedConfiguration: any(listener('0.0.0.0_8443', 8444)),
          },
        },
        {
          name: '0.0.0.0_8080',
          versionInfo: 'v1',
          lastUpdated: STARTED + 1_000,
          resource: any(listener('0.0.0.0_8080', 8080, HCM)),
        },
        {
          name: '0.0.0.0_9000',
          versionInfo: 'v1',
          lastUpdated: STARTED + 1_000,
          state: 'draining',
          resource: any(listener('0.0.0.0_9000', 9000)),
        },
      ],
    ],
    [
      TypeUrl.RouteConfiguration,
      [
        {
          name: 'http.8080',
          versionInfo: 'v1',
          lastUpdated: STARTED + 1_500,
          resource: any({
            '@type': TypeUrl.RouteConfiguration,
            name: 'http.8080',
            virtualHosts: [
              {
                name: 'webapp.istioinaction.io:80',
                domains: ['webapp.istioinaction.io'],
                routes: [{ match: { prefix: '/' }, route: { cluster: WEB } }],
              },
            ],
          }),
        },
      ],
    ],
    [
      TypeUrl.Cluster,
      [
        {
          name: WEB,
          versionInfo: 'v1',
          lastUpdated: STARTED + 900,
          resource: any({ '@type': TypeUrl.Cluster, name: WEB, type: 'EDS' }),
        },
        {
          name: 'outbound|80||new',
          versionInfo: 'v1',
          lastUpdated: STARTED + 900,
          state: 'warming',
          resource: any({ '@type': TypeUrl.Cluster, name: 'outbound|80||new', type: 'EDS' }),
        },
      ],
    ],
    [TypeUrl.Secret, secrets],
  ]);
  const stats = new Stats();
  stats.counter(`cluster.${WEB}.upstream_rq_200`).value = 2;
  stats.counter('cluster.xds-grpc.upstream_rq_total');
  stats.gauge('server.live').value = 1;
  return {
    node: create(NodeSchema, {
      id: 'router~127.10.0.2~istio-ingressgateway-abc.istio-system~istio-system.svc.cluster.local',
      cluster: 'istio-ingressgateway.istio-system',
      metadata: { NAMESPACE: 'istio-system' },
    }),
    version: '0.1.0',
    startTime: STARTED,
    concurrency: 2,
    xdsAddress: '127.0.0.1:15010',
    ports: {
      admin: { host: '127.0.0.1', port: 15000 },
      status: { host: '0.0.0.0', port: 15021 },
      prometheus: { host: '0.0.0.0', port: 15090 },
    },
    state: () => (healthy ? 'LIVE' : 'DRAINING') satisfies ServerState,
    ready: () => healthy,
    resources: (typeUrl) => resources.get(typeUrl) ?? [],
    listeners: () => [
      { name: '0.0.0.0_8080', address: '0.0.0.0', port: 8080 },
      { name: 'v6', address: '::', port: 8443 },
    ],
    clusters: async () => [
      cluster(WEB, [
        host('127.10.0.3', { region: 'r', zone: 'z', weight: 3 }),
        host('::1', { edsHealth: 'UNHEALTHY', failedOutlierCheck: true }),
        host('127.10.0.4', { edsHealth: 'DRAINING' }),
      ]),
    ],
    stats: async () => snapshotStats(stats),
    logLevel: () => level,
    setLogLevel(to) {
      level = to;
      told.push(`log ${to}`);
    },
    drainListeners: () => void told.push('drain'),
    setHealthy(to) {
      healthy = to;
      told.push(to ? 'ok' : 'fail');
    },
    quit: () => void told.push('quit'),
    reopenLogs: () => void told.push('reopen'),
    ...rest,
  };
}
