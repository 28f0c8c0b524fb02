// The fault filter end to end, over real sockets, where parity with Envoy can't look: chance, statistics, limits, the filter's own settings.

import { connect } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gateway, ROUTER, startGateway, staticCluster } from '../../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient, type ScriptedUpstream, startUpstream } from '../../../../test/dataplane/scripted-upstream.ts';
import { responseFlagsText, type StreamInfo } from '../../stream-info.ts';

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

const FAULT = 'envoy.filters.http.fault';
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const ALL = { numerator: 100 };

interface Setup {
  /** The filter's own; `null`: there is no such filter. */
  readonly filter?: Record<string, unknown> | null;
  readonly route?: Record<string, unknown>;
  readonly virtualHost?: Record<string, unknown>;
  readonly hcm?: Record<string, unknown>;
  readonly random?: () => number;
}

interface Running {
  readonly gateway: Gateway;
  readonly upstream: ScriptedUpstream;
  readonly records: StreamInfo[];
  stat(name: string): number | undefined;
}

async function setUp({ filter = {}, route, virtualHost, hcm, random }: Setup): Promise<Running> {
  const upstream = await startUpstream(() => ok('hello'));
  cleanUp.push(() => upstream.close());
  const records: StreamInfo[] = [];
  const config = (settings: Record<string, unknown> | undefined) =>
    settings === undefined ? {} : { typed_per_filter_config: { [FAULT]: { '@type': TYPE, ...settings } } };
  const gateway = await startGateway({
    hcm: {
      http_filters: [...(filter === null ? [] : [{ name: FAULT, typed_config: { '@type': TYPE, ...filter } }]), ROUTER],
      ...hcm,
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [
              { match: { prefix: '/plain' }, route: { cluster: 'up' } },
              { match: { prefix: '/' }, route: { cluster: 'up' }, ...config(route) },
            ],
            ...config(virtualHost),
          },
        ],
      },
    },
    clusters: [staticCluster('up', [upstream.port])],
    onRecord: (info) => records.push(info),
    ...(random === undefined ? {} : { random }),
  });
  cleanUp.push(() => gateway.close());
  const { counters, gauges } = gateway.stats;
  const stat = (name: string) =>
    (counters.get(`http.test.fault.${name}`) ?? gauges.get(`http.test.fault.${name}`))?.value;
  return { gateway, upstream, records, stat };
}

/** The status of a GET. */
async function get({ gateway }: Running, path = '/', lines = ''): Promise<string> {
  const text = await RawClient.ask(
    gateway.port,
    `GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${lines}\r\n`,
  );
  return text.slice(9, 12);
}

const abort = (httpStatus: number, percentage: Record<string, unknown> = ALL) => ({
  abort: { httpStatus, percentage },
});
const delay = (fixedDelay: string) => ({ delay: { fixedDelay, percentage: ALL } });

describe('the fault filter', () => {
  it('aborts the share of requests that is drawn, and counts them', async () => {
    let point = 0.49;
    const it = await setUp({ route: abort(503, { numerator: 50 }), random: () => point });
    expect(await get(it)).toBe('503');
    point = 0.51;
    expect(await get(it)).toBe('200');
    expect(it.stat('aborts_injected')).toBe(1);
    expect(it.stat('delays_injected')).toBe(0);
    expect(it.upstream.requests).toHaveLength(1);
  });

  it('takes the settings of the route, else of the virtual host, else its own', async () => {
    const it = await setUp({ filter: abort(500), virtualHost: abort(501), route: abort(502) });
    expect(await get(it)).toBe('502');
    expect(await get(it, '/plain')).toBe('501');
    expect(await get(await setUp({ filter: abort(500) }))).toBe('500');
  });

  it('is off where a route disables it', async () => {
    const off = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
    const it = await setUp({ filter: abort(500), route: off });
    expect(await get(it)).toBe('200');
    expect(await get(it, '/plain')).toBe('500');
  });

  it('takes settings that are wrapped', async () => {
    const wrapped = {
      '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
      config: { '@type': TYPE, ...abort(418) },
    };
    expect(await get(await setUp({ route: wrapped }))).toBe('418');
  });

  it('injects nothing where the connection manager does not have it, whatever routes say', async () => {
    const it = await setUp({ filter: null, route: abort(503) });
    expect(await get(it)).toBe('200');
    expect(it.stat('aborts_injected')).toBeUndefined();
  });

  it('holds requests back, and says so in the log', async () => {
    const it = await setUp({ route: delay('0.02s') });
    expect(await get(it)).toBe('200');
    expect(it.records.map(({ responseFlags }) => responseFlagsText(responseFlags))).toEqual(['DI']);
    expect(it.stat('delays_injected')).toBe(1);
    expect(it.stat('active_faults')).toBe(0);
  });

  it('lets go of a request whose client leaves', async () => {
    const it = await setUp({ route: delay('3600s') });
    const client = new RawClient(it.gateway.port).send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await until(() => it.stat('active_faults') === 1);
    client.socket.destroy();
    await until(() => it.stat('active_faults') === 0);
    expect(it.upstream.requests).toEqual([]);
    expect(it.records.map(({ responseFlags }) => responseFlagsText(responseFlags))).toEqual(['DI,DC']);
  });

  it('lets go of a stream of HTTP/2 that is reset', async () => {
    const it = await setUp({ route: delay('3600s') });
    const client = connect(`http://127.0.0.1:${it.gateway.port}`);
    cleanUp.push(() => client.destroy());
    const stream = client.request({ ':path': '/' });
    stream.on('error', () => undefined);
    await until(() => it.stat('active_faults') === 1);
    stream.close(8);
    await until(() => it.stat('active_faults') === 0);
    expect(it.upstream.requests).toEqual([]);
  });

  it('answers streams of HTTP/2', async () => {
    const it = await setUp({ route: { ...delay('0.02s'), ...abort(503) } });
    const client = connect(`http://127.0.0.1:${it.gateway.port}`);
    cleanUp.push(() => client.destroy());
    const stream = client.request({ ':path': '/' });
    const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
    expect(status).toBe(503);
    await until(() => it.records.length === 1);
    expect(responseFlagsText(it.records[0]!.responseFlags)).toBe('DI,FI');
    expect(it.stat('active_faults')).toBe(0);
  });

  it('reads no more of a body than it holds while a request waits', async () => {
    const it = await setUp({ route: delay('3600s') });
    const client = new RawClient(it.gateway.port);
    client.send(`POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n`);
    client.send('x'.repeat(64_000_000));
    await until(() => [...it.gateway.sockets].some((socket) => socket.isPaused() && socket.bytesRead > 1024 * 1024));
    expect([...it.gateway.sockets][0]?.bytesRead).toBeLessThan(8_000_000);
  });

  it('adds no fault to as many as may be active', async () => {
    const it = await setUp({ route: { ...delay('3600s'), maxActiveFaults: 1 } });
    new RawClient(it.gateway.port).send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await until(() => it.stat('active_faults') === 1);
    expect(await get(it)).toBe('200');
    expect(it.stat('faults_overflow')).toBe(1);
  });

  it('is for requests with certain headers, or of certain nodes', async () => {
    const matched = await setUp({ route: { ...abort(503), headers: [{ name: 'x-fault', presentMatch: true }] } });
    expect(await get(matched)).toBe('200');
    expect(await get(matched, '/', 'X-Fault: 1\r\n')).toBe('503');
    const ofNode = await setUp({ route: { ...abort(503), downstreamNodes: ['one', 'two'] } });
    expect(await get(ofNode)).toBe('200');
    expect(await get(ofNode, '/', 'X-Envoy-Downstream-Service-Node: three\r\n')).toBe('200');
    expect(await get(ofNode, '/', 'X-Envoy-Downstream-Service-Node: two\r\n')).toBe('503');
  });

  it('is bound by the idle timeout of the stream while it waits', async () => {
    const it = await setUp({ route: delay('3600s'), hcm: { stream_idle_timeout: '0.05s' } });
    expect(await get(it)).toBe('504');
  });
});

it('refuses a fault filter by another name, since routes could not speak to it', async () => {
  const hcm = {
    http_filters: [{ name: 'mine', typed_config: { '@type': TYPE } }, ROUTER],
    route_config: { name: 'r' },
  };
  await expect(startGateway({ hcm, clusters: [] })).rejects.toThrow(
    'http_filters[0]: such a filter is served as envoy.filters.http.fault only, not as mine',
  );
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
