// A client that pipelines requests and does not read the answers: it waits, the gateway's memory does not pay for it.

import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startGateway } from '../../../test/dataplane/in-process-gateway.ts';

const REQUESTS = 20_000;
const BODY = 'x'.repeat(4000);

it('requests of a client that does not read are answered as far as the socket takes, the rest once it reads', async () => {
  const gateway = await startGateway({
    hcm: {
      stat_prefix: 'g',
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: BODY } } }],
          },
        ],
      },
    },
    clusters: [],
  });
  const socket = connect(gateway.port, '127.0.0.1');
  try {
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(REQUESTS - 1));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const answered = gateway.stats.counter('http.g.downstream_rq_total');
    for (let last = -1; answered.value === 0 || answered.value !== last; await delay(20)) last = answered.value;
    // What the kernel buffers of both ends take is a few MB of the 80 MB.
    expect(answered.value).toBeLessThan(REQUESTS / 2);

    let bytes = 0;
    let heads = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      heads += chunk.toString('latin1').split('HTTP/1.1 200').length - 1; // one may be cut in two
    });
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect(answered.value).toBe(REQUESTS);
    expect(bytes).toBeGreaterThan(REQUESTS * BODY.length);
    expect(heads).toBeGreaterThan(REQUESTS * 0.9);
  } finally {
    socket.destroy();
    await gateway.close();
  }
});
