import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostIndex, isSubsetOf, overlaps, qualifyGateway, qualifyHost } from './hosts.ts';

const label = fc.constantFrom('a', 'b', 'c');
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const host = fc.oneof(
  name,
  name.map((suffix) => `*.${suffix}`),
  fc.constant('*'),
);

describe('a host name', () => {
  it('without a dot is a Service of the object’s namespace; any other is taken as it is', () => {
    expect(qualifyHost('catalog', 'shop')).toBe('catalog.shop.svc.cluster.local');
    for (const asItIs of ['catalog.shop', 'a.example', '*', '*.example', '10.0.0.1', '::1']) {
      expect(qualifyHost(asItIs, 'shop')).toBe(asItIs);
    }
  });

  it('is a subset of the wildcards above it', () => {
    expect(isSubsetOf('a.b.example', '*.example')).toBe(true);
    expect(isSubsetOf('*.b.example', '*.example')).toBe(true);
    expect(isSubsetOf('*.example', '*.b.example')).toBe(false);
    expect(isSubsetOf('example', '*.example')).toBe(false);
    expect(isSubsetOf('anything', '*')).toBe(true);
  });
});

describe('a Gateway named by a VirtualService', () => {
  it.each([
    ['mesh', 'mesh'],
    ['gateway', 'shop/gateway'],
    ['other/gateway', 'other/gateway'],
    ['./gateway', 'shop/gateway'],
    ['gateway.other.svc.cluster.local', 'other/gateway'],
  ])('%s is %s', (written, meant) => {
    expect(qualifyGateway(written, 'shop')).toBe(meant);
  });
});

describe('HostIndex', () => {
  it('finds the overlaps that comparing all pairs finds', () => {
    fc.assert(
      fc.property(fc.array(host, { maxLength: 8 }), host, (hosts, asked) => {
        const pairs = new Set<string>();
        for (const each of hosts) {
          if (isSubsetOf(each, asked)) pairs.add(each);
          else if (isSubsetOf(asked, each)) pairs.add(asked);
        }
        expect(new HostIndex(hosts).intersect(asked).sort()).toEqual([...pairs].sort());
      }),
    );
  });

  it('finds the hosts that overlap one', () => {
    fc.assert(
      fc.property(fc.array(host, { maxLength: 8 }), host, (hosts, asked) => {
        const pairs = new Set(hosts.filter((each) => overlaps(each, asked)));
        expect(new HostIndex(hosts).overlapping(asked).sort()).toEqual([...pairs].sort());
      }),
    );
  });

  it('finds the closest of the hosts that cover a name', () => {
    const index = new HostIndex(['*', '*.example', '*.b.example', 'a.b.example']);
    expect(index.mostSpecific('a.b.example')).toBe('a.b.example');
    expect(index.mostSpecific('x.b.example')).toBe('*.b.example');
    expect(index.mostSpecific('b.example')).toBe('*.example');
    expect(index.mostSpecific('other')).toBe('*');
    expect(new HostIndex(['*.example']).mostSpecific('example')).toBeUndefined();
  });
});
