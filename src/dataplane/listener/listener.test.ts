import { connect as connectPlain, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { Stats } from '../stats/stats.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';
import * as xds from '../test-support.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { SecretSet } from '../tls/secrets.ts';
import { ListenerSet } from './listener-set.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A listener with one TLS chain for `a.test`, and what its access log gets. */
async function listen(accessLog: { name: string }[]) {
  const timers = new TimerWheel(5);
  timers.start();
  undo.push(() => timers.stop());
  const records: StreamInfo[] = [];
  const set = new ListenerSet(undefined, {
    dataplane: {
      stats: new Stats(),
      timers,
      log: xds.testLog,
      now: () => 1000,
      accessLogger: () => ({ log: (info: StreamInfo) => records.push(info) }),
    } as never, // what listeners themselves use of it
    secrets: new SecretSet(),
    ticketSecret: Buffer.alloc(32),
    createFilter: () => ({ onConnection: ({ socket }) => void socket.destroy(), drain() {} }),
  });
  undo.push(() => set.close());
  const [published] = await set.publish([{ host: '127.0.0.1', hostPort: 0, listenerPort: 8443 }]);
  const chain = xds.chain(xds.tcpFilter('unused'), { serverNames: ['a.test'] }, xds.tlsSocket('one'));
  await set.prepare(xds.listener(8443, [chain], { accessLog }));
  await set.activate('0.0.0.0_8443');
  return { port: published?.hostPort ?? 0, records };
}

/** Resolves when the connection is gone, with an error or without. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', () => resolve()));
}

describe("a listener's access log", () => {
  it('shows a connection that no filter chain takes, with the name it asked for', async () => {
    const { port, records } = await listen([{ name: 'test' }]);
    const socket = connect({ port, host: '127.0.0.1', servername: 'b.test' });
    await closed(socket);
    expect(records).toHaveLength(1);
    const [info] = records as [StreamInfo];
    expect(responseFlagsText(info.responseFlags)).toBe('NR');
    expect(info).toMatchObject({
      startTime: 1000,
      responseCode: 0,
      responseCodeDetails: 'filter_chain_not_found',
      requestedServerName: 'b.test',
      downstreamLocalAddress: '127.0.0.1:8443',
      downstreamRemoteAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
  });

  it('says nothing of a connection that a filter chain takes, and nothing where none is configured', async () => {
    for (const [accessLog, servername] of [
      [[{ name: 'test' }], 'a.test'],
      [[], 'b.test'],
    ] as const) {
      const { port, records } = await listen([...accessLog]);
      const socket = connect({ port, host: '127.0.0.1', servername });
      await closed(socket);
      expect(records).toEqual([]);
    }
  });

  it('shows plain text on a port of TLS', async () => {
    const { port, records } = await listen([{ name: 'test' }]);
    const socket = connectPlain({ port, host: '127.0.0.1' });
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await closed(socket);
    expect(records.map((info) => info.responseCodeDetails)).toEqual(['filter_chain_not_found']);
  });
});
