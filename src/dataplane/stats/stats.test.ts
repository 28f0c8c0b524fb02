import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prometheusText } from './prometheus.ts';
import { quantile, selectStats, statsJson, statsText } from './render.ts';
import { mergeStats, type StatsSnapshot, snapshotStats } from './snapshot.ts';
import { record, Stats } from './stats.ts';
import { extractTags } from './tags.ts';

const WEB = 'outbound|80||webapp.istioinaction.svc.cluster.local';

/** The numbers of a worker after three requests. */
function example(): Stats {
  const stats = new Stats();
  stats.counter(`cluster.${WEB}.upstream_rq_total`).value = 3;
  stats.counter(`cluster.${WEB}.upstream_rq_200`).value = 2;
  stats.counter(`cluster.${WEB}.upstream_rq_503`).value = 1;
  stats.counter(`cluster.${WEB}.upstream_rq_2xx`).value = 2;
  stats.counter('cluster.xds-grpc.upstream_rq_total');
  stats.counter('http.outbound_0.0.0.0_8080.downstream_rq_total').value = 3;
  stats.gauge(`cluster.${WEB}.membership_total`).value = 2;
  stats.gauge('listener.0.0.0.0_8080.downstream_cx_active').value = 1;
  stats.gauge('server.live').value = 1;
  const time = stats.histogram(`cluster.${WEB}.upstream_rq_time`);
  for (const ms of [0, 7, 7_200_000]) record(time, ms);
  stats.histogram('listener.0.0.0.0_8080.downstream_cx_length_ms');
  return stats;
}

describe('labels', () => {
  test.each([
    [`cluster.${WEB}.upstream_rq_200`, 'cluster.upstream_rq', { response_code: '200', cluster_name: WEB }],
    [`cluster.${WEB}.upstream_rq_2xx`, 'cluster.upstream_rq', { response_code_class: '2xx', cluster_name: WEB }],
    [
      `cluster.${WEB}.external.upstream_rq_200`,
      'cluster.external.upstream_rq',
      { response_code: '200', cluster_name: WEB },
    ],
    [
      `cluster.${WEB}.circuit_breakers.default.rq_open`,
      'cluster.circuit_breakers.default.rq_open',
      { cluster_name: WEB },
    ],
    [
      'cluster.outbound|443||httpbin.org.upstream_cx_total',
      'cluster.upstream_cx_total',
      { cluster_name: 'outbound|443||httpbin.org' },
    ],
    ['cluster.xds-grpc.upstream_rq_total', 'cluster.upstream_rq_total', { cluster_name: 'xds-grpc' }],
    ['cluster.a.of_our_own', 'cluster.of_our_own', { cluster_name: 'a' }],
    ['cluster_manager.cluster_added', 'cluster_manager.cluster_added', {}],
    [
      'tcp.outbound|2701||echo.default.svc.cluster.local.downstream_cx_total',
      'tcp.downstream_cx_total',
      { tcp_prefix: 'outbound|2701||echo.default.svc.cluster.local' },
    ],
    [
      'http.0.0.0.0_8080.downstream_rq_2xx',
      'http.downstream_rq',
      { response_code_class: '2xx', http_conn_manager_prefix: '0.0.0.0_8080' },
    ],
    ['http.outbound_0.0.0.0_8080.downstream_rq_total', 'http.outbound_0.0.0.0_8080.downstream_rq_total', {}],
    ['listener.0.0.0.0_8080.downstream_cx_total', 'listener.downstream_cx_total', { listener_address: '0.0.0.0_8080' }],
    ['listener.[__]_8080.downstream_cx_total', 'listener.downstream_cx_total', { listener_address: '[__]_8080' }],
    ['listener.admin.downstream_cx_total', 'listener.admin.downstream_cx_total', {}],
    ['listener_manager.listener_added', 'listener_manager.listener_added', {}],
    ['server.live', 'server.live', {}],
  ])('of %s are taken out', (name, rest, labels) => {
    const tagged = extractTags(name);
    expect(tagged.name).toBe(rest);
    expect(Object.fromEntries(tagged.labels)).toEqual(labels);
  });
});

describe('Prometheus text', () => {
  test('is what Envoy prints', async () => {
    await expect(prometheusText(snapshotStats(example()))).toMatchFileSnapshot(
      '../../../test/golden/stats/prometheus.txt',
    );
  });

  test('escapes what would break a line, whatever a cluster is called', () => {
    const stats = new Stats();
    stats.counter('cluster.a"b\\c\nd\u0000é.upstream_rq_total').value = 1;
    stats.counter('odd name-with.päth').value = 2;
    expect(prometheusText(snapshotStats(stats))).toBe(
      '# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total{cluster_name="a\\"b\\\\c\\nd_é"} 1\n# TYPE envoy_odd_name_with_p_th counter\nenvoy_odd_name_with_p_th{} 2\n',
    );
  });

  test('every line of any name is a TYPE line or one sample, and no name has two types', () => {
    const name = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.string({ minLength: 1 }).map((cluster) => `cluster.${cluster}.upstream_rq_200`),
    );
    fc.assert(
      fc.property(fc.array(name), fc.array(name), (counters, gauges) => {
        const stats = new Stats();
        for (const each of counters) stats.counter(each);
        for (const each of gauges) stats.gauge(each);
        const types = new Set<string>();
        for (const line of prometheusText(snapshotStats(stats)).split('\n').slice(0, -1)) {
          const type = /^# TYPE (envoy_\w+) (counter|gauge)$/.exec(line);
          if (type === null) expect(line).toMatch(/^envoy_\w+\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\} 0$/);
          else {
            expect(types.has(type[1]!)).toBe(false);
            types.add(type[1]!);
          }
        }
      }),
    );
  });

  test('nothing is an empty page', () => {
    expect(prometheusText(snapshotStats(new Stats()))).toBe('');
  });
});

describe('/stats text and JSON', () => {
  test('text: counters and gauges sorted together, then histograms', async () => {
    await expect(statsText(snapshotStats(example()))).toMatchFileSnapshot('../../../test/golden/stats/stats.txt');
  });

  test('JSON: name and value, histograms in the last element', async () => {
    const json = `${JSON.stringify(statsJson(snapshotStats(example())), null, 1)}\n`;
    await expect(json).toMatchFileSnapshot('../../../test/golden/stats/stats.json');
  });

  test('buckets cumulated or each on its own', () => {
    const stats = new Stats();
    const histogram = stats.histogram('h');
    for (const ms of [0.2, 3, 3]) record(histogram, ms);
    expect(statsText(snapshotStats(stats), 'cumulative')).toMatch(/^h: B0\.5\(1,1\) B1\(1,1\) B5\(3,3\) B10\(3,3\) /);
    expect(statsText(snapshotStats(stats), 'disjoint')).toMatch(/^h: B0\.5\(1,1\) B1\(0,0\) B5\(2,2\) B10\(0,0\) /);
  });

  test('a percentile lies in the bucket of its value', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3_600_000 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 100 }),
        (values, percent) => {
          const stats = new Stats();
          const histogram = stats.histogram('h');
          for (const value of values) record(histogram, value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
          const upper = histogram.bounds.find((bound) => exact <= bound)!;
          const lower = histogram.bounds[histogram.bounds.indexOf(upper) - 1] ?? 0;
          const found = quantile({ ...histogram, bounds: [...histogram.bounds] }, percent)!;
          expect(found).toBeGreaterThanOrEqual(lower);
          expect(found).toBeLessThanOrEqual(upper);
        },
      ),
    );
  });

  test('a selection takes by name, by kind and by use', () => {
    const all = snapshotStats(example());
    const names = ({ counters, gauges, histograms }: StatsSnapshot) =>
      [...counters, ...gauges, ...histograms].map(([name]) => name);
    expect(names(selectStats(all, { usedOnly: true, matches: () => true, type: 'All' }))).not.toContain(
      'cluster.xds-grpc.upstream_rq_total',
    );
    expect(names(selectStats(all, { usedOnly: false, matches: () => true, type: 'Gauges' }))).toEqual(
      all.gauges.map(([name]) => name),
    );
    expect(
      names(selectStats(all, { usedOnly: false, matches: (name) => name === 'server.live', type: 'All' })),
    ).toEqual(['server.live']);
  });
});

describe('the statistics of several workers', () => {
  test('add up, but for what says the same in each of them', () => {
    const merged = mergeStats([snapshotStats(example()), snapshotStats(example()), snapshotStats(new Stats())]);
    const counters = new Map(merged.counters);
    const gauges = new Map(merged.gauges);
    expect(counters.get(`cluster.${WEB}.upstream_rq_total`)).toBe(6);
    expect(gauges.get('listener.0.0.0.0_8080.downstream_cx_active')).toBe(2);
    expect(gauges.get(`cluster.${WEB}.membership_total`)).toBe(2);
    expect(gauges.get('server.live')).toBe(1);
    const histogram = new Map(merged.histograms).get(`cluster.${WEB}.upstream_rq_time`)!;
    expect(histogram.counts.reduce((a, b) => a + b)).toBe(6);
    expect(histogram.sum).toBe(14_400_014);
  });

  test('survive the way between two processes', () => {
    const snapshot = snapshotStats(example());
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(structuredClone(snapshot)).toEqual(snapshot);
  });

  test('merging leaves the snapshots as they were, and does not depend on the order', () => {
    const scalar = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c.membership_total'), fc.nat()), { maxLength: 3 });
    const unique = (pairs: [string, number][]) => [...new Map(pairs)];
    const snapshot = fc.record({ counters: scalar, gauges: scalar }).map(
      ({ counters, gauges }): StatsSnapshot => ({
        counters: unique(counters),
        gauges: unique(gauges),
        histograms: [['h', { bounds: [1], counts: [1, 2], sum: 9 }]],
      }),
    );
    fc.assert(
      fc.property(fc.array(snapshot, { minLength: 1 }), (snapshots) => {
        const before = structuredClone(snapshots);
        const sorted = ({ counters, gauges, histograms }: StatsSnapshot) => ({
          counters: counters.sort(),
          gauges: gauges.sort(),
          histograms,
        });
        expect(sorted(mergeStats([...snapshots].reverse()))).toEqual(sorted(mergeStats(snapshots)));
        expect(snapshots).toEqual(before);
      }),
    );
  });

  test('a histogram with other bounds goes where its values fit', () => {
    const merged = mergeStats([
      { counters: [], gauges: [], histograms: [['h', { bounds: [1, 10], counts: [1, 1, 1], sum: 3 }]] },
      { counters: [], gauges: [], histograms: [['h', { bounds: [5], counts: [4, 2], sum: 6 }]] },
    ]);
    expect(merged.histograms).toEqual([['h', { bounds: [1, 10], counts: [1, 5, 3], sum: 9 }]]);
  });
});
