// Where one request ends and the next begins, also where the answer comes too early, the head in pieces, or a tunnel not at all.
// Expectations were taken from Envoy 1.40.

import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gateway, startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
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

/** `/direct` is answered here, `/empty` has no host, all else goes to the upstream. */
async function setUp({ script, port }: { script?: Script; port?: number } = {}): Promise<{
  gateway: Gateway;
  upstream: ScriptedUpstream;
  records: StreamInfo[];
}> {
  const upstream = await startUpstream(script ?? (() => ok('hello')));
  cleanUp.push(() => upstream.close());
  const records: StreamInfo[] = [];
  const gateway = await startGateway({
    hcm: {
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['a.test'],
            routes: [
              { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: 'here' } } },
              { match: { path: '/empty' }, route: { cluster: 'empty' } },
              { match: { prefix: '/' }, route: { cluster: 'up' } },
            ],
          },
        ],
      },
    },
    clusters: [staticCluster('up', [port ?? upstream.port]), staticCluster('empty', [])],
    onRecord: (info) => records.push(info),
  });
  cleanUp.push(() => gateway.close());
  return { gateway, upstream, records };
}

const get = (path: string, lines = ''): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`;
const last = (path: string): string => get(path, 'Connection: close\r\n');
const post = (path: string, length: number, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n${body}`;
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const statuses = (answers: string): string[] => [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code = '']) => code);

describe('an answer before the request is complete', () => {
  it.each([
    ['a direct response', '/direct', '200'],
    ['no healthy upstream', '/empty', '503'],
  ])(
    'by the gateway (%s) is the last of its connection, also where the body came along',
    async (_what, path, status) => {
      const { gateway, upstream, records } = await setUp();
      const answer = await RawClient.ask(gateway.port, post(path, 4, 'body') + get('/'));
      expect(statuses(answer)).toEqual([status]);
      expect(answer).toContain('connection: close\r\n');
      expect(upstream.requests).toEqual([]);
      expect(records.map((record) => [record.bytesReceived, record.requestLastByteMs])).toEqual([[0, -1]]);
    },
  );

  it('reaches a client that goes on sending', async () => {
    const { gateway } = await setUp();
    const client = new RawClient(gateway.port);
    client.send(post('/direct', 50_000_000, 'x'.repeat(1_000_000)));
    expect(await client.end()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*here$/s);
  });

  it('leaves the connection open where there is no body to wait for', async () => {
    const { gateway } = await setUp();
    expect(statuses(await RawClient.ask(gateway.port, post('/direct', 0, '') + last('/direct')))).toEqual([
      '200',
      '200',
    ]);
  });

  it('by the upstream says that the connection closes', async () => {
    const early = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'));
    });
    await new Promise<void>((resolve) => {
      early.listen(0, '127.0.0.1', resolve);
    });
    cleanUp.push(() => new Promise((resolve) => early.close(() => resolve())));
    const { gateway } = await setUp({ port: (early.address() as AddressInfo).port });
    const answer = await RawClient.ask(gateway.port, post('/', 10, 'half'));
    expect(statuses(answer)).toEqual(['413']);
    expect(answer).toContain('connection: close\r\n');
  });
});

describe('a head', () => {
  it('may have empty lines before it, however they are cut', async () => {
    const { gateway } = await setUp();
    const client = new RawClient(gateway.port).send(`${get('/direct')}\r`);
    await client.until('here');
    client.send(`\n\r\n${last('/direct')}`);
    expect(statuses(await client.end())).toEqual(['200', '200']);
  });

  it.each(['\r', '\n', '\r\r\n'])('with %j before it is refused', async (before) => {
    const { gateway } = await setUp();
    expect(statuses(await RawClient.ask(gateway.port, before + last('/direct')))).toEqual(['400']);
  });

  it.each([
    ['G', 'amid its method'],
    ['GET / HTTP/1.1\r\nHost: a.test\r\nx-y: z\r\n', 'before its empty line'],
    ['\r\n', 'before its first byte, an empty line sent'],
  ])('that ends with %j, %s, is logged with what is known of it', async (sent) => {
    const { gateway, records } = await setUp();
    const client = new RawClient(gateway.port).send(`${get('/direct')}${sent}`);
    await client.until('here');
    client.socket.end();
    await client.end();
    expect(records).toHaveLength(2);
    const { method, path, protocol, responseCode, responseCodeDetails, responseFlags } = records[1]!;
    expect([method, path, protocol, responseCode, responseCodeDetails, responseFlagsText(responseFlags)]).toEqual([
      '',
      '',
      'HTTP/1.1',
      0,
      'downstream_remote_disconnect',
      'DC',
    ]);
    expect(records[1]!.requestHeader(':authority')).toBeUndefined();
  });

  it('that has begun is heard to its end when the listener drains', async () => {
    const { gateway } = await setUp();
    const client = new RawClient(gateway.port).send(`${get('/direct')}${get('/direct').slice(0, -2)}`);
    await client.until('here');
    gateway.filter.drain();
    const answer = await client.send('\r\n').end();
    expect(statuses(answer)).toEqual(['200', '200']);
    expect(answer.split('connection: close\r\n')).toHaveLength(2);
  });
});

describe('an upgrade', () => {
  it('that nobody agrees to is the last request of its connection', async () => {
    const { gateway, upstream } = await setUp();
    const answer = await RawClient.ask(gateway.port, get('/direct', UPGRADE) + get('/'));
    expect(statuses(answer)).toEqual(['200']);
    expect(answer).toContain('connection: close\r\n');
    expect(upstream.requests).toEqual([]);
  });

  it('has no body: chunks are bytes of the tunnel', async () => {
    const { gateway, upstream } = await setUp({
      script: (_request, socket) => {
        socket.removeAllListeners('data');
        socket.on('data', (text: string) => socket.end(`echo ${text}`, 'latin1'));
        return 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
      },
    });
    const chunks = '5\r\nhello\r\n0\r\n\r\n';
    const request = `POST /ws HTTP/1.1\r\nHost: a.test\r\n${UPGRADE}Transfer-Encoding: chunked\r\n\r\n${chunks}`;
    expect(await RawClient.ask(gateway.port, request)).toMatch(
      /^HTTP\/1\.1 101 .*\r\n\r\necho 5\r\nhello\r\n0\r\n\r\n$/s,
    );
    const names = upstream.requests[0]!.head.map((line) => line.split(':')[0]);
    expect(names).not.toContain('transfer-encoding');
    expect(names).not.toContain('content-length');
  });
});

it('an empty Host is logged as empty, none as none', async () => {
  const { gateway, records } = await setUp();
  const empty = 'GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n';
  expect(statuses(await RawClient.ask(gateway.port, empty))).toEqual(['404']);
  expect(statuses(await RawClient.ask(gateway.port, 'GET / HTTP/1.1\r\n\r\n'))).toEqual(['400']);
  expect(records.map((record) => record.requestHeader(':authority'))).toEqual(['', undefined]);
});

it('a gRPC client is told in its own terms what the gateway answers', async () => {
  const { gateway, records } = await setUp();
  const answer = await RawClient.ask(
    gateway.port,
    'POST /empty HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/grpc\r\nContent-Length: 1\r\n\r\nx',
  );
  expect(answer).toMatch(
    /^HTTP\/1\.1 200 OK\r\ncontent-type: application\/grpc\r\ngrpc-status: 14\r\ngrpc-message: no healthy upstream\r\n/,
  );
  expect(answer).toMatch(/\r\ncontent-length: 0\r\n\r\n$/);
  expect(records.map((record) => [record.responseCode, record.bytesSent])).toEqual([[200, 0]]);
});
