// Hostile and unlucky peers: whatever bytes come, at whatever cut, the gateway goes on serving and loses no count.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient, startUpstream } from '../../../test/dataplane/scripted-upstream.ts';

const ROUTES = {
  use_remote_address: true,
  normalize_path: true,
  delayed_close_timeout: '0.02s',
  common_http_protocol_options: { idle_timeout: '0.03s' },
  request_headers_timeout: '0.1s',
  stream_idle_timeout: '0.1s',
  upgrade_configs: [{ upgrade_type: 'websocket' }],
  route_config: {
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [
          { match: { prefix: '/check' }, route: { cluster: 'up', timeout: '0s' } },
          {
            match: { prefix: '/' },
            route: {
              cluster: 'up',
              timeout: '0.2s',
              retry_policy: { retry_on: '5xx,reset', num_retries: 1, retry_back_off: { base_interval: '0.001s' } },
            },
          },
        ],
      },
    ],
  },
};

const piece = fc.constantFrom(
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'abc',
  'zz\r\n',
  '\r\n\r\n',
  '\0',
  'GET / HTTP/1.0\r\n\r\n',
);
const answer = fc.constantFrom(
  ok('fine'),
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n',
  'HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nxyz',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'garbage\r\n\r\n',
  '',
);

it('keeps serving, and every gauge returns to zero', async () => {
  let scripted: { text: string; end: 'keep' | 'end' | 'destroy' }[] = [];
  const upstream = await startUpstream((_request, socket) => {
    const next = scripted.shift();
    if (next === undefined) return ok('fine');
    if (next.text !== '') socket.write(next.text, 'latin1');
    if (next.end === 'end') socket.end();
    if (next.end === 'destroy') socket.destroy();
    return undefined;
  });
  const gateway = await startGateway({
    hcm: ROUTES,
    clusters: [staticCluster('up', [upstream.port])],
    onRecord: () => undefined,
  });
  try {
    const answers = fc.array(
      fc.record({ text: answer, end: fc.constantFrom('keep' as const, 'end' as const, 'destroy' as const) }),
      {
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        answers,
        fc.nat(),
        fc.boolean(),
        async (pieces, script, place, leave) => {
          scripted = [...script];
          const text = pieces.join('');
          const client = new RawClient(gateway.port);
          const at = place % (text.length + 1);
          client.send(text.slice(0, at));
          await new Promise((resolve) => setImmediate(resolve));
          client.send(text.slice(at));
          if (leave) client.socket.end();
          await client.end();
          scripted = [];
          // On a slow machine a connection may be closed as idle before its request is read: then one asks again.
          let check = '';
          for (let tries = 0; check === '' && tries < 5; tries += 1)
            check = await RawClient.ask(gateway.port, 'GET /check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
          expect(check).toMatch(/^HTTP\/1\.1 200 OK/);
        },
      ),
      { numRuns: 150 },
    );
    const gauge = (name: string): number => gateway.stats.gauges.get(name)?.value ?? Number.NaN;
    while (gauge('http.test.downstream_cx_active') > 0) await new Promise((resolve) => setImmediate(resolve));
    for (const name of [
      'http.test.downstream_rq_active',
      'cluster.up.upstream_rq_active',
      'cluster.up.upstream_rq_pending_active',
    ]) {
      expect([name, gauge(name)]).toEqual([name, 0]);
    }
    const cluster = gateway.services.clusters.get('up')!;
    expect([cluster.requestsActive, cluster.requestsPending, cluster.retriesActive]).toEqual([0, 0, 0]);
  } finally {
    await gateway.close();
    await upstream.close();
  }
}, 60_000);
