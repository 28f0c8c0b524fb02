import { describe, expect, it } from 'vitest';
import { Cluster_DnsLookupFamily as Family } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { DynamicForwardProxy, parseAuthority } from './dynamic-forward-proxy.ts';
import type { Host } from './host.ts';

/** A cluster's hosts, with a resolver of these answers that counts its questions, and a clock to set. */
function setUp(answers: Record<string, string>, maxHosts = 1024) {
  const asked: string[] = [];
  const clock = { now: 0 };
  let hosts: readonly Host[] = [];
  const proxy = new DynamicForwardProxy({
    options: { family: Family.V4_PREFERRED, refreshMs: 60_000, maxHosts },
    resolve: async (hostname, family) => {
      asked.push(`${hostname}/${family}`);
      const answer = answers[hostname];
      if (answer === undefined || answer.includes(':') !== (family === 6))
        throw Object.assign(new Error(hostname), { code: 'ENOTFOUND' });
      return [answer];
    },
    now: () => clock.now,
    defaultPort: () => 80,
    setHosts: (all) => {
      hosts = all;
    },
  });
  return { proxy, asked, clock, answers, addresses: () => hosts.map(({ address }) => address) };
}

describe('the hosts of a dynamic forward proxy', () => {
  it('are looked up by the name in the authority, once, and are known from then on', async () => {
    const { proxy, asked, addresses } = setUp({ 'shop.example': '10.0.0.1' });
    const [first, second] = await Promise.all([proxy.hostOf('shop.example'), proxy.hostOf('Shop.Example:80')]);
    expect(first).toBe(second);
    expect(first).toMatchObject({ address: '10.0.0.1:80', hostname: 'shop.example' });
    expect(proxy.hostOf('shop.example:80')).toBe(first);
    expect(asked).toEqual(['shop.example/4']);
    expect(addresses()).toEqual(['10.0.0.1:80']);
  });

  it('differ by port', async () => {
    const { proxy, addresses } = setUp({ 'shop.example': '10.0.0.1' });
    await proxy.hostOf('shop.example:8080');
    await proxy.hostOf('shop.example');
    expect(addresses()).toEqual(['10.0.0.1:8080', '10.0.0.1:80']);
  });

  it('are asked for by IPv6 where there is no IPv4', async () => {
    const { proxy, asked } = setUp({ 'six.example': 'fd00::1' });
    expect(await proxy.hostOf('six.example')).toMatchObject({ address: '[fd00::1]:80' });
    expect(asked).toEqual(['six.example/4', 'six.example/6']);
  });

  it('need no look-up where the authority is an address', () => {
    const { proxy, asked } = setUp({});
    expect(proxy.hostOf('127.0.0.9:3000')).toMatchObject({ address: '127.0.0.9:3000' });
    expect(proxy.hostOf('[fd00::2]')).toMatchObject({ address: '[fd00::2]:80' });
    expect(asked).toEqual([]);
  });

  it('fail with what the resolver says, and are asked for anew by the next request', async () => {
    const { proxy, answers, addresses } = setUp({});
    await expect(proxy.hostOf('late.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(addresses()).toEqual([]);
    answers['late.example'] = '10.0.0.2';
    expect(await proxy.hostOf('late.example')).toMatchObject({ address: '10.0.0.2:80' });
  });

  it.each(['', ':80', '127.0.0.1:65536', 'shop.example:99999999999999999999999'])(
    'are not asked for where the authority names none: %j',
    async (authority) => {
      const { proxy, asked, addresses } = setUp({ '': '127.0.0.1', 'shop.example': '10.0.0.1' });
      await expect(proxy.hostOf(authority)).rejects.toThrow('names no host and port');
      expect(asked).toEqual([]);
      expect(addresses()).toEqual([]);
    },
  );

  it('follow DNS: an old answer serves while a new one is asked for, and stays when there is none', async () => {
    const { proxy, answers, clock, asked, addresses } = setUp({ 'shop.example': '10.0.0.1' });
    const old = await proxy.hostOf('shop.example');
    answers['shop.example'] = '10.0.0.2';
    clock.now = 60_001;
    expect(proxy.hostOf('shop.example')).toBe(old);
    await settled();
    expect(addresses()).toEqual(['10.0.0.2:80']);
    delete answers['shop.example'];
    clock.now = 200_000;
    const last = proxy.hostOf('shop.example');
    await settled();
    expect(proxy.hostOf('shop.example')).toBe(last);
    expect(asked.length).toBeGreaterThan(3);
    expect(addresses()).toEqual(['10.0.0.2:80']);
  });

  it('are remembered up to a number: the one that nobody asked for the longest goes', async () => {
    const { proxy, addresses } = setUp({}, 2);
    for (const authority of ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.3']) await proxy.hostOf(authority);
    expect(addresses()).toEqual(['10.0.0.1:80', '10.0.0.3:80']);
  });
});

describe('parseAuthority', () => {
  it.each([
    ['shop.example', { hostname: 'shop.example', port: 80 }],
    ['SHOP.example:8080', { hostname: 'shop.example', port: 8080 }],
    ['[::1]', { hostname: '::1', port: 80 }],
    ['[::1]:443', { hostname: '::1', port: 443 }],
    ['', { hostname: '', port: 80 }],
    ['a:b', { hostname: '', port: 80 }],
  ])('%j', (authority, parsed) => {
    expect(parseAuthority(authority, 80)).toEqual(parsed);
  });
});

/** The resolver of these tests answers within a few turns. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
