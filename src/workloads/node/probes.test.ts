import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployment, TestCluster } from '../test-cluster.ts';
import { type Probe, type ProbeTarget, probeOnce } from './probes.ts';

describe('a probe', () => {
  let server: Server;
  let status = 200;
  let seen: unknown;
  beforeEach(async () => {
    status = 200;
    server = createServer(({ url, headers }, response) => {
      seen = { url, probe: headers['x-probe'] };
      response.writeHead(status).end('body');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const port = () => (server.address() as AddressInfo).port;
  const probe = (given: Probe, more: Partial<ProbeTarget> = {}) =>
    probeOnce(given, {
      container: { name: 'app', ports: [{ name: 'web', containerPort: 8080 }] },
      ip: '127.0.0.1',
      boundPort: (number) => (number === 8080 ? port() : number),
      exec: async (command) => ({ code: command[0] === 'true' ? 0 : 3, output: command[1] ?? '' }),
      ...more,
    });

  it('by HTTP takes 200 to 399 for an answer, asks where the port is really bound, and with its headers', async () => {
    const httpGet = { path: '/ready', port: 'web', httpHeaders: [{ name: 'X-Probe', value: 'yes' }] };
    expect(await probe({ httpGet })).toBeUndefined();
    expect(seen).toEqual({ url: '/ready', probe: 'yes' });
    status = 302;
    expect(await probe({ httpGet: { port: 8080 } })).toBeUndefined();
    status = 503;
    expect(await probe({ httpGet: { port: 8080 } })).toBe('HTTP probe failed with statuscode: 503');
  });

  it('by TCP takes a connection', async () => {
    expect(await probe({ tcpSocket: { port: 8080 } })).toBeUndefined();
    expect(await probe({ tcpSocket: { port: 1 } })).toBe('dial tcp 127.0.0.1:1: connect: connection refused');
  });

  it('by a command takes exit code 0', async () => {
    expect(await probe({ exec: { command: ['true'] } })).toBeUndefined();
    expect(await probe({ exec: { command: ['false', 'not yet'] } })).toBe('not yet');
    expect(await probe({ exec: { command: ['false'] } })).toBe('command exited with 3');
  });

  it('that cannot be made says why', async () => {
    expect(await probe({ httpGet: { port: 'nope' } })).toBe('no container port is named "nope"');
    expect(await probe({ httpGet: { port: 8080, path: '/a b' } })).toContain('unescaped');
    expect(await probe({ grpc: { port: 8080 } })).toContain('not supported');
  });
});

describe('a pod with probes', () => {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await TestCluster.create();
  });
  afterEach(() => cluster.close());
  const status = () => cluster.pods()[0]?.status?.containerStatuses?.[0];
  const told = (text: string) =>
    cluster.store.snapshot.listOf('Event').some((event) => (event as { message?: string }).message?.includes(text));

  it('is ready when its readiness probe succeeds', async () => {
    const readinessProbe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 };
    cluster.store.put(deployment({ container: { readinessProbe } }));
    await cluster.settle();
    await cluster.until(() => status()?.ready === true);
  });

  it('is not while it fails, and says so in an Event', async () => {
    const readinessProbe = { httpGet: { path: '/?status=503', port: 8080 }, periodSeconds: 1 };
    cluster.store.put(deployment({ container: { readinessProbe } }));
    cluster.run();
    await cluster.until(() => told('Readiness probe failed: HTTP probe failed with statuscode: 503'));
    expect(status()).toMatchObject({ ready: false, state: { running: {} } });
  });

  it('is started anew when its liveness probe fails', async () => {
    const livenessProbe = { httpGet: { path: '/?status=503', port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
    cluster.store.put(deployment({ container: { livenessProbe } }));
    cluster.run();
    await cluster.until(() => (status()?.restartCount ?? 0) > 0);
    expect(told('Container app failed liveness probe, will be restarted')).toBe(true);
  });
});
