import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type AddressPool, createAddressPool } from './addresses.ts';

const pools: AddressPool[] = [];
const open = async (seed: string) => {
  const pool = await createAddressPool(seed);
  pools.push(pool);
  return pool;
};
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

const blockOf = (address: string) => address.split('.').slice(0, 3).join('.');
const seed = () => `addresses test ${process.pid} ${Math.random()}`;

describe.runIf(process.platform === 'linux')('the addresses of pods', () => {
  it('are loopback addresses that a socket can be bound to', async () => {
    const pool = await open(seed());
    const address = await pool.allocate();
    expect(address).toMatch(/^127\.[1-9]\d*\.\d+\.2$/);
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, address, resolve));
    server.close();
  });

  it('are never given out twice', async () => {
    const pool = await open(seed());
    const addresses = await Promise.all(Array.from({ length: 100 }, () => pool.allocate()));
    expect(new Set(addresses).size).toBe(100);
  });

  it('are the same at the next start with the same home', async () => {
    const home = seed();
    const pool = await open(home);
    const first = await pool.allocate();
    await pool.close();
    pools.pop();
    expect(await (await open(home)).allocate()).toBe(first);
  });

  it('come from another block when an instance with that block is running', async () => {
    const home = seed();
    const first = await (await open(home)).allocate();
    const second = await (await open(home)).allocate();
    expect(blockOf(second)).not.toBe(blockOf(first));
  });

  it('go on in a further block when one is used up', async () => {
    const pool = await open(seed());
    const addresses: string[] = [];
    for (let count = 0; count < 300; count++) addresses.push(await pool.allocate());
    expect(new Set(addresses).size).toBe(300);
    expect(new Set(addresses.map(blockOf)).size).toBe(2);
  });
});
