import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { TcpProxySchema } from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { ConfigError, type DownstreamConnection } from '../connection.ts';
import { Stats } from '../stats/stats.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';
import * as xds from '../test-support.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { ClusterSet } from '../upstream/cluster-set.ts';
import { createTcpProxy } from './tcp-proxy.ts';
import { compileTcpProxy, pickCluster } from './tcp-proxy-config.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function serve(onConnection: (socket: Socket) => void, pauseOnConnect = false): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: !pauseOnConnect, pauseOnConnect }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A port of loopback that nobody listens on. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

type Options = Exclude<MessageInitShape<typeof TcpProxySchema>, { $typeName: string }>;

/** A TCP proxy before a cluster `a` of these ports. */
async function proxy(ports: readonly number[], options: Options = {}, more: Partial<DownstreamConnection> = {}) {
  const stats = new Stats();
  const timers = new TimerWheel(5);
  timers.start();
  undo.push(() => timers.stop());
  const clusters = new ClusterSet({
    stats,
    timers,
    now: Date.now,
    random: () => 0,
    connect,
    resolve: async () => [],
    log: xds.testLog,
  });
  clusters.updateCluster(xds.cluster('a'));
  clusters.updateEndpoints(xds.endpoints('a', ...ports));
  const records: StreamInfo[] = [];
  let logged = () => {};
  const record = new Promise<StreamInfo>((resolve) => {
    logged = () => resolve(records[0]!);
  });
  const filter = createTcpProxy(
    create(TcpProxySchema, { statPrefix: 't', clusterSpecifier: { case: 'cluster', value: 'a' }, ...options }),
    {
      clusters,
      stats,
      timers,
      now: Date.now,
      accessLogger: () => ({
        log: (info: StreamInfo) => {
          records.push(info);
          logged();
        },
      }),
    } as never, // what a TCP proxy uses of it
  );
  const port = await serve((socket) => {
    filter.onConnection({
      socket,
      localAddress: '10.0.0.1:31400',
      remoteAddress: `127.0.0.1:${socket.remotePort}`,
      remoteIp: '127.0.0.1',
      serverName: '',
      alpn: '',
      tls: undefined,
      ...more,
    });
  }, true);
  return { port, record, records, count: (name: string) => stats.counter(name).value };
}

async function exchange(port: number, bytes: Buffer | string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  socket.end(bytes);
  await new Promise((resolve) => socket.on('close', resolve)); // a reset is no failure of the test
  return text;
}

const echo = (socket: Socket) => void socket.pipe(socket);

describe('a TCP proxy', () => {
  it('carries bytes both ways, also what was read ahead, and logs the connection', async () => {
    const upstream = await serve(echo);
    const { port, record, count } = await proxy([upstream], {}, { readAhead: Buffer.from('ahead ') });
    expect(await exchange(port, 'and behind')).toBe('ahead and behind');
    const info = await record;
    expect(info).toMatchObject({
      bytesReceived: 16,
      bytesSent: 16,
      upstreamCluster: 'a',
      upstreamHost: `127.0.0.1:${upstream}`,
      downstreamLocalAddress: '10.0.0.1:31400',
      responseFlags: [],
    });
    expect(info.upstreamLocalAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(count('tcp.t.downstream_cx_total')).toBe(1);
    expect(count('cluster.a.upstream_cx_total')).toBe(1);
  });

  it('lets the server speak first', async () => {
    const upstream = await serve((socket) => socket.end('greeting'));
    const { port } = await proxy([upstream]);
    const socket = connect(port, '127.0.0.1');
    expect(String((await once(socket, 'data'))[0])).toBe('greeting');
    socket.destroy();
  });

  it('passes the end of the client on while the server still answers', async () => {
    const upstream = await serve((socket) => {
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', () => socket.end(`got ${text}`));
    });
    const { port } = await proxy([upstream]);
    expect(await exchange(port, 'all')).toBe('got all');
  });

  it('passes the end of the server on while the client still speaks', async () => {
    const received = Promise.withResolvers<string>();
    const upstream = await serve((socket) => {
      let text = '';
      socket.end('bye');
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', () => received.resolve(text));
    });
    const { port } = await proxy([upstream]);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.resume();
    await once(socket, 'end');
    socket.end('still here');
    expect(await received.promise).toBe('still here');
  });

  it('holds a fast server back for a slow client, and loses nothing', async () => {
    const size = 32 * 1024 * 1024;
    const written = Promise.withResolvers<void>();
    const upstream = await serve((socket) => {
      socket.write(Buffer.alloc(size, 'x'), () => written.resolve());
      socket.end();
    });
    const { port, records } = await proxy([upstream]);
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    // Nobody reads: the kernel's buffers fill up, and the proxy holds no more than it may.
    const stalled = await Promise.race([
      written.promise.then(() => false),
      once(setImmediateTurns(200), 'done').then(() => true),
    ]);
    expect([stalled, records.length]).toEqual([true, 0]);
    let received = 0;
    socket.on('data', (data: Buffer) => {
      received += data.length;
    });
    await once(socket, 'close');
    expect(received).toBe(size);
  });

  it('closes the connection with UH when no host is healthy', async () => {
    const { port, record, count } = await proxy([]);
    expect(await exchange(port, 'x')).toBe('');
    expect(responseFlagsText((await record).responseFlags)).toBe('UH');
    expect(count('cluster.a.upstream_cx_none_healthy')).toBe(1);
  });

  it('closes the connection with UF and URX when the last attempt to connect failed', async () => {
    const { port, record, count } = await proxy([await deadPort()], { maxConnectAttempts: 2 });
    expect(await exchange(port, 'x')).toBe('');
    const info = await record;
    expect(responseFlagsText(info.responseFlags)).toBe('UF,URX');
    expect(info.upstreamTransportFailureReason).toBe('delayed connect error: Connection refused');
    expect(info.upstreamRequestAttemptCount).toBe(2);
    expect(count('cluster.a.upstream_cx_connect_fail')).toBe(2);
  });

  it('tries another host when one can not be reached', async () => {
    const { port, record } = await proxy([await deadPort(), await serve(echo)], { maxConnectAttempts: 2 });
    expect(await exchange(port, 'hello')).toBe('hello');
    expect((await record).responseFlags).toEqual([]);
  });

  it('closes the connection when its cluster does not exist', async () => {
    const { port, record, count } = await proxy([], { clusterSpecifier: { case: 'cluster', value: 'nowhere' } });
    expect(await exchange(port, 'x')).toBe('');
    const info = await record;
    expect(responseFlagsText(info.responseFlags)).toBe('NC');
    expect([info.responseCodeDetails, info.upstreamCluster]).toEqual(['', '']);
    expect(count('tcp.t.downstream_cx_no_route')).toBe(1);
  });

  it('closes a connection on which nothing moves for the idle time', async () => {
    const { port, record, count } = await proxy([await serve(() => {})], {
      idleTimeout: { seconds: 0n, nanos: 30_000_000 },
    });
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'close');
    expect((await record).responseFlags).toEqual([]);
    expect(count('tcp.t.idle_timeout')).toBe(1);
  });

  it('ends both sides when one is reset', async () => {
    const upstream = Promise.withResolvers<Socket>();
    const { port } = await proxy([await serve(upstream.resolve)]);
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    const server = await upstream.promise;
    server.resume();
    client.resetAndDestroy();
    await once(server, 'end');
  });

  it('carries any bytes unchanged', async () => {
    const { port } = await proxy([await serve(echo)]);
    const bytes = randomBytes(1_000_000);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (data: Buffer) => chunks.push(data));
    socket.end(bytes);
    await once(socket, 'close');
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });
});

/** Emits `done` after so many turns of the event loop, in which all I/O that can happen does. */
function setImmediateTurns(count: number): EventTarget {
  const target = new EventTarget();
  const turn = (left: number) =>
    setImmediate(() => (left === 0 ? target.dispatchEvent(new Event('done')) : turn(left - 1)));
  turn(count);
  return target;
}

describe('the clusters of a TCP proxy', () => {
  const compile = (options: Options) => compileTcpProxy(create(TcpProxySchema, { statPrefix: 't', ...options }), false);

  it('are taken by their weights, one of weight 0 never', () => {
    const compiled = compile({
      clusterSpecifier: {
        case: 'weightedClusters',
        value: {
          clusters: [
            { name: 'never', weight: 0 },
            { name: 'one', weight: 1 },
            { name: 'three', weight: 3 },
          ],
        },
      },
    });
    expect([0, 0.2499, 0.25, 0.9999].map((random) => pickCluster(compiled, random))).toEqual([
      'one',
      'one',
      'three',
      'three',
    ]);
  });

  it.each([
    [{}, /expected a cluster/],
    [{ clusterSpecifier: { case: 'weightedClusters', value: { clusters: [] } } }, /weight above 0/],
    [{ tunnelingConfig: { hostname: 'x' } }, /tunneling_config: not supported/],
    [{ clusterSpecifier: { case: 'cluster', value: 'a' }, maxConnectAttempts: 0 }, /max_connect_attempts: 0/],
  ] as [Options, RegExp][])('of %j are refused', (options, reason) => {
    expect(() => compile(options)).toThrow(ConfigError);
    expect(() => compile(options)).toThrow(reason);
  });
});
