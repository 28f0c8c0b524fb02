// The connection manager end to end, over real sockets: what a client and an upstream see. Expectations were taken from Envoy 1.40.

import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Gateway,
  type GatewayConfig,
  startGateway,
  staticCluster,
} from '../../../test/dataplane/in-process-gateway.ts';
import {
  ok,
  RawClient,
  type Script,
  type ScriptedUpstream,
  startUpstream,
} from '../../../test/dataplane/scripted-upstream.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

interface Setup {
  readonly gateway: Gateway;
  readonly upstream: ScriptedUpstream;
  readonly records: StreamInfo[];
  /** Resolves once that many records are there. */
  recorded(count: number): Promise<StreamInfo[]>;
}

interface Options {
  readonly script?: Script;
  readonly hcm?: Record<string, unknown>;
  readonly routes?: unknown[];
  readonly virtualHost?: Record<string, unknown>;
  readonly clusters?: (port: number) => Record<string, unknown>[];
  readonly config?: Partial<GatewayConfig>;
}

async function setUp(options: Options = {}): Promise<Setup> {
  const upstream = await startUpstream(options.script ?? (() => ok('hello')));
  cleanUp.push(() => upstream.close());
  const records: StreamInfo[] = [];
  const waiting = new Set<() => void>();
  const gateway = await startGateway({
    hcm: {
      use_remote_address: true,
      normalize_path: true,
      route_config: {
        name: 'http.8080',
        ignore_port_in_host_matching: true,
        virtual_hosts: [
          {
            name: 'a:80',
            domains: ['a.test'],
            routes: options.routes ?? [{ match: { prefix: '/' }, route: { cluster: 'up' } }],
            ...options.virtualHost,
          },
        ],
      },
      ...options.hcm,
    },
    clusters: [staticCluster('up', [upstream.port]), ...(options.clusters?.(upstream.port) ?? [])],
    onRecord: (info) => {
      records.push(info);
      for (const wake of waiting) wake();
    },
    ...options.config,
  });
  cleanUp.push(() => gateway.close());
  return {
    gateway,
    upstream,
    records,
    recorded: async (count) => {
      while (records.length < count) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
      return records;
    },
  };
}

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
const get = (path: string, lines = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${lines}\r\n`;
/** Response with the date taken out. */
const undated = (text: string): string => text.replace(/date: [^\r]+\r\n/, '').replaceAll('\r', '');
const port1 = staticCluster('refused', [1]);

describe('a request on its way to the upstream', () => {
  it('carries the headers that the gateway adds, in lower case, and comes back with those of the response', async () => {
    const { gateway, upstream } = await setUp({ virtualHost: { include_request_attempt_count: true } });
    const answer = await RawClient.ask(gateway.port, get('/x?q=1', 'X-Foo: Bar\r\n'));
    expect(undated(answer).replace(/service-time: \d+/, 'service-time: N')).toBe(
      'HTTP/1.1 200 OK\ncontent-length: 5\nx-envoy-upstream-service-time: N\nserver: istio-envoy\nconnection: close\n\nhello',
    );
    expect(answer).toMatch(/date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/);
    const { head } = upstream.requests[0]!;
    expect(head.map((line) => line.replace(/^(x-request-id: )[0-9a-f-]{36}$/, '$1UUID'))).toEqual([
      'GET /x?q=1 HTTP/1.1',
      'host: a.test',
      'x-foo: Bar',
      'x-forwarded-for: 192.0.2.2',
      'x-forwarded-proto: http',
      'x-envoy-external-address: 127.0.0.1',
      'x-request-id: UUID',
      'x-envoy-expected-rq-timeout-ms: 15000',
      'x-envoy-attempt-count: 1',
    ]);
  });

  it('loses hop-by-hop headers and what an outsider may not claim', async () => {
    const { gateway, upstream } = await setUp();
    await RawClient.ask(
      gateway.port,
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers, gzip\r\n' +
        'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nX-Envoy-Internal: true\r\nX-Envoy-Retry-On: 5xx\r\n' +
        'X-Forwarded-Client-Cert: Hash=evil\r\nX-Envoy-Other: kept\r\n\r\n',
    );
    const { head } = upstream.requests[0]!;
    const names = head.slice(1).map((line) => line.split(':')[0]);
    expect(names).toEqual([
      'host',
      'te',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-request-id',
      'x-envoy-other',
      'x-envoy-external-address',
      'x-envoy-expected-rq-timeout-ms',
    ]);
    expect(head).toContain('te: trailers');
    expect(head).toContain('x-forwarded-for: 1.2.3.4,192.0.2.2');
    expect(head).toContain('x-forwarded-proto: http');
    expect(head).not.toContain('x-request-id: mine');
  });

  it('is internal when its address is in internal_address_config and nobody forwarded it', async () => {
    const { gateway, upstream } = await setUp({
      hcm: { internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] } },
    });
    await RawClient.ask(gateway.port, get('/', 'X-Request-Id: mine\r\nX-Envoy-Ip-Tags: a\r\n'));
    await RawClient.ask(gateway.port, get('/', 'X-Forwarded-For: 10.0.0.1\r\n'));
    expect(upstream.requests[0]!.head).toEqual(
      expect.arrayContaining(['x-envoy-internal: true', 'x-request-id: mine', 'x-envoy-ip-tags: a']),
    );
    expect(upstream.requests[1]!.head).toContain('x-envoy-external-address: 127.0.0.1');
    expect(upstream.requests[1]!.head.join()).not.toContain('x-envoy-internal');
  });

  it('keeps an external request id where it is told to', async () => {
    const { gateway, upstream } = await setUp({
      hcm: { preserve_external_request_id: true, always_set_request_id_in_response: true },
    });
    const answer = await RawClient.ask(gateway.port, get('/', 'X-Request-Id: mine\r\n'));
    expect(upstream.requests[0]!.head).toContain('x-request-id: mine');
    expect(answer).toContain('x-request-id: mine\r\n');
  });

  it('tells the upstream of the verified client certificate and of no claimed one', async () => {
    const { gateway, upstream } = await setUp({
      hcm: {
        forward_client_cert_details: 'SANITIZE_SET',
        set_current_client_cert_details: { subject: true, uri: true, dns: true },
      },
      config: {
        tls: {
          version: 'TLSv1.3',
          cipher: 'x',
          peer: { subject: 'CN=me', uriSans: ['spiffe://a/b'], dnsSans: ['me.test'], sha256: 'ab12', pem: '' },
        },
      },
    });
    await RawClient.ask(gateway.port, get('/', 'X-Forwarded-Client-Cert: Hash=evil\r\n'));
    const { head } = upstream.requests[0]!;
    expect(head).toContain('x-forwarded-client-cert: Hash=ab12;Subject="CN=me";URI=spiffe://a/b;DNS=me.test');
    expect(head).toContain('x-forwarded-proto: https');
  });

  it('has one normalized path', async () => {
    const { gateway, upstream } = await setUp();
    await RawClient.ask(gateway.port, get('/a/../foo/./b//c%2e%2E/%2fd%41?x=../y'));
    expect(upstream.requests[0]!.head[0]).toBe('GET /foo/b//c../%2fdA?x=../y HTTP/1.1');
  });

  it('in absolute-form goes where its target says, not where Host says', async () => {
    const { gateway, upstream } = await setUp();
    await RawClient.ask(gateway.port, 'GET http://a.test/foo HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n');
    expect(upstream.requests[0]!.head.slice(0, 2)).toEqual(['GET /foo HTTP/1.1', 'host: a.test']);
  });

  it('gets content-length: 0 where its method wants a body', async () => {
    const { gateway, upstream } = await setUp();
    for (const method of ['POST', 'GET', 'DELETE']) {
      await RawClient.ask(gateway.port, `${method} / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    }
    const has = upstream.requests.map(({ head }) => head.includes('content-length: 0'));
    expect(has).toEqual([true, false, false]);
  });
});

describe('bodies', () => {
  it('of requests pass with Content-Length and chunked, and Expect: 100-continue is answered here', async () => {
    const { gateway, upstream } = await setUp();
    const post = 'POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n';
    const client = new RawClient(gateway.port).send(`${post}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
    await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    expect(await client.send('hello').end()).toContain('HTTP/1.1 200 OK');
    await RawClient.ask(gateway.port, `${post}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`);
    expect(upstream.requests.map(({ body }) => body)).toEqual(['hello', '5\r\nhello\r\n0\r\n\r\n']);
    expect(upstream.requests[0]!.head.join()).not.toContain(',expect:');
  });

  it('wait for the upstream’s word with proxy_100_continue, and 103 is not passed on', async () => {
    const { gateway } = await setUp({
      hcm: { proxy_100_continue: true },
      script: ({ head }, socket) => {
        expect(head).toContain('expect: 100-continue');
        socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n');
        return ok('done');
      },
    });
    const answer = await RawClient.ask(
      gateway.port,
      'POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi',
    );
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n.*done$/s);
    expect(answer).not.toContain('103');
  });

  it('of responses pass chunked, by length and until close', async () => {
    const { gateway } = await setUp({
      script: ({ head }, socket) => {
        if (head[0]!.includes('/chunked')) {
          return 'HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nKeep-Alive: x\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-T: v\r\n\r\n';
        }
        socket.end('HTTP/1.1 200 OK\r\n\r\nhello');
        return undefined;
      },
    });
    const chunked = await RawClient.ask(gateway.port, get('/chunked'));
    expect(chunked).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(chunked).toMatch(/\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
    expect(chunked).not.toContain('keep-alive');
    expect(await RawClient.ask(gateway.port, get('/close'))).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  });

  it('of any size pass both ways, also when the reader is slow', async () => {
    const big = 'x'.repeat(3_000_000);
    const { gateway, upstream } = await setUp({ script: ({ body }) => ok(body) });
    const client = new RawClient(gateway.port);
    client.socket.pause();
    client.send(`POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${big.length}\r\n\r\n${big}`);
    while (upstream.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    const answer = await client.end();
    expect(answer.endsWith(`\r\n\r\n${big}`)).toBe(true);
  });

  it('are absent from responses to HEAD and from 204 and 304, whatever the headers say', async () => {
    const { gateway } = await setUp({
      script: ({ head }) => {
        if (head[0]!.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n';
        if (head[0]!.includes('/204')) return 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n';
        if (head[0]!.includes('/bare')) return 'HTTP/1.1 304 Not Modified\r\n\r\n';
        return 'HTTP/1.1 304 Not Modified\r\nContent-Length: 20\r\n\r\n';
      },
    });
    const bare = await RawClient.ask(gateway.port, get('/bare'));
    expect(bare).not.toMatch(/content-length|transfer-encoding/);
    const client = new RawClient(gateway.port);
    client.send('HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET /204 HTTP/1.1\r\nHost: a.test\r\n\r\n').send(get('/304'));
    const answers = (await client.end()).split(/(?=HTTP\/1\.1 )/);
    expect(answers.map((answer) => answer.split('\r\n')[0])).toEqual([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 204 No Content',
      'HTTP/1.1 304 Not Modified',
    ]);
    expect(answers.map((answer) => /content-length: (\d+)/.exec(answer)?.[1])).toEqual(['100', undefined, '20']);
    expect(answers.every((answer) => answer.endsWith('\r\n\r\n'))).toBe(true);
  });
});

describe('connections', () => {
  it('are kept on both sides, and pipelined requests are answered in order', async () => {
    const { gateway, upstream } = await setUp({ script: ({ head }) => ok(head[0]!.split(' ')[1]!) });
    const client = new RawClient(gateway.port);
    client.send(
      Array.from({ length: 5 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a.test\r\n\r\n`).join('') + get('/last'),
    );
    const answer = await client.end();
    const bodies = answer.split(/HTTP\/1\.1 200 OK/).map((part) => part.split('\r\n\r\n')[1]);
    expect(bodies.slice(1)).toEqual(['/0', '/1', '/2', '/3', '/4', '/last']);
    expect(upstream.connections).toBe(1);
  });

  it('to an upstream that sends more than was asked for are not used again', async () => {
    const { gateway, upstream } = await setUp({
      script: () => `${ok('a')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    });
    const client = new RawClient(gateway.port).send('GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await client.until('\r\n\r\na');
    const answer = await client.send(get('/2')).end();
    expect(answer).not.toContain('evil');
    expect(upstream.connections).toBe(2);
  });

  it('close after max_requests_per_connection and on drain', async () => {
    const { gateway } = await setUp({ hcm: { common_http_protocol_options: { max_requests_per_connection: 2 } } });
    const client = new RawClient(gateway.port).send(
      'GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n',
    );
    const answer = await client.end();
    expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(2);
    expect(answer.match(/connection: close/g)).toHaveLength(1);
  });

  it('that are idle close on drain, others once their response is out', async () => {
    let respond: (() => void) | undefined;
    const { gateway } = await setUp({
      script: ({ head }, socket) => {
        if (head[0]!.includes('/slow')) {
          respond = () => socket.write(ok('done'));
          return undefined;
        }
        return ok('fast');
      },
    });
    const idle = new RawClient(gateway.port).send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await idle.until('fast');
    const busy = new RawClient(gateway.port).send('GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n');
    while (respond === undefined) await new Promise((resolve) => setImmediate(resolve));
    gateway.filter.drain();
    await idle.end();
    respond();
    const answer = await busy.end();
    expect(answer).toContain('connection: close\r\n');
    expect(answer).toContain('done');
  });

  it('that are idle too long close', async () => {
    const { gateway } = await setUp({ hcm: { common_http_protocol_options: { idle_timeout: '0.05s' } } });
    expect(await RawClient.ask(gateway.port, '')).toBe('');
  });

  it('of clients that leave end their request: flag DC, and the upstream request goes too', async () => {
    let upstreamClosed: Promise<void> | undefined;
    const { gateway, recorded } = await setUp({
      script: (_request, socket) => {
        upstreamClosed = new Promise((resolve) => {
          socket.on('close', () => resolve());
        });
        return undefined;
      },
    });
    const client = new RawClient(gateway.port).send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    while (upstreamClosed === undefined) await new Promise((resolve) => setImmediate(resolve));
    client.socket.destroy();
    await upstreamClosed;
    const [record] = await recorded(1);
    expect([record!.responseCode, responseFlagsText(record!.responseFlags), record!.responseCodeDetails]).toEqual([
      0,
      'DC',
      'downstream_remote_disconnect',
    ]);
  });

  it('become tunnels on an upgrade that is configured', async () => {
    const { gateway } = await setUp({
      hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
      script: (_request, socket) => {
        socket.on('data', (text: Buffer | string) => {
          if (text.toString() === 'ping') socket.end('pong');
        });
        return 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n';
      },
    });
    const client = new RawClient(gateway.port).send(
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    const head = await client.until('\r\n\r\n');
    expect(head).toMatch(
      /^HTTP\/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n/,
    );
    expect(await client.send('ping').end()).toMatch(/\r\n\r\npong$/);
  });

  it('as tunnels are read only as fast as the upstream takes the bytes', async () => {
    const total = 64 * 1024 * 1024;
    let received = 0;
    let tunnel: Socket | undefined;
    const { gateway } = await setUp({
      hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
      script: (_request, socket) => {
        tunnel = socket;
        socket.removeAllListeners('data').pause();
        return 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
      },
    });
    const client = new RawClient(gateway.port);
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await client.until('\r\n\r\n');
    const [ours] = gateway.sockets;
    client.socket.write(Buffer.alloc(total));
    while (!ours!.isPaused() && client.socket.writableLength > 0) await new Promise(setImmediate);
    expect(ours!.isPaused()).toBe(true);
    await new Promise<void>((resolve) => {
      tunnel!.on('data', (text: string) => {
        received += text.length;
        if (received === total) resolve();
      });
      tunnel!.resume();
    });
    client.socket.destroy();
  });

  it('to an upstream that changes the protocol unasked are closed: 502, flag UPE', async () => {
    const { gateway, recorded } = await setUp({
      script: () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    });
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/);
    const [record] = await recorded(1);
    expect(responseFlagsText(record!.responseFlags)).toBe('UPE');
    // Not a response: nothing of it counts as one.
    expect(gateway.stats.counters.get('cluster.up.upstream_rq_1xx')?.value).toBe(0);
  });
});

describe('local replies', () => {
  const cases: [what: string, request: string, routes: unknown[], expected: string, log: string][] = [
    [
      '404 for a host nobody serves',
      'GET / HTTP/1.1\r\nHost: zz\r\nConnection: close\r\n\r\n',
      [],
      'HTTP/1.1 404 Not Found\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '404 NR route_not_found',
    ],
    [
      '404 for a path no route matches',
      GET,
      [],
      'HTTP/1.1 404 Not Found\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '404 NR route_not_found',
    ],
    [
      '503 where the cluster has no host',
      GET,
      [{ match: { prefix: '/' }, route: { cluster: 'empty' } }],
      'HTTP/1.1 503 Service Unavailable\ncontent-length: 19\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nno healthy upstream',
      '503 UH no_healthy_upstream',
    ],
    [
      '503 where there is no such cluster',
      GET,
      [{ match: { prefix: '/' }, route: { cluster: 'nope' } }],
      'HTTP/1.1 503 Service Unavailable\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '503 NC cluster_not_found',
    ],
    [
      '503 where the upstream refuses',
      GET,
      [{ match: { prefix: '/' }, route: { cluster: 'refused' } }],
      'HTTP/1.1 503 Service Unavailable\ncontent-length: 98\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream connect error or disconnect/reset before headers. reset reason: remote connection failure',
      '503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    ],
    [
      '503 where retries did not help',
      GET,
      [
        {
          match: { prefix: '/' },
          route: {
            cluster: 'refused',
            retry_policy: { retry_on: 'connect-failure', num_retries: 2, retry_back_off: { base_interval: '0.001s' } },
          },
        },
      ],
      'HTTP/1.1 503 Service Unavailable\ncontent-length: 121\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure',
      '503 URX,UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    ],
    [
      '503 where a circuit breaker is open',
      GET,
      [{ match: { prefix: '/' }, route: { cluster: 'zero' } }],
      'HTTP/1.1 503 Service Unavailable\nx-envoy-overloaded: true\ncontent-length: 81\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream connect error or disconnect/reset before headers. reset reason: overflow',
      '503 UO upstream_reset_before_response_started{overflow}',
    ],
    [
      '504 where the upstream takes too long',
      get('/hang'),
      [{ match: { prefix: '/' }, route: { cluster: 'up', timeout: '0.05s' } }],
      'HTTP/1.1 504 Gateway Timeout\ncontent-length: 24\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream request timeout',
      '504 UT response_timeout',
    ],
    [
      '503 where the upstream hangs up',
      get('/close'),
      [{ match: { prefix: '/' }, route: { cluster: 'up' } }],
      'HTTP/1.1 503 Service Unavailable\ncontent-length: 95\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream connect error or disconnect/reset before headers. reset reason: connection termination',
      '503 UC upstream_reset_before_response_started{connection_termination}',
    ],
    [
      '502 where the upstream does not speak HTTP',
      get('/garbage'),
      [{ match: { prefix: '/' }, route: { cluster: 'up' } }],
      'HTTP/1.1 502 Bad Gateway\ncontent-length: 87\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nupstream connect error or disconnect/reset before headers. reset reason: protocol error',
      '502 UPE upstream_reset_before_response_started{protocol_error}',
    ],
    [
      'a direct response',
      GET,
      [{ match: { prefix: '/' }, name: 'teapot', direct_response: { status: 418, body: { inline_string: 'teapot' } } }],
      'HTTP/1.1 418 Unknown\ncontent-length: 6\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nteapot',
      '418 - direct_response',
    ],
    [
      'a redirect',
      get('/a/b?c=d'),
      [{ match: { prefix: '/a' }, redirect: { https_redirect: true, port_redirect: 8443, prefix_rewrite: '/new' } }],
      'HTTP/1.1 301 Moved Permanently\nlocation: https://a.test:8443/new/b?c=d\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '301 - direct_response',
    ],
    [
      '400 without Host',
      'GET / HTTP/1.1\r\n\r\n',
      [],
      'HTTP/1.1 400 Bad Request\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '400 - missing_host_header',
    ],
    [
      '404 for OPTIONS *',
      'OPTIONS * HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET / HTTP/1.0\r\n\r\n',
      [],
      'HTTP/1.1 404 Not Found\nserver: istio-envoy\ncontent-length: 0\n\n',
      '404 - absolute_path_rejected',
    ],
    [
      '400 for what is no HTTP',
      '\x16\x03\x01\x00',
      [],
      'HTTP/1.1 400 Bad Request\ncontent-length: 11\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nBad Request',
      '400 DPE http1.codec_error',
    ],
    [
      '400 for bare line feeds, at once',
      'GET / HTTP/1.1\nHost: a.test\n\n',
      [],
      'HTTP/1.1 400 Bad Request\ncontent-length: 11\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nBad Request',
      '400 DPE http1.codec_error',
    ],
    [
      '426 for HTTP/1.0',
      'GET / HTTP/1.0\r\n\r\n',
      [],
      'HTTP/1.1 426 Upgrade Required\ncontent-length: 16\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nUpgrade Required',
      '426 DPE low_version',
    ],
    [
      '403 for an https target in plain text',
      'GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n',
      [],
      'HTTP/1.1 403 Forbidden\ncontent-length: 9\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nForbidden',
      '403 DPE http1.https_url_on_plaintext_connection',
    ],
    [
      '403 for an upgrade nobody configured',
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: bar\r\n\r\n',
      [{ match: { prefix: '/' }, route: { cluster: 'up' } }],
      'HTTP/1.1 403 Forbidden\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '403 - upgrade_failed',
    ],
    [
      '404 for CONNECT',
      'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n',
      [],
      'HTTP/1.1 404 Not Found\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
      '404 NR route_not_found',
    ],
    [
      '431 for a head that is too large',
      `GET /${'a'.repeat(62_000)} HTTP/1.1\r\nHost: a.test\r\n\r\n`,
      [],
      'HTTP/1.1 431 Request Header Fields Too Large\ncontent-length: 31\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nRequest Header Fields Too Large',
      '431 DPE http1.headers_too_large',
    ],
    [
      '400 for Connection naming x-forwarded-for',
      get('/', 'Connection: x-forwarded-for\r\n'),
      [],
      'HTTP/1.1 400 Bad Request\ncontent-length: 11\ncontent-type: text/plain\nserver: istio-envoy\nconnection: close\n\nBad Request',
      '400 DPE http1.connection_header_rejected',
    ],
  ];
  it.each(cases)('%s', async (_what, request, routes, expected, log) => {
    const { gateway, recorded } = await setUp({
      routes,
      clusters: (port) => [
        staticCluster('empty', []),
        port1,
        staticCluster('zero', [port], { circuitBreakers: { thresholds: [{ maxRequests: 0, maxPendingRequests: 0 }] } }),
      ],
      script: ({ head }, socket) => {
        if (head[0]!.includes('/hang')) return undefined;
        if (head[0]!.includes('/garbage')) return 'garbage\r\n\r\n';
        socket.destroy();
        return undefined;
      },
    });
    const answer = undated(await RawClient.ask(gateway.port, request));
    expect(answer.slice(0, expected.length)).toBe(expected);
    const [record] = await recorded(1);
    expect(`${record!.responseCode} ${responseFlagsText(record!.responseFlags)} ${record!.responseCodeDetails}`).toBe(
      log,
    );
  });

  it('301 to https where the virtual host requires TLS', async () => {
    const { gateway } = await setUp({ virtualHost: { require_tls: 'ALL' } });
    expect(
      undated(await RawClient.ask(gateway.port, 'GET /a?b HTTP/1.1\r\nHost: a.test:81\r\nConnection: close\r\n\r\n')),
    ).toBe(
      'HTTP/1.1 301 Moved Permanently\nlocation: https://a.test:81/a?b\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n\n',
    );
  });

  it('400 for a bad chunk, and the upstream does not get the rest', async () => {
    const { gateway, upstream } = await setUp();
    const answer = await RawClient.ask(
      gateway.port,
      'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request/);
    expect(upstream.requests).toEqual([]);
  });

  it('408 for a head that does not end in time', async () => {
    const { gateway } = await setUp({ hcm: { request_headers_timeout: '0.05s' } });
    const answer = await RawClient.ask(gateway.port, 'GET / HTTP/1.1\r\nHost: a');
    expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n.*request header timeout$/s);
  });

  it('408 for a body that stops coming, 504 for a response that does', async () => {
    const { gateway, recorded } = await setUp({ hcm: { stream_idle_timeout: '0.05s' }, script: () => undefined });
    const answer = await RawClient.ask(gateway.port, 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabc');
    expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n.*stream timeout$/s);
    expect(await RawClient.ask(gateway.port, get('/hang'))).toMatch(/^HTTP\/1.1 504 /);
    expect((await recorded(2)).map((record) => responseFlagsText(record.responseFlags))).toEqual(['SI', 'SI']);
  });

  it('cuts a response off that is not whole within the timeout of its route', async () => {
    const { gateway, recorded } = await setUp({
      script: (_request, socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
        return undefined;
      },
      routes: [{ match: { prefix: '/' }, route: { cluster: 'up', timeout: '0.05s' } }],
    });
    expect(await RawClient.ask(gateway.port, get('/'))).toMatch(/\r\n\r\nabc$/);
    const [log] = await recorded(1);
    expect([log!.responseCode, responseFlagsText(log!.responseFlags)]).toEqual([200, 'UT']);
  });

  it('cuts a response off where the upstream does', async () => {
    const { gateway, recorded } = await setUp({
      script: (_request, socket) => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
        return undefined;
      },
    });
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/content-length: 100\r\n.*\r\n\r\nabc$/s);
    const [record] = await recorded(1);
    expect(record!.responseCodeDetails).toBe('upstream_reset_after_response_started{protocol_error}');
  });
});

describe('retries', () => {
  const policy = (more: Record<string, unknown>): Record<string, unknown> => ({
    num_retries: 2,
    retry_back_off: { base_interval: '0.001s' },
    ...more,
  });

  it('send the request again, body and all, and count the attempts', async () => {
    let calls = 0;
    const { gateway, upstream, recorded } = await setUp({
      virtualHost: { include_request_attempt_count: true },
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: 'up',
            retry_policy: policy({ retry_on: 'retriable-status-codes', retriable_status_codes: [503] }),
          },
        },
      ],
      script: () => {
        calls += 1;
        return calls < 3 ? 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad' : ok('good');
      },
    });
    const answer = await RawClient.ask(
      gateway.port,
      'POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 OK.*good$/s);
    expect(upstream.requests.map(({ body }) => body)).toEqual(['hello', 'hello', 'hello']);
    expect(upstream.requests.map(({ head }) => head.find((line) => line.startsWith('x-envoy-attempt-count')))).toEqual([
      'x-envoy-attempt-count: 1',
      'x-envoy-attempt-count: 2',
      'x-envoy-attempt-count: 3',
    ]);
    expect((await recorded(1))[0]!.upstreamRequestAttemptCount).toBe(3);
  });

  it('give the last response once they are used up, with flag URX', async () => {
    const { gateway, upstream, recorded } = await setUp({
      routes: [{ match: { prefix: '/' }, route: { cluster: 'up', retry_policy: policy({ retry_on: '5xx' }) } }],
      script: () => 'HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n',
    });
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 500 Internal Server Error/);
    expect(upstream.requests).toHaveLength(3);
    expect(upstream.connections).toBe(1);
    const [record] = await recorded(1);
    expect([responseFlagsText(record!.responseFlags), record!.responseCodeDetails]).toEqual(['URX', 'via_upstream']);
  });

  it('go to another host with previous_hosts', async () => {
    const { gateway } = await setUp({
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: 'two',
            retry_policy: policy({
              retry_on: 'connect-failure',
              host_selection_retry_max_attempts: '5',
              retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
            }),
          },
        },
      ],
      clusters: (port) => [staticCluster('two', [1, port])],
    });
    for (let i = 0; i < 4; i += 1) expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 200 OK/);
  });

  it('follow a per-try timeout', async () => {
    const { gateway, upstream, recorded } = await setUp({
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: 'up',
            timeout: '5s',
            retry_policy: policy({ retry_on: '5xx', num_retries: 1, per_try_timeout: '0.05s' }),
          },
        },
      ],
      script: () => undefined,
    });
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 504 .*upstream request timeout$/s);
    expect(upstream.requests).toHaveLength(2);
    const [record] = await recorded(1);
    expect([responseFlagsText(record!.responseFlags), record!.responseCodeDetails]).toEqual([
      'URX,UT',
      'upstream_per_try_timeout',
    ]);
  });
});

describe('large request bodies', () => {
  it('pass although the route has a retry policy; beyond 1 MiB there is no retry', async () => {
    const big = 'x'.repeat(2_000_000);
    const { gateway, upstream } = await setUp({
      routes: [{ match: { prefix: '/' }, route: { cluster: 'up', retry_policy: { retry_on: '5xx', num_retries: 1 } } }],
      script: ({ body }) => `HTTP/1.1 500 No\r\nContent-Length: 7\r\n\r\n${body.length}`,
    });
    const post = `POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${big.length}\r\n\r\n${big}`;
    expect(await RawClient.ask(gateway.port, post)).toMatch(/^HTTP\/1.1 500 .*2000000$/s);
    expect(upstream.requests).toHaveLength(1);
  });

  it('are sent again whole where they fit', async () => {
    const body = 'y'.repeat(300_000);
    let calls = 0;
    const { gateway, upstream } = await setUp({
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: 'up',
            retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } },
          },
        },
      ],
      script: () => {
        calls += 1;
        return calls === 1 ? 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n' : ok('again');
      },
    });
    const post = `POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    expect(await RawClient.ask(gateway.port, post)).toMatch(/again$/);
    expect(upstream.requests.map((request) => request.body === body)).toEqual([true, true]);
  });
});

describe('HTTP/1.0 clients, where they are accepted', () => {
  const options = { hcm: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'a.test' } } };

  it('get HTTP/1.0 answers, whole or until close, never chunked', async () => {
    const { gateway } = await setUp({
      ...options,
      script: () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    });
    const answer = await RawClient.ask(gateway.port, 'GET / HTTP/1.0\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.0 200 OK\r\n.*connection: close\r\n\r\nhello$/s);
    expect(answer).not.toContain('transfer-encoding');
  });
});

describe('headers with underscores', () => {
  it.each([
    ['ALLOW', 200, true],
    ['DROP_HEADER', 200, false],
    ['REJECT_REQUEST', 400, false],
  ])('%s', async (action, status, passed) => {
    const { gateway, upstream } = await setUp({
      hcm: { common_http_protocol_options: { headers_with_underscores_action: action } },
    });
    expect(await RawClient.ask(gateway.port, get('/', 'x_y: 1\r\n'))).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(upstream.requests[0]?.head.includes('x_y: 1') ?? false).toBe(passed);
  });
});

describe('routes', () => {
  it('rewrite path and host, and change headers on their way in and out', async () => {
    const { gateway, upstream } = await setUp({
      routes: [
        {
          match: { prefix: '/old' },
          route: { cluster: 'up', prefix_rewrite: '/new', host_rewrite_literal: 'b.test' },
          request_headers_to_add: [
            { header: { key: 'X-From', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
            { header: { key: 'x-o', value: 'new' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
            { header: { key: 'x-empty', value: '%REQ(x-nope)%' } },
          ],
          request_headers_to_remove: ['x-gone'],
          response_headers_to_add: [{ header: { key: 'x-code', value: '%RESPONSE_CODE%' } }],
          response_headers_to_remove: ['x-secret'],
        },
      ],
      script: () => ok('', 'X-Secret: 1\r\n'),
    });
    const answer = await RawClient.ask(gateway.port, get('/old/x?y', 'X-O: old\r\nX-Gone: 1\r\n'));
    const { head } = upstream.requests[0]!;
    expect(head.slice(0, 2)).toEqual(['GET /new/x?y HTTP/1.1', 'host: b.test']);
    expect(head).toEqual(
      expect.arrayContaining([
        'x-from: 127.0.0.1',
        'x-o: new',
        'x-envoy-original-path: /old/x?y',
        'x-envoy-original-host: a.test',
      ]),
    );
    expect(head.join()).not.toMatch(/x-gone|x-empty|x-o: old/);
    expect(answer).toContain('x-code: 200\r\n');
    expect(answer).not.toContain('x-secret');
  });

  it('split traffic by weight', async () => {
    let point = 0.95;
    const { gateway } = await setUp({
      routes: [
        {
          match: { prefix: '/' },
          route: {
            weighted_clusters: {
              clusters: [
                { name: 'up', weight: 90 },
                { name: 'nope', weight: 10 },
              ],
            },
          },
        },
      ],
      config: { random: () => point },
    });
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 503/);
    point = 0.85;
    expect(await RawClient.ask(gateway.port, GET)).toMatch(/^HTTP\/1.1 200/);
  });
});

describe('statistics', () => {
  it('count connections, requests and responses by Envoy’s names', async () => {
    const { gateway } = await setUp();
    await RawClient.ask(gateway.port, GET);
    await RawClient.ask(gateway.port, get('/').replace('a.test', 'zz'));
    const counter = (name: string): number | undefined => gateway.stats.counters.get(name)?.value;
    expect({
      total: counter('http.test.downstream_rq_total'),
      ok: counter('http.test.downstream_rq_2xx'),
      bad: counter('http.test.downstream_rq_4xx'),
      noRoute: counter('http.test.no_route'),
      upstream: counter('cluster.up.upstream_rq_total'),
      upstreamOk: counter('cluster.up.upstream_rq_200'),
      active: gateway.stats.gauges.get('http.test.downstream_rq_active')?.value,
    }).toEqual({ total: 2, ok: 1, bad: 1, noRoute: 1, upstream: 1, upstreamOk: 1, active: 0 });
  });
});
