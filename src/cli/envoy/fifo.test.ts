import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { createFifo } from './fifo.ts';
import { freePort, whyNotBindable } from './free-port.ts';

it('a child can open its standard output anew when that is a pipe with a name, and no name is left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'limen-fifo-'));
  try {
    const fifo = createFifo(folder, 'out');
    expect(readdirSync(folder)).toEqual([]);
    const child = spawn('sh', ['-c', 'echo one; echo two > /dev/stdout'], { stdio: ['ignore', fifo.fd, 'inherit'] });
    fifo.handOver();
    expect(await text(fifo.output)).toBe('one\ntwo\n');
    if (child.exitCode === null) await new Promise((resolve) => child.on('exit', resolve));
    expect(child.exitCode).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('a free port is one that nothing has, and none that outgoing connections are given', async () => {
  const taken = createServer();
  const random = (() => {
    const numbers = [0.5, 0.5];
    return () => numbers.shift() ?? Math.random();
  })();
  const first = await freePort('127.0.0.1', () => Math.random());
  await new Promise<void>((resolve) => taken.listen(first, '127.0.0.1', resolve));
  try {
    expect(await whyNotBindable('127.0.0.1', first)).toBe('EADDRINUSE');
    const port = await freePort('127.0.0.1', random);
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_768);
    expect(port).not.toBe(first);
  } finally {
    taken.close();
  }
});

it('an address that is not one of this machine has no free port', async () => {
  await expect(freePort('203.0.113.1')).rejects.toThrow('no free port on 203.0.113.1 (EADDRNOTAVAIL)');
});
