import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { startControlPlane } from '../dataplane/test-support.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/limen.js', import.meta.url));

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(...flags: string[]): Promise<ChildProcess> {
  const control = await startControlPlane({});
  undo.push(() => control.close());
  const child = fork(
    PROGRAM,
    [
      ...[
        'proxy',
        '--xds',
        control.address,
        '--node-id',
        'router~127.0.0.1~gw-0.istio-system~istio-system.svc.cluster.local',
      ],
      ...['--admin-address', '127.0.0.1:0', '--log-level', 'error', ...flags],
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  );
  undo.push(() => child.kill('SIGKILL'));
  return child;
}

describe('limen proxy', () => {
  it('reports readiness and the chosen ports to its parent, and ends with 0 at SIGTERM', async () => {
    const child = await start('--publish', '0:8080');
    const [message] = await once(child, 'message');
    expect(message).toEqual({
      type: 'ready',
      admin: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      published: [{ host: '127.0.0.1', port: expect.any(Number), listenerPort: 8080 }],
    });
    expect((await fetch(`http://${(message as { admin: string }).admin}/server_info`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('follows what its parent wants published', async () => {
    const child = await start('--publish', '0:15021');
    const [ready] = (await once(child, 'message')) as [{ published: { port: number }[] }];
    const before = ready.published[0]?.port;
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    child.send({ type: 'publish', publish: [{ host: '127.0.0.1', hostPort: port, listenerPort: 15021 }] });
    expect(await once(child, 'message')).toEqual([{ type: 'published' }, undefined]);
    expect((await fetch(`http://127.0.0.1:${port}/healthz/ready`)).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${before}/healthz/ready`)).rejects.toThrow('fetch failed');
  });

  it('ends when its parent goes away', async () => {
    const child = await start('--publish', '0:8080', '--workers', '2');
    await once(child, 'message');
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('tells its parent which port is taken, and fails', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    undo.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const child = await start('--publish', `${port}:8080`);
    const exit = once(child, 'exit');
    const [message] = await once(child, 'message');
    expect(message).toEqual({ type: 'fatal', message: expect.stringContaining(`127.0.0.1:${port} is taken`) });
    expect(await exit).toEqual([1, null]);
  });
});
