import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';
import { formatFieldPath, parseFieldPath } from './field-path.ts';
import { hostMatches, isFqdn, isIpSubnet, isWildcardDomain, parseServerHost } from './hosts.ts';
import { resolveGatewayName, resolveShortName } from './names.ts';
import { editDistance, nearest } from './nearest.ts';
import { matchesLabels } from './selectors.ts';

describe('host names', () => {
  it.each(['a', 'a.b', 'www.example.com', 'example.com.', 'x-1.y'])('%s is a full name', (host) =>
    expect(isFqdn(host)).toBe(true),
  );
  it.each(['', '*', '*.a.b', '-a.b', 'a..b', '1.2.3.4', 'a_b.c', 'a b'])('%j is none', (host) =>
    expect(isFqdn(host)).toBe(false),
  );
  it.each(['*', '*.example.com', '*-api.example.com', 'example.com'])('%s may stand where wildcards may', (host) =>
    expect(isWildcardDomain(host)).toBe(true),
  );
  it.each(['a.*.com', '**.a', 'www.*'])('%s may not', (host) => expect(isWildcardDomain(host)).toBe(false));

  it('fall under a wildcard when they are below it', () => {
    expect(hostMatches('*.example.com', 'www.example.com')).toBe(true);
    expect(hostMatches('*.example.com', 'a.b.Example.com')).toBe(true);
    expect(hostMatches('*', '*.example.com')).toBe(true);
    expect(hostMatches('*.example.com', 'example.com')).toBe(false);
    expect(hostMatches('*.example.com', '*.com')).toBe(false);
    expect(hostMatches('example.com', 'www.example.com')).toBe(false);
  });

  it('of a Gateway server may carry a namespace', () => {
    expect(parseServerHost('team/*.example.com')).toEqual({ namespace: 'team', host: '*.example.com' });
    expect(parseServerHost('*.example.com')).toEqual({ namespace: '*', host: '*.example.com' });
  });

  it('without a dot are Services of the own namespace; others stay', () => {
    expect(resolveShortName('reviews', 'default')).toBe('reviews.default.svc.cluster.local');
    for (const host of ['reviews.other', 'www.example.com', '*', '*.example', '10.0.0.1', '::1'])
      expect(resolveShortName(host, 'default')).toBe(host);
  });

  it('that are addresses may be ranges', () => {
    for (const range of ['10.0.0.0/8', '::1', 'fe80::/10']) expect(isIpSubnet(range)).toBe(true);
    for (const range of ['10.0.0.0/33', '10.0.0/8', 'a/8', '10.0.0.0/']) expect(isIpSubnet(range)).toBe(false);
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
    expect(resolveGatewayName(written, 'shop')).toBe(meant);
  });
});

describe('selectors', () => {
  it('match labels that have every one of theirs', () => {
    expect(matchesLabels({ app: 'a' }, { app: 'a', tier: 'x' })).toBe(true);
    expect(matchesLabels({ app: 'a' }, { tier: 'x' })).toBe(false);
    expect(matchesLabels({ app: 'a' }, undefined)).toBe(false);
    expect(matchesLabels({}, undefined)).toBe(true);
  });
});

describe('durations', () => {
  it.each([
    ['1h', 3_600_000],
    ['1m30s', 90_000],
    ['1.5s', 1500],
    ['500ms', 500],
    ['0s', 0],
  ])('%s is %d ms', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));
  it.each(['', '5', 's', '1 s', '1d', '1s2'])('%j is none', (text) => expect(parseDuration(text)).toBeUndefined());
});

describe('nearest', () => {
  it('finds what was meant, and nothing where nothing is near', () => {
    expect(nearest('lables', ['labels', 'name'])).toBe('labels');
    expect(nearest('GATEWAY', ['Gateway'])).toBe('Gateway');
    expect(nearest('zzz', ['Gateway', 'Service'])).toBeUndefined();
  });

  it('measures a distance: symmetric, zero for the same text only', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe('field paths', () => {
  it('survive being written and read', () => {
    const segment = fc.oneof(fc.nat(50), fc.string({ minLength: 1, maxLength: 10 }));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (path) => {
        expect(parseFieldPath(formatFieldPath(path))).toEqual(path);
      }),
    );
  });

  it('read like the ones of kubectl', () => {
    expect(formatFieldPath(['spec', 'servers', 0, 'port'])).toBe('spec.servers[0].port');
    expect(formatFieldPath(['metadata', 'labels', 'app.kubernetes.io/name'])).toBe(
      'metadata.labels["app.kubernetes.io/name"]',
    );
  });
});
