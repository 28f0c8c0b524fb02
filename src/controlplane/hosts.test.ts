import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostMatches, hostsOverlap } from '../resources/hosts.ts';
import { HostIndex } from './hosts.ts';

const label = fc.constantFrom('a', 'b', 'c');
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const host = fc.oneof(
  name,
  name.map((suffix) => `*.${suffix}`),
  fc.constant('*'),
);

describe('HostIndex', () => {
  it('finds the overlaps that comparing all pairs finds', () => {
    fc.assert(
      fc.property(fc.array(host, { maxLength: 8 }), host, (hosts, asked) => {
        const pairs = new Set<string>();
        for (const each of hosts) {
          if (hostMatches(asked, each)) pairs.add(each);
          else if (hostMatches(each, asked)) pairs.add(asked);
        }
        expect(new HostIndex(hosts).intersect(asked).sort()).toEqual([...pairs].sort());
      }),
    );
  });

  it('finds the hosts that overlap one', () => {
    fc.assert(
      fc.property(fc.array(host, { maxLength: 8 }), host, (hosts, asked) => {
        const pairs = new Set(hosts.filter((each) => hostsOverlap(each, asked)));
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
