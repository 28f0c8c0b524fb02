import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort, isReserved, reservePort, whyNotBindable } from './ports.ts';

it('a free port is one that nothing has, and none that outgoing connections are given', async () => {
  const taken = createServer();
  const first = await freePort('127.0.0.1');
  await new Promise<void>((resolve) => taken.listen(first, '127.0.0.1', resolve));
  try {
    expect(await whyNotBindable('127.0.0.1', first)).toBe('EADDRINUSE');
    const numbers = [(first - 20_000 + 0.5) / 12_000]; // that one, at first
    const port = await freePort('127.0.0.1', () => numbers.shift() ?? Math.random());
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

it('a chosen port is reserved until this process ends, one that was reserved and released is not', async () => {
  expect(await isReserved('127.0.0.1', await freePort('127.0.0.1'))).toBe(true);
  const port = await freePort('127.0.0.2');
  expect(await isReserved('127.0.0.1', port)).toBe(false);
  const reservation = await reservePort('127.0.0.1', port);
  expect(await isReserved('127.0.0.1', port)).toBe(true);
  await reservation?.release();
  expect(await isReserved('127.0.0.1', port)).toBe(false);
});
