// HTTP/2 with h2load as the client: many streams under way at once on each connection.

import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../walkthroughs/tools.ts';
import { type Gateway, startGateway, staticCluster } from './in-process-gateway.ts';
import { ok, type ScriptedUpstream, startUpstream } from './scripted-upstream.ts';

const CONNECTIONS = 2;
const STREAMS = 8;
const REQUESTS = 64;

describeWith(['h2load'], 'h2load', () => {
  let upstream: ScriptedUpstream;
  let gateway: Gateway;
  /** How many streams were open whenever the upstream answered. */
  const active: number[] = [];
  beforeAll(async () => {
    // Answers once every stream of every connection waits: a client or a gateway that asks one by one would wait for ever.
    const waiting: Socket[] = [];
    upstream = await startUpstream((_request, socket) => {
      waiting.push(socket);
      if (waiting.length < CONNECTIONS * STREAMS) return undefined;
      active.push(gateway.stats.gauge('http2.streams_active').value);
      for (const each of waiting.splice(0)) each.write(ok('hello'));
      return undefined;
    });
    gateway = await startGateway({
      hcm: {
        route_config: {
          name: 'r',
          virtual_hosts: [
            { name: 'v', domains: ['a.test'], routes: [{ match: { prefix: '/' }, route: { cluster: 'up' } }] },
          ],
        },
      },
      clusters: [staticCluster('up', [upstream.port])],
    });
  });
  afterAll(async () => {
    await gateway?.close();
    await upstream?.close();
  });

  it('has every request answered with 200, eight at a time on each of two connections', async () => {
    const { stdout } = await promisify(execFile)('h2load', [
      ...[`--clients=${CONNECTIONS}`, `--max-concurrent-streams=${STREAMS}`, `--requests=${REQUESTS}`],
      ...[`--connect-to=127.0.0.1:${gateway.port}`, 'http://a.test/'],
    ]);
    expect(stdout).toContain(`status codes: ${REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx`);
    expect(upstream.requests.length).toBe(REQUESTS);
    expect(gateway.stats.counter('http.test.downstream_cx_http2_total').value).toBe(CONNECTIONS);
    expect(active).toEqual(Array(REQUESTS / CONNECTIONS / STREAMS).fill(CONNECTIONS * STREAMS));
  });
});
