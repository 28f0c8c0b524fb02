import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { TypeUrl } from '../../xds/resources.ts';
import type { ClientStatus } from '../../xds/server.ts';
import type { SubscriptionStatus } from '../../xds/stream.ts';
import { proxyNode } from '../proxy-node.ts';
import { formatAge } from './age.ts';
import { syncStatus } from './sync-status.ts';
import { formatStatus } from './table.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000);
const of = (typeUrl: TypeUrl, more: Partial<SubscriptionStatus> = {}): SubscriptionStatus => ({
  typeUrl,
  names: '*',
  resources: 1,
  sentVersion: 'a',
  ackedVersion: 'a',
  sentAt: ago(12),
  refusal: undefined,
  ...more,
});
const client = (name: string, subscriptions: SubscriptionStatus[], version = '0.1.0'): ClientStatus =>
  ({
    node: create(NodeSchema, {
      ...proxyNode({ nodeId: `router~127.0.0.1~${name}.istio-system~istio-system.svc.cluster.local` }),
      userAgentName: 'limen',
      userAgentVersionType: { case: 'userAgentVersion', value: version },
    }),
    address: '127.0.0.1:1',
    connectedAt: ago(60),
    variant: 'delta',
    subscriptions,
  }) as ClientStatus;

const REFUSAL = { version: 'b', resources: ['0.0.0.0_8080'], message: "cannot bind '0.0.0.0:8080':\n in use\n" };
const CLIENTS = [
  client('gateway-1', [
    of(TypeUrl.Cluster),
    of(TypeUrl.ClusterLoadAssignment, { sentVersion: 'b', sentAt: ago(200) }),
    of(TypeUrl.Listener, { sentVersion: 'b', refusal: REFUSAL, sentAt: ago(7200) }),
    of(TypeUrl.RouteConfiguration, { sentVersion: '', ackedVersion: '', sentAt: undefined }),
    of(TypeUrl.Secret),
  ]),
  client('gateway-0', [of(TypeUrl.Cluster), of(TypeUrl.Listener)]),
];

describe('the status of proxies', () => {
  it('says of each type whether the proxy has it, how long ago it was sent, and why it was refused', () => {
    expect(formatStatus(syncStatus(CLIENTS, '0.1.0'), { verbosity: 1, now: NOW })).toBe(
      [
        'NAME                       CLUSTER        CDS              LDS              EDS               RDS          ECDS        SDS              ISTIOD     VERSION',
        'gateway-0.istio-system     Kubernetes     SYNCED (12s)     SYNCED (12s)     IGNORED           IGNORED      IGNORED     IGNORED          limen      0.1.0',
        'gateway-1.istio-system     Kubernetes     SYNCED (12s)     ERROR (120m)     STALE (3m20s)     NOT SENT     IGNORED     SYNCED (12s)     limen      0.1.0',
        '',
        "gateway-1.istio-system refused LDS: cannot bind '0.0.0.0:8080': in use",
        '',
      ].join('\n'),
    );
  });

  it('counts virtual hosts that came by themselves among the routes', () => {
    const refusal = { version: 'b', resources: ['http.8080/a'], message: 'no domain' };
    const proxies = [
      client('a', [of(TypeUrl.RouteConfiguration, { sentAt: ago(60) }), of(TypeUrl.VirtualHost)]),
      client('b', [of(TypeUrl.RouteConfiguration), of(TypeUrl.VirtualHost, { refusal })]),
      client('c', [of(TypeUrl.RouteConfiguration), of(TypeUrl.VirtualHost, { sentVersion: 'b' })]),
    ];
    const text = formatStatus(syncStatus(proxies, '0.1.0'), { verbosity: 1, now: NOW });
    expect(text).not.toContain('VHDS');
    const rows = text.split('\n').map((line) => line.split(/ {2,}/));
    const column = rows[0]?.indexOf('RDS') as number;
    expect(rows.slice(1, 4).map((row) => row[column])).toEqual(['SYNCED (12s)', 'ERROR (12s)', 'STALE (12s)']);
    expect(text).toContain('b.istio-system refused RDS: no domain');
  });

  it('in short says which types are subscribed', () => {
    expect(formatStatus(syncStatus(CLIENTS.slice(1), '0.1.0'), { verbosity: 0, now: NOW })).toBe(
      [
        'NAME                       CLUSTER        ISTIOD     VERSION     SUBSCRIBED TYPES',
        'gateway-0.istio-system     Kubernetes     limen      0.1.0       2 (CDS,LDS)',
        '',
      ].join('\n'),
    );
  });

  it('in JSON is a discovery response of client configs, as istiod’s', () => {
    const status = syncStatus(CLIENTS.slice(0, 1), '0.1.0');
    expect(status).toMatchObject({
      typeUrl: 'type.googleapis.com/envoy.service.status.v3.ClientConfig',
      resources: [{ node: { id: expect.stringContaining('gateway-1'), metadata: { NAMESPACE: 'istio-system' } } }],
    });
    expect(status.resources[0]?.genericXdsConfigs[2]).toEqual({
      typeUrl: TypeUrl.Listener,
      configStatus: 'ERROR',
      versionInfo: 'b',
      lastUpdated: '2026-01-01T10:00:00.000Z',
      errorState: { details: REFUSAL.message, versionInfo: 'b' },
    });
  });
});

it.each([
  [-5000, '<invalid>'],
  [-900, '0s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [250_000, '4m10s'],
  [599_000, '9m59s'],
  [10 * 60_000, '10m'],
  [179 * 60_000, '179m'],
  [200 * 60_000, '3h20m'],
  [8 * 3_600_000, '8h'],
  [53 * 3_600_000, '2d5h'],
  [30 * 86_400_000, '30d'],
  [770 * 86_400_000, '2y40d'],
  [3285 * 86_400_000, '9y'],
])('an age of %i ms is %s', (milliseconds, text) => {
  expect(formatAge(milliseconds)).toBe(text);
});
