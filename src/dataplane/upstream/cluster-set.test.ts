// Clusters kept in step with CDS, EDS and DNS: which hosts there are, which one is chosen, what stays when something changes.

import { connect } from 'node:net';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ConfigError } from '../connection.ts';
import { Stats } from '../stats/stats.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { ClusterSet } from './cluster-set.ts';

let clusters: ClusterSet | undefined;
afterEach(() => clusters?.close());

interface World {
  readonly set: ClusterSet;
  readonly answers: Map<string, readonly string[]>;
  /** Resolves the next DNS look-ups that are under way. */
  settle(): Promise<void>;
  advance(ms: number): void;
}

function world(random: () => number = () => 0): World {
  const answers = new Map<string, readonly string[]>();
  let clock = 0;
  const timers = new TimerWheel(10, () => clock);
  const set = new ClusterSet({
    stats: new Stats(),
    timers,
    now: () => clock,
    random,
    connect: (options) => connect(options),
    resolve: async (hostname) => answers.get(hostname) ?? Promise.reject(new Error('ENOTFOUND')),
    log: pino({ level: 'silent' }),
  });
  clusters = set;
  return {
    set,
    answers,
    settle: async () => {
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
    },
    advance: (ms) => {
      clock += ms;
      timers.tick();
    },
  };
}

const cluster = (json: Record<string, unknown>) => fromJson(ClusterSchema, { name: 'c', ...json } as JsonValue);
type Endpoint = readonly [address: string, more?: Record<string, unknown>];
const assignment = (endpoints: readonly Endpoint[], clusterName = 'c', priority = 0): Record<string, unknown> => ({
  cluster_name: clusterName,
  endpoints: [
    {
      priority,
      lb_endpoints: endpoints.map(([address, more]) => ({
        endpoint: { address: { socket_address: { address, port_value: 80 } } },
        ...more,
      })),
    },
  ],
});
const eds = (endpoints: readonly Endpoint[], name = 'c') =>
  fromJson(ClusterLoadAssignmentSchema, assignment(endpoints, name) as JsonValue);
const choices = (set: ClusterSet, count: number): string[] =>
  Array.from({ length: count }, () => set.get('c')!.chooseHost()!.ip);

describe('an EDS cluster', () => {
  it('has the hosts of its assignment, whichever comes first, by its service name', () => {
    const { set } = world();
    set.updateEndpoints(eds([['10.0.0.1']], 'service'));
    set.updateCluster(cluster({ type: 'EDS', eds_cluster_config: { service_name: 'service' } }));
    expect(set.get('c')!.hosts.map((host) => host.address)).toEqual(['10.0.0.1:80']);
    set.updateEndpoints(eds([['10.0.0.2']], 'service'));
    expect(set.get('c')!.hosts.map((host) => host.address)).toEqual(['10.0.0.2:80']);
  });

  it('keeps a host that stays, with its connections, and takes its new weight and health', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1'], ['10.0.0.2']]));
    const [first, second] = set.get('c')!.hosts;
    const pool = set.get('c')!.poolOf(first!);
    set.updateEndpoints(eds([['10.0.0.1', { load_balancing_weight: 3 }], ['10.0.0.3']]));
    const after = set.get('c')!.hosts;
    expect(after[0]).toBe(first);
    expect(after[0]!.pool).toBe(pool);
    expect(after[0]!.weight).toBe(3);
    expect(after).not.toContain(second);
  });

  it('keeps its hosts when its configuration changes', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1']]));
    const before = set.get('c');
    set.updateCluster(cluster({ type: 'EDS', connect_timeout: '2s' }));
    expect(set.get('c')).toBe(before);
    expect(before!.connectTimeoutMs).toBe(2000);
    expect(before!.hosts).toHaveLength(1);
  });
});

describe('a cluster that was prepared', () => {
  it('serves as before until it is activated, and has its hosts then', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS', connect_timeout: '1s' }));
    set.updateEndpoints(eds([['10.0.0.1']]));
    const before = set.get('c');
    set.prepare(cluster({ type: 'EDS', connect_timeout: '2s', eds_cluster_config: { service_name: 'other' } }));
    set.updateEndpoints(eds([['10.0.0.2']], 'other'));
    expect(set.get('c')).toBe(before);
    expect(before!.connectTimeoutMs).toBe(1000);
    set.activate('c');
    expect(set.get('c')!.connectTimeoutMs).toBe(2000);
    expect(choices(set, 2)).toEqual(['10.0.0.2', '10.0.0.2']);
  });

  it('changes nothing of the one that serves when only its settings change, until it is activated', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS', connect_timeout: '1s' }));
    set.prepare(cluster({ type: 'EDS', connect_timeout: '2s' }));
    expect(set.get('c')!.connectTimeoutMs).toBe(1000);
    set.prepare(cluster({ type: 'EDS', connect_timeout: '3s' }));
    set.activate('c');
    expect(set.get('c')!.connectTimeoutMs).toBe(3000);
  });

  it('does not exist before, where it is new', () => {
    const { set } = world();
    set.prepare(cluster({ type: 'EDS' }));
    expect(set.get('c')).toBeUndefined();
    set.updateEndpoints(eds([['10.0.0.1']]));
    set.activate('c');
    expect(choices(set, 1)).toEqual(['10.0.0.1']);
  });

  it('waits for the first answer of DNS where another serves meanwhile', async () => {
    const { set, answers, settle } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1']]));
    answers.set('a.test', ['10.0.0.9']);
    set.prepare(cluster({ type: 'STRICT_DNS', load_assignment: assignment([['a.test']]) }));
    set.activate('c');
    expect(choices(set, 1)).toEqual(['10.0.0.1']);
    await settle();
    expect(choices(set, 1)).toEqual(['10.0.0.9']);
  });

  it('and went again is gone', () => {
    const { set } = world();
    set.prepare(cluster({ type: 'EDS' }));
    set.removeCluster('c');
    set.activate('c');
    expect(set.get('c')).toBeUndefined();
  });

  it('is refused where its endpoints are to come from elsewhere than ADS', () => {
    const { set } = world();
    const path = { eds_config: { path_config_source: { path: '/etc/eds.json' } } };
    expect(() => set.prepare(cluster({ type: 'EDS', eds_cluster_config: path }))).toThrow(
      new ConfigError('Cluster c: eds_cluster_config.eds_config.path_config_source: not supported, expected ads'),
    );
  });
});

describe('the choice of a host', () => {
  it('is each in turn', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1'], ['10.0.0.2'], ['10.0.0.3']]));
    expect(choices(set, 4)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1']);
  });

  it('follows weights, without bursts', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1', { load_balancing_weight: 3 }], ['10.0.0.2']]));
    expect(choices(set, 8).filter((ip) => ip === '10.0.0.1')).toHaveLength(6);
    expect(choices(set, 8).join()).not.toContain('10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1');
  });

  it('is the less busy of two with LEAST_REQUEST', () => {
    let point = 0;
    const { set } = world(() => {
      point = (point + 0.5) % 1;
      return point;
    });
    set.updateCluster(cluster({ type: 'EDS', lb_policy: 'LEAST_REQUEST' }));
    set.updateEndpoints(eds([['10.0.0.1'], ['10.0.0.2']]));
    set.get('c')!.hosts[0]!.stats.rq_active = 5;
    expect(new Set(choices(set, 10))).toEqual(new Set(['10.0.0.2']));
  });

  it('leaves out unhealthy hosts, unless so many are that the signal is not to be trusted', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    const bad = { health_status: 'UNHEALTHY' };
    set.updateEndpoints(eds([['10.0.0.1', bad], ['10.0.0.2'], ['10.0.0.3']]));
    expect(new Set(choices(set, 6))).toEqual(new Set(['10.0.0.2', '10.0.0.3']));
    set.updateEndpoints(eds([['10.0.0.1', bad], ['10.0.0.2', bad], ['10.0.0.3']]));
    expect(new Set(choices(set, 6)).size).toBe(3);
  });

  it('does not panic with a threshold of 0', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS', common_lb_config: { healthy_panic_threshold: { value: 0 } } }));
    set.updateEndpoints(eds([['10.0.0.1', { health_status: 'DRAINING' }]]));
    expect(set.get('c')!.chooseHost()).toBeUndefined();
  });

  it('avoids excluded hosts while there are others', () => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'EDS' }));
    set.updateEndpoints(eds([['10.0.0.1'], ['10.0.0.2']]));
    const cl = set.get('c')!;
    const first = cl.hosts[0]!;
    for (let i = 0; i < 4; i += 1) expect(cl.chooseHost(new Set([first]))).not.toBe(first);
    expect(cl.chooseHost(new Set(cl.hosts))).toBeDefined();
  });
});

describe('a DNS cluster', () => {
  it('has every address of its names with STRICT_DNS, and follows them', async () => {
    const { set, answers, settle, advance } = world();
    answers.set('a.example', ['10.0.0.1', '10.0.0.2']);
    set.updateCluster(
      cluster({ type: 'STRICT_DNS', dns_refresh_rate: '1s', load_assignment: assignment([['a.example']]) }),
    );
    await settle();
    expect(set.get('c')!.hosts.map((host) => [host.ip, host.hostname])).toEqual([
      ['10.0.0.1', 'a.example'],
      ['10.0.0.2', 'a.example'],
    ]);
    answers.set('a.example', ['10.0.0.2']);
    advance(1100);
    await settle();
    expect(set.get('c')!.hosts.map((host) => host.ip)).toEqual(['10.0.0.2']);
    answers.delete('a.example');
    advance(1100);
    await settle();
    expect(set.get('c')!.hosts.map((host) => host.ip)).toEqual(['10.0.0.2']);
  });

  it('has the first address with LOGICAL_DNS', async () => {
    const { set, answers, settle } = world();
    answers.set('a.example', ['10.0.0.1', '10.0.0.2']);
    set.updateCluster(cluster({ type: 'LOGICAL_DNS', load_assignment: assignment([['a.example']]) }));
    await settle();
    expect(set.get('c')!.hosts.map((host) => host.ip)).toEqual(['10.0.0.1']);
  });
});

describe('a cluster that cannot be served is refused by name, and the old one stays', () => {
  it.each([
    [{ lb_policy: 'RING_HASH' }, /Cluster c: lb_policy: RING_HASH is not supported/],
    [
      { type: 'STATIC', load_assignment: assignment([['a.example']]) },
      /a STATIC cluster needs IP addresses, got a\.example/,
    ],
    [{ cluster_type: { name: 'envoy.clusters.aggregate' } }, /cluster_type: envoy\.clusters\.aggregate/],
    [{ transport_socket: { name: 'envoy.transport_sockets.tls' } }, /transport_socket: envoy\.transport_sockets\.tls/],
    [{ health_checks: [{ timeout: '1s', interval: '1s', tcp_health_check: {} }] }, /health_checks/],
  ])('%j', (json, message) => {
    const { set } = world();
    set.updateCluster(cluster({ type: 'STATIC', load_assignment: assignment([['10.0.0.1']]) }));
    const before = set.get('c')!;
    expect(() => set.updateCluster(cluster(json))).toThrow(ConfigError);
    expect(() => set.updateCluster(cluster(json))).toThrow(message);
    expect(set.get('c')).toBe(before);
    expect(before.hosts).toHaveLength(1);
  });
});

it('an ORIGINAL_DST cluster has no host here, and a removed cluster is gone', () => {
  const { set } = world();
  set.updateCluster(cluster({ type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' }));
  expect(set.get('c')!.chooseHost()).toBeUndefined();
  set.removeCluster('c');
  expect(set.get('c')).toBeUndefined();
  expect([...set.values()]).toEqual([]);
});
