// What becomes of attempts at an upstream, over real sockets. Expectations were taken from Envoy 1.40.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gateway, startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient } from '../../../test/dataplane/scripted-upstream.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

/** An upstream that is told of each read and of each connection's end. */
async function startSocketUpstream(onRead: (socket: Socket, connection: number, text: string) => void) {
  const sockets = new Set<Socket>();
  const ends: Promise<void>[] = [];
  const server = createServer((socket) => {
    const connection = ends.length;
    sockets.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => onRead(socket, connection, text));
    ends.push(new Promise((resolve) => socket.on('close', () => resolve())));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanUp.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, ends };
}

interface Given {
  readonly port: number;
  readonly hcm?: Record<string, unknown>;
  readonly cluster?: Record<string, unknown>;
}

/** A gateway to whom every client of 127.0.0.1 is internal, and the record of its first request. */
async function gatewayTo({ port, hcm = {}, cluster = {} }: Given): Promise<Gateway & { first: Promise<StreamInfo> }> {
  let record: (info: StreamInfo) => void;
  const first = new Promise<StreamInfo>((resolve) => {
    record = resolve;
  });
  const gateway = await startGateway({
    hcm: {
      use_remote_address: true,
      internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
      route_config: {
        name: 'r',
        virtual_hosts: [
          { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } }] },
        ],
      },
      ...hcm,
    },
    clusters: [staticCluster('up', [port], cluster)],
    onRecord: (info) => record(info),
  });
  cleanUp.push(() => gateway.close());
  return { ...gateway, first };
}

const get = (lines = ''): string => `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${lines}\r\n`;
const EARLY_HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n';

describe('a response before the end of the request', () => {
  it('ends the connection of the upstream: the rest of the request has no reader', async () => {
    const upstream = await startSocketUpstream((socket) => socket.write(ok('too large')));
    const gateway = await gatewayTo({ port: upstream.port });
    const client = new RawClient(gateway.port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
    await client.until('too large');
    await upstream.ends[0];
    client.socket.destroy();
  });
});

describe('interim responses', () => {
  it('go to the client, the first of them, without what was meant for the gateway', async () => {
    const { port } = await startSocketUpstream((socket) => socket.write(EARLY_HINTS + EARLY_HINTS + ok('done')));
    const gateway = await gatewayTo({ port, hcm: { proxy_100_continue: true } });
    const answer = await RawClient.ask(gateway.port, get());
    expect(answer.split('HTTP/1.1 200 OK')[0]).toBe('HTTP/1.1 103 Unknown\r\nlink: </x>\r\n\r\n');
    expect(answer).toMatch(/done$/);
  });

  it('stay here unless proxy_100_continue is on, and still there is no retry after them', async () => {
    let requests = 0;
    const { port } = await startSocketUpstream((socket) => {
      requests += 1;
      socket.write(`${EARLY_HINTS}HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n`);
    });
    const gateway = await gatewayTo({ port });
    expect(await RawClient.ask(gateway.port, get('x-envoy-retry-on: 5xx\r\n'))).toMatch(/^HTTP\/1\.1 503 /);
    expect(requests).toBe(1);
  });
});

describe('the head of a response', () => {
  const lines = (count: number): string => 'x-a: 1\r\n'.repeat(count);

  it.each([
    ['81,000 bytes', `x-a: ${'y'.repeat(81_000)}\r\n`, {}, 200],
    ['83,000 bytes', `x-a: ${'y'.repeat(83_000)}\r\n`, {}, 502],
    ['101 lines', lines(100), {}, 502],
    [
      '101 lines, where the cluster allows them',
      lines(100),
      { common_http_protocol_options: { max_headers_count: 101 } },
      200,
    ],
    ['6 lines, where the cluster does not', lines(5), { common_http_protocol_options: { max_headers_count: 5 } }, 502],
  ])('of %s', async (_what, more, cluster, status) => {
    const { port } = await startSocketUpstream((socket) => socket.write(ok('', more)));
    const gateway = await gatewayTo({ port, cluster });
    expect(await RawClient.ask(gateway.port, get())).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it.each([
    ['103 with a length', 'HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\n'],
    ['204 with a length', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n'],
    ['204 in chunks', 'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('is refused: %s', async (_what, head) => {
    const { port } = await startSocketUpstream((socket) => socket.write(head));
    const gateway = await gatewayTo({ port });
    expect(await RawClient.ask(gateway.port, get())).toMatch(/^HTTP\/1\.1 502 /);
    expect(responseFlagsText((await gateway.first).responseFlags)).toBe('UPE');
  });

  it.each(['end', 'resetAndDestroy'] as const)('that is cut short (%s) is a protocol error', async (ending) => {
    const { port } = await startSocketUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-', () => socket[ending]());
    });
    const gateway = await gatewayTo({ port });
    expect(await RawClient.ask(gateway.port, get())).toMatch(/^HTTP\/1\.1 502 .*reset reason: protocol error$/s);
    const record = await gateway.first;
    expect(record.responseCodeDetails).toBe('upstream_reset_before_response_started{protocol_error}');
    expect(responseFlagsText(record.responseFlags)).toBe('UPE');
  });
});

describe('the time that a client gives a stream', () => {
  it('ends an attempt with a flag of its own', async () => {
    const { port } = await startSocketUpstream(() => undefined);
    const gateway = await gatewayTo({ port });
    const answer = await RawClient.ask(gateway.port, get('x-envoy-upstream-stream-duration-ms: 50\r\n'));
    expect(answer).toMatch(/^HTTP\/1\.1 504 .*upstream max stream duration reached$/s);
    expect(responseFlagsText((await gateway.first).responseFlags)).toBe('UMSDR');
  });
});

describe('hedging', () => {
  const HEDGE =
    'x-envoy-hedge-on-per-try-timeout: true\r\nx-envoy-upstream-rq-per-try-timeout-ms: 50\r\nx-envoy-retry-on: 5xx\r\n';

  it('ends the slow attempt when the one beside it answers', async () => {
    const upstream = await startSocketUpstream((socket, connection) => {
      if (connection === 1) socket.write(ok('second'));
    });
    const gateway = await gatewayTo({ port: upstream.port });
    expect(await RawClient.ask(gateway.port, get(HEDGE))).toMatch(/second$/);
    await upstream.ends[0];
  });

  it('takes the slow answer when the attempt beside it fails, and tells of it in the log', async () => {
    const local: string[] = [];
    const waiting: Socket[] = [];
    const upstream = await startSocketUpstream((socket, connection) => {
      local.push(`127.0.0.1:${socket.remotePort}`);
      if (connection === 0) waiting.push(socket);
      else socket.destroy();
    });
    const gateway = await gatewayTo({ port: upstream.port });
    const client = new RawClient(gateway.port).send(get(HEDGE));
    while (upstream.ends.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await upstream.ends[1];
    waiting[0]!.write(ok('first'));
    expect(await client.end()).toMatch(/first$/);
    const { upstreamLocalAddress, upstreamRequestAttemptCount } = await gateway.first;
    expect([upstreamLocalAddress, upstreamRequestAttemptCount]).toEqual([local[0], 2]);
  });

  it('gives up when the last of them fails', async () => {
    const waiting: Socket[] = [];
    const upstream = await startSocketUpstream((socket) => {
      waiting.push(socket);
      if (waiting.length === 2) for (const each of waiting) each.destroy();
    });
    const gateway = await gatewayTo({ port: upstream.port });
    expect(await RawClient.ask(gateway.port, get(HEDGE))).toMatch(/^HTTP\/1\.1 503 /);
  });
});
