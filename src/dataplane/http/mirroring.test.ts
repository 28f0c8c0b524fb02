// Mirrors end to end, over real sockets, where parity with Envoy can't look: chance, bounds, statistics, and who waits for whom.

import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient, type Script, startUpstream } from '../../../test/dataplane/scripted-upstream.ts';
import type { StreamInfo } from '../stream-info.ts';
import { shadowHost } from './mirroring.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

interface Setup {
  readonly mirrors?: readonly Record<string, unknown>[];
  readonly virtualHost?: Record<string, unknown>;
  readonly script?: Script;
  readonly mirrorScript?: Script;
  readonly random?: () => number;
}

async function setUp({ mirrors = [{ cluster: 'mirror' }], virtualHost, script, mirrorScript, random }: Setup = {}) {
  const upstream = await startUpstream(script ?? (() => ok('hello')));
  const mirror = await startUpstream(mirrorScript ?? (() => ok('mirrored')));
  cleanUp.push(
    () => upstream.close(),
    () => mirror.close(),
  );
  const records: StreamInfo[] = [];
  const gateway = await startGateway({
    hcm: {
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'up', request_mirror_policies: mirrors } }],
            ...virtualHost,
          },
        ],
      },
    },
    clusters: [staticCluster('up', [upstream.port]), staticCluster('mirror', [mirror.port])],
    onRecord: (info) => records.push(info),
    ...(random === undefined ? {} : { random }),
  });
  cleanUp.push(() => gateway.close());
  const stat = (name: string) => gateway.stats.counters.get(name)?.value;
  const active = () => gateway.stats.gauges.get('cluster.mirror.upstream_rq_active')?.value;
  return { gateway, upstream, mirror, records, stat, active };
}

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a mirror', () => {
  it('that never answers holds nothing up', async () => {
    const { gateway, mirror, active } = await setUp({ mirrorScript: () => undefined });
    expect(await RawClient.ask(gateway.port, GET)).toContain('hello');
    await until(() => mirror.requests.length === 1);
    expect(active()).toBe(1);
  });

  it('may answer anything, of any length', async () => {
    const answers = (_request: unknown, socket: Socket): undefined => {
      socket.write(`HTTP/1.1 500 No\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`);
    };
    const { gateway, active, stat } = await setUp({ mirrorScript: answers });
    expect(await RawClient.ask(gateway.port, GET)).toContain('hello');
    await until(() => stat('cluster.mirror.upstream_rq_5xx') === 1 && active() === 0);
  });

  it('is no request of the listener: not in its log, and counted apart', async () => {
    const { gateway, records, stat } = await setUp();
    await RawClient.ask(gateway.port, GET);
    await until(() => stat('cluster.mirror.upstream_rq_200') === 1);
    expect(records).toHaveLength(1);
    expect(stat('http.test.rq_total')).toBe(1);
    expect(stat('http.async-client.rq_total')).toBe(1);
  });

  it('gets the share that is drawn', async () => {
    let point = 0.9;
    const runtime_fraction = { default_value: { numerator: 50, denominator: 'HUNDRED' } };
    const mirrors = [{ cluster: 'mirror', runtime_fraction }];
    const { gateway, upstream, mirror } = await setUp({ mirrors, random: () => point });
    await RawClient.ask(gateway.port, GET.replace('/ ', '/spared '));
    point = 0.1;
    await RawClient.ask(gateway.port, GET.replace('/ ', '/mirrored '));
    await until(() => mirror.requests.length > 0);
    expect(upstream.requests).toHaveLength(2);
    expect(mirror.requests.map(({ head }) => head[0])).toEqual(['GET /mirrored HTTP/1.1']);
  });

  it('keeps the host where it is told to, and may be the virtual host’s', async () => {
    const policy = { cluster: 'mirror', disable_shadow_host_suffix_append: true };
    const { gateway, mirror } = await setUp({ mirrors: [], virtualHost: { request_mirror_policies: [policy] } });
    await RawClient.ask(gateway.port, GET);
    await until(() => mirror.requests.length === 1);
    expect(mirror.requests[0]?.head[1]).toBe('host: a.test');
  });

  it('gets no body that is larger than what is held, and the upstream all of it', async () => {
    const { gateway, upstream, mirror, stat } = await setUp();
    const size = 1_500_000;
    const client = new RawClient(gateway.port);
    client.send(`POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`);
    client.send('x'.repeat(size));
    expect(await client.end()).toContain('hello');
    expect(upstream.requests[0]?.body).toHaveLength(size);
    expect(stat('cluster.up.retry_or_shadow_abandoned')).toBe(1);
    expect(mirror.requests).toEqual([]);
    expect(stat('http.async-client.rq_total')).toBeUndefined();
  });

  it('gets nothing of a request that is cut short', async () => {
    const { gateway, records, stat } = await setUp();
    const client = new RawClient(gateway.port);
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf');
    await until(() => stat('cluster.up.upstream_rq_total') === 1);
    client.socket.destroy();
    await until(() => records.length === 1);
    expect(stat('http.async-client.rq_total')).toBeUndefined();
  });

  it('gets no request for an upgrade', async () => {
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const { gateway, stat } = await setUp({ script: () => switching });
    const upgrade = GET.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket');
    const client = new RawClient(gateway.port).send(upgrade);
    await client.until('HTTP/1.1 101');
    expect(stat('http.async-client.rq_total')).toBeUndefined();
  });
});

it.each([
  ['shop.example', 'shop.example-shadow'],
  ['shop.example:8080', 'shop.example-shadow:8080'],
  ['[::1]:80', '[::1]-shadow:80'],
  ['[::1]', '[::1]-shadow'],
])('the host of a copy for %s is %s', (host, shadow) => {
  expect(shadowHost(host)).toBe(shadow);
});
