// Routing: which virtual host, which route, what it does. Matchers beside naive ones, the table beside Envoy's documented order.

import { create, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRouteConfiguration } from '../../xds/decode-route-configuration.ts';
import {
  HeaderMatcherSchema,
  RetryPolicySchema,
  RouteMatchSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { StringMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';
import { ConfigError } from '../connection.ts';
import { parseResponseHead } from '../http/head-parser.ts';
import { HeaderList } from '../http/header-list.ts';
import { compileHeaderMatcher, queryParameter } from './header-matcher.ts';
import { compilePathMatcher } from './path-matcher.ts';
import { backOffMs, compileRetryPolicy, retriesFailure, retriesResponse } from './retry-policy.ts';
import type { RouteRequest } from './route-request.ts';
import { withoutPort } from './route-table.ts';
import { compileRouteConfiguration, type RouteTable, RouteTables } from './route-tables.ts';
import { compileStringMatcher } from './string-matcher.ts';

function request(more: Partial<RouteRequest> & { lines?: readonly [string, string][] } = {}): RouteRequest {
  const headers = new HeaderList();
  for (const [name, value] of more.lines ?? []) headers.add(name, value);
  return { method: 'GET', authority: 'a.test', scheme: 'http', path: '/', headers, ...more };
}

function table(json: unknown): RouteTable {
  return compileRouteConfiguration(fromJson(RouteConfigurationSchema, json as JsonValue));
}

const direct = (name: string, match: unknown): unknown => ({ name, match, direct_response: { status: 200 } });

describe('the virtual host of an authority', () => {
  const domains = [
    'a.test',
    'b.test:8080',
    '*.b.test',
    '*.c.b.test',
    '*-x.b.test',
    'api.*',
    'api.v1.*',
    '*',
    'UPPER.test',
  ];
  const hosts = (ignorePort: boolean): RouteTable =>
    table({
      name: 't',
      ignore_port_in_host_matching: ignorePort,
      virtual_hosts: domains.map((domain) => ({ name: domain, domains: [domain], routes: [] })),
    });

  it.each([
    ['a.test', 'a.test'],
    ['A.TEST', 'a.test'],
    ['upper.test', 'UPPER.test'],
    ['b.test:8080', 'b.test:8080'],
    ['x.b.test', '*.b.test'],
    ['y.c.b.test', '*.c.b.test'],
    ['y-x.b.test', '*-x.b.test'],
    ['.b.test', '*'],
    ['api.com', 'api.*'],
    ['api.v1.com', 'api.v1.*'],
    ['api.', '*'],
    ['other', '*'],
    ['', '*'],
    ['a.test:80', '*'],
  ])('%s is served by %s', (authority, name) => {
    expect(hosts(false).virtualHost(authority)?.name).toBe(name);
  });

  it('does not depend on the port with ignore_port_in_host_matching', () => {
    expect(hosts(true).virtualHost('a.test:8443')?.name).toBe('a.test');
    const authorities = ['[::1]:80', '[::1]', 'a', 'a:', 'a:b', 'a:80'];
    expect(authorities.map(withoutPort)).toEqual(['[::1]', '[::1]', 'a', 'a', 'a', 'a']);
  });

  it('is none where no domain matches and there is no *', () => {
    expect(table({ name: 't', virtual_hosts: [{ name: 'a', domains: ['a'] }] }).virtualHost('b')).toBeUndefined();
  });

  it('is refused when a domain stands in two', () => {
    const twice = {
      name: 't',
      virtual_hosts: [
        { name: 'a', domains: ['x.y'] },
        { name: 'b', domains: ['X.Y'] },
      ],
    };
    expect(() => table(twice)).toThrow(/virtual_hosts\[b\]\.domains: "X\.Y" stands in two/);
  });
});

describe('the route of a request', () => {
  it('is the first that matches, whether there are few or many', () => {
    const paths = fc.constantFrom('/', '/a', '/a/', '/a/b', '/b', '/A', '/a?x', '/c/d');
    const match = fc.oneof(
      paths.map((path) => ({ path })),
      paths.map((prefix) => ({ prefix })),
      fc.constantFrom('/a', '/a/b', '/c').map((prefix) => ({ path_separated_prefix: prefix })),
      paths.map((path) => ({ path, case_sensitive: false })),
      paths.map((path) => ({ path, headers: [{ name: 'x-h', string_match: { exact: '1' } }] })),
    );
    fc.assert(
      fc.property(fc.array(match, { maxLength: 20 }), paths, fc.boolean(), (matches, path, withHeader) => {
        const bare = path.split('?')[0]!;
        const expected = matches.findIndex((candidate) => {
          if ('headers' in candidate && !withHeader) return false;
          if ('prefix' in candidate) return bare.startsWith(candidate.prefix);
          if ('path_separated_prefix' in candidate) {
            return bare === candidate.path_separated_prefix || bare.startsWith(`${candidate.path_separated_prefix}/`);
          }
          if ('case_sensitive' in candidate) return bare.toLowerCase() === candidate.path.toLowerCase();
          return bare === candidate.path;
        });
        const routes = matches.map((candidate, index) => direct(String(index), candidate));
        const found = table({ name: 't', virtual_hosts: [{ name: 'v', domains: ['*'], routes }] })
          .virtualHost('a')!
          .match(request({ path, lines: withHeader ? [['x-h', '1']] : [] }));
        expect(found?.name).toBe(expected < 0 ? undefined : String(expected));
      }),
    );
  });

  it('matches a regular expression on the whole path, without query', () => {
    const matches = compilePathMatcher(
      create(RouteMatchSchema, { pathSpecifier: { case: 'safeRegex', value: { regex: '/a[0-9]+' } } }),
      'f',
    ).matches;
    expect([matches('/a12'), matches('/a12b'), matches('x/a1')]).toEqual([true, false, false]);
  });

  it('looks at query parameters as they are written', () => {
    expect(['a', 'b', 'c', 'd', 'A'].map((name) => queryParameter('/x?a=1&b&c=&a=2', name))).toEqual([
      '1',
      '',
      '',
      undefined,
      undefined,
    ]);
    expect(queryParameter('/x?a=b%20c', 'a')).toBe('b%20c');
  });
});

describe('matchers', () => {
  it('compare strings as the naive way does', () => {
    const text = fc.stringMatching(/^[abAB]{0,4}$/);
    fc.assert(
      fc.property(
        fc.constantFrom('exact', 'prefix', 'suffix', 'contains'),
        text,
        text,
        fc.boolean(),
        (kind, pattern, value, ignoreCase) => {
          const [a, b] = ignoreCase ? [value.toLowerCase(), pattern.toLowerCase()] : [value, pattern];
          const expected = { exact: a === b, prefix: a.startsWith(b), suffix: a.endsWith(b), contains: a.includes(b) }[
            kind
          ];
          const matcher = fromJson(StringMatcherSchema, { [kind]: pattern, ignore_case: ignoreCase });
          expect(compileStringMatcher(matcher, 'f')(value)).toBe(expected);
        },
      ),
    );
  });

  const matches = (
    matcher: Record<string, unknown>,
    lines: readonly [string, string][],
    more: Partial<RouteRequest> = {},
  ): boolean =>
    compileHeaderMatcher(
      fromJson(HeaderMatcherSchema, { name: 'x-a', ...matcher } as JsonValue),
      'f',
    )(request({ lines, ...more }));

  it.each([
    ['presence', { present_match: true }, true, false],
    ['absence', { present_match: false }, false, true],
    ['absence by inversion', { present_match: true, invert_match: true }, false, true],
    ['no specifier: presence', {}, true, false],
    ['a value', { string_match: { exact: '5' } }, true, false],
    [
      'not a value: a missing header matches neither',
      { string_match: { exact: 'x' }, invert_match: true },
      true,
      false,
    ],
    [
      'not a value, missing as empty',
      { string_match: { exact: 'x' }, invert_match: true, treat_missing_header_as_empty: true },
      true,
      true,
    ],
    ['a range, its end excluded', { range_match: { start: '5', end: '6' } }, true, false],
    ['a range it is out of', { range_match: { start: '0', end: '5' } }, false, false],
    ['a regular expression', { safe_regex_match: { regex: '[0-9]' } }, true, false],
  ])('test headers for %s', (_what, matcher, withHeader, without) => {
    expect([matches(matcher, [['x-a', '5']]), matches(matcher, [])]).toEqual([withHeader, without]);
  });

  it('see each line of a header by itself, and pseudo-headers', () => {
    const lines: [string, string][] = [
      ['x-a', '1'],
      ['x-a', '2'],
    ];
    const exactly = (exact: string, more: object = {}) => matches({ string_match: { exact }, ...more }, lines);
    expect([exactly('1'), exactly('2'), exactly('1,2'), exactly('3')]).toEqual([true, true, false, false]);
    // What must not be there is not hidden by a line that may.
    expect([exactly('2', { invert_match: true }), exactly('3', { invert_match: true })]).toEqual([false, true]);
    expect(matches({ name: ':method', string_match: { exact: 'PUT' } }, [], { method: 'PUT' })).toBe(true);
    expect(matches({ name: ':authority', string_match: { prefix: 'b' } }, [], { authority: 'b.c' })).toBe(true);
    expect(matches({ name: ':scheme', string_match: { exact: 'https' } }, [], { scheme: 'https' })).toBe(true);
  });
});

describe('what cannot be served is refused, by name', () => {
  const routes = (route: unknown): unknown => ({
    name: 't',
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }],
  });
  it.each([
    [
      'a bad regular expression',
      { match: { safe_regex: { regex: '(' } }, direct_response: { status: 200 } },
      /routes\[0\]\.match\.safe_regex: invalid RE2/,
    ],
    [
      'a backreference, which RE2 does not have',
      { match: { safe_regex: { regex: '(a)\\1' } }, direct_response: { status: 200 } },
      /invalid RE2/,
    ],
    [
      'a cluster from a header',
      { match: { prefix: '/' }, route: { cluster_header: 'x' } },
      /routes\[0\]\.route: clusterHeader is not supported/,
    ],
    [
      'a mirror by header',
      { match: { prefix: '/' }, route: { cluster: 'a', request_mirror_policies: [{ cluster_header: 'x-mirror' }] } },
      /request_mirror_policies\[0\].*cluster_header/,
    ],
    ['hedging', { match: { prefix: '/' }, route: { cluster: 'a', hedge_policy: {} } }, /hedge_policy/],
    [
      'a fraction of requests',
      { match: { prefix: '/', runtime_fraction: { default_value: { numerator: 50 } } }, route: { cluster: 'a' } },
      /runtime_fraction/,
    ],
    ['no action', { match: { prefix: '/' } }, /action \(none\)/],
    [
      'weights of nothing',
      { match: { prefix: '/' }, route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } } },
      /weights sum up to 0/,
    ],
    [
      'a Host header mutation',
      {
        match: { prefix: '/' },
        route: { cluster: 'a' },
        request_headers_to_add: [{ header: { key: 'Host', value: 'x' } }],
      },
      /request_headers_to_add\[0\]\.header\.key: "Host" cannot be changed/,
    ],
    [
      'a header value of two lines',
      {
        match: { prefix: '/' },
        route: { cluster: 'a' },
        request_headers_to_add: [{ header: { key: 'x', value: 'a\r\nb: c' } }],
      },
      /CR, LF and NUL/,
    ],
    [
      'an unknown format',
      {
        match: { prefix: '/' },
        route: { cluster: 'a' },
        request_headers_to_add: [{ header: { key: 'x', value: '%NOPE%' } }],
      },
      /request_headers_to_add\[0\]\.header\.value/,
    ],
  ])('%s', (_what, route, message) => {
    expect(() => table(routes(route))).toThrow(ConfigError);
    expect(() => table(routes(route))).toThrow(message);
  });
});

describe('redirects', () => {
  const location = (redirect: Record<string, unknown>, more: Partial<RouteRequest> = {}): string => {
    const route = table({
      name: 't',
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/a' }, redirect }] }],
    }).virtualHost('x')!.routes[0]!;
    if (route.action.kind !== 'redirect') throw new Error('not a redirect');
    return route.action.redirect.location(request({ path: '/a/b?c=d', authority: 'h:80', ...more }), 2);
  };
  it.each([
    ['https drops port 80', { https_redirect: true }, 'https://h/a/b?c=d'],
    ['another port replaces the old', { port_redirect: 8443, https_redirect: true }, 'https://h:8443/a/b?c=d'],
    ['another host', { host_redirect: 'new' }, 'http://new/a/b?c=d'],
    ['another scheme', { scheme_redirect: 'ftp' }, 'ftp://h:80/a/b?c=d'],
    ['another path keeps the query', { path_redirect: '/x' }, 'http://h:80/x?c=d'],
    ['another path with a query of its own', { path_redirect: '/x?y' }, 'http://h:80/x?y'],
    ['another prefix', { prefix_rewrite: '/new' }, 'http://h:80/new/b?c=d'],
    ['without query', { strip_query: true }, 'http://h:80/a/b'],
    [
      'by regular expression',
      { regex_rewrite: { pattern: { regex: '/(a)/(b)' }, substitution: '/\\2/\\1' } },
      'http://h:80/b/a?c=d',
    ],
  ])('%s', (_what, redirect, expected) => {
    expect(location(redirect)).toBe(expected);
  });
});

describe('retry policies', () => {
  const policy = (json: Record<string, unknown>) =>
    compileRetryPolicy(fromJson(RetryPolicySchema, json as JsonValue), 'f');
  const response = (status: number, lines = ''): NonNullable<ReturnType<typeof parseResponseHead>> =>
    parseResponseHead(`HTTP/1.1 ${status} x\r\n${lines}`, 100)!;

  it.each([
    ['5xx', 500, true],
    ['5xx', 404, false],
    ['gateway-error', 502, true],
    ['gateway-error', 500, false],
    ['retriable-4xx', 409, true],
    ['retriable-4xx', 404, false],
    ['retriable-status-codes', 418, true],
    ['retriable-status-codes', 503, false],
    ['connect-failure,refused-stream', 503, false],
  ])('%s with status %i: %s', (retryOn, status, expected) => {
    expect(retriesResponse(policy({ retry_on: retryOn, retriable_status_codes: [418] }), response(status))).toBe(
      expected,
    );
  });

  it('read grpc-status for the gRPC conditions', () => {
    expect(retriesResponse(policy({ retry_on: 'unavailable,cancelled' }), response(200, 'grpc-status: 14\r\n'))).toBe(
      true,
    );
    expect(retriesResponse(policy({ retry_on: 'unavailable,cancelled' }), response(200, 'grpc-status: 5\r\n'))).toBe(
      false,
    );
  });

  it.each([
    ['envoy-ratelimited', 429, true],
    ['5xx', 503, false],
    ['retriable-status-codes', 418, false],
  ])('%s with x-envoy-ratelimited and status %i: %s', (retryOn, status, expected) => {
    const limited = response(status, 'x-envoy-ratelimited: true\r\n');
    expect(retriesResponse(policy({ retry_on: retryOn, retriable_status_codes: [418] }), limited)).toBe(expected);
  });

  it.each([
    ['connect-failure', 'connect-failure', 'no bytes', true],
    ['connect-failure', 'reset', 'bytes', false],
    ['reset', 'reset', 'bytes', true],
    ['5xx', 'connect-failure', 'no bytes', true],
    ['reset-before-request', 'reset', 'bytes', false],
    ['reset-before-request', 'connect-failure', 'no bytes', true],
    ['reset-before-request', 'connect-failure', 'bytes', false],
    ['5xx', 'overflow', 'no bytes', false],
  ] as const)('%s after %s, with %s sent: %s', (retryOn, failure, sent, expected) => {
    expect(retriesFailure(policy({ retry_on: retryOn }), failure, sent === 'bytes')).toBe(expected);
  });

  it('wait longer each time, up to ten times the base interval', () => {
    const compiled = policy({ retry_on: '5xx' });
    expect([1, 2, 3, 4, 9].map((retry) => backOffMs(compiled, retry, () => 1))).toEqual([25, 75, 175, 250, 250]);
    expect(backOffMs(compiled, 3, () => 0)).toBe(0);
  });
});

describe('route tables', () => {
  const config = (hosts: number, changed = -1) =>
    fromJson(RouteConfigurationSchema, {
      name: 'http.8080',
      virtual_hosts: Array.from({ length: hosts }, (_, i) => ({
        name: `h${i}`,
        domains: [`h${i}.test`],
        routes: [{ match: { prefix: '/' }, route: { cluster: i === changed ? 'new' : 'old' } }],
      })),
    });

  it('swap in a new table under the same holder, and keep the old one when the new one is refused', () => {
    const tables = new RouteTables();
    const holder = tables.get('http.8080');
    expect(holder.current).toBeUndefined();
    tables.update('http.8080', config(1));
    const first = holder.current;
    expect(() =>
      tables.update(
        'http.8080',
        fromJson(RouteConfigurationSchema, { name: 'http.8080', virtual_hosts: [{ name: 'x' }] }),
      ),
    ).toThrow(ConfigError);
    expect(holder.current).toBe(first);
    tables.remove('http.8080');
    expect(holder.current).toBeUndefined();
  });

  describe('whose virtual hosts come by themselves', () => {
    const NAME = 'http.8080';
    const host = (name: string, domains: string[], cluster = 'a') =>
      fromJson(VirtualHostSchema, { name, domains, routes: [{ match: { prefix: '/' }, route: { cluster } }] });
    const without = (init: object = {}) => fromJson(RouteConfigurationSchema, { name: NAME, vhds: {}, ...init });
    const hosts = (...all: VirtualHost[]) => new Map(all.map((each) => [`${NAME}/${each.name}`, each]));
    /** Tables with these virtual hosts, and what is found for a domain. */
    const tablesWith = (...all: VirtualHost[]) => {
      const tables = new RouteTables();
      tables.update(NAME, without());
      const refused = tables.updateVirtualHosts(NAME, hosts(...all), [], true);
      const holder = tables.get(NAME);
      return { tables, holder, refused, found: (domain: string) => holder.current?.virtualHost(domain)?.name };
    };

    it('serve once these are there, beside those that the route configuration has itself', () => {
      const tables = new RouteTables();
      tables.update(NAME, without({ virtual_hosts: [{ name: 'own', domains: ['own.test'] }] }));
      expect(tables.get(NAME).current).toBeUndefined();
      expect(tables.updateVirtualHosts(NAME, hosts(host('x', ['x.test'])), [], true).size).toBe(0);
      const table = tables.get(NAME).current;
      expect(['own.test', 'x.test', 'y.test'].map((each) => table?.virtualHost(each)?.name)).toEqual([
        'own',
        'x',
        undefined,
      ]);
    });

    it('serve as before until these are there, and with none where there are none', () => {
      const tables = new RouteTables();
      tables.update(NAME, config(1));
      const before = tables.get(NAME).current;
      tables.update(NAME, without());
      expect(tables.get(NAME).current).toBe(before);
      tables.updateVirtualHosts(NAME, new Map(), [], true);
      expect(tables.get(NAME).current?.virtualHost('h0.test')).toBeUndefined();
    });

    it('forget these when the route configuration has its own again', () => {
      const { tables, found } = tablesWith(host('x', ['x.test']));
      tables.update(NAME, config(1));
      expect([found('x.test'), found('h0.test')]).toEqual([undefined, 'h0']);
      tables.update(NAME, without());
      expect(found('h0.test')).toBe('h0');
    });

    it('compile the one that changed, and lose the one that is gone', () => {
      const { tables, holder, found } = tablesWith(host('x', ['x.test']), host('y', ['y.test']), host('z', ['z.test']));
      tables.updateVirtualHosts(NAME, hosts(host('y', ['new.test'])), [`${NAME}/z`], false);
      expect(holder.current?.compiledCount).toBe(1);
      expect(['x', 'y', 'z', 'new'].map((each) => found(`${each}.test`))).toEqual(['x', undefined, undefined, 'y']);
    });

    it('take a change of the route configuration with the virtual hosts there are', () => {
      const { tables, holder, found } = tablesWith(host('x', ['x.test']));
      tables.update(NAME, without({ internal_only_headers: ['X-Inside'] }));
      expect(holder.current?.internalOnlyHeaders).toEqual(['x-inside']);
      expect(found('x.test')).toBe('x');
    });

    it('start anew where all from before are gone', () => {
      const { tables, found } = tablesWith(host('x', ['x.test']));
      tables.updateVirtualHosts(NAME, hosts(host('y', ['y.test'])), [], true);
      expect([found('x.test'), found('y.test')]).toEqual([undefined, 'y']);
    });

    it('leave out the one that can not be served, or keep the version before, and take the others', () => {
      const { tables, found, refused } = tablesWith(host('x', ['x.test']), host('bad', []));
      expect([...refused.keys()]).toEqual([`${NAME}/bad`]);
      expect(refused.get(`${NAME}/bad`)?.message).toBe(
        'RouteConfiguration http.8080: virtual_hosts[bad].domains: expected at least one domain',
      );
      const again = tables.updateVirtualHosts(NAME, hosts(host('x', []), host('y', ['y.test'])), [], false);
      expect([...again.keys()]).toEqual([`${NAME}/x`]);
      expect([found('x.test'), found('y.test')]).toEqual(['x', 'y']);
    });

    it('refuse the newcomer of two that have one domain, and whoever relied on it to move', () => {
      const { tables, found } = tablesWith(host('x', ['x.test']), host('y', ['y.test']));
      const moved = tables.updateVirtualHosts(NAME, hosts(host('x', ['y.test']), host('y', ['x.test'])), [], false);
      expect(moved.size).toBe(0);
      expect([found('x.test'), found('y.test')]).toEqual(['y', 'x']);
      // z takes x.test, which y would leave for other.test, which x can not leave: it is refused.
      tables.updateVirtualHosts(NAME, hosts(host('w', ['other.test'])), [], false);
      const chained = tables.updateVirtualHosts(
        NAME,
        hosts(host('z', ['x.test']), host('y', ['other.test'])),
        [],
        false,
      );
      expect([...chained.keys()].sort()).toEqual([`${NAME}/y`, `${NAME}/z`]);
      expect([found('x.test'), found('other.test')]).toEqual(['y', 'w']);
    });

    it('find after many changes what a table of all of them finds', () => {
      const DOMAINS = ['a.test', 'b.test', 'c.a.test', '*.test', '*.a.test', 'a.*', 'a.t*', '*', 'A.test'];
      const changes = fc.array(
        fc.record({
          changed: fc.uniqueArray(
            fc.record({
              name: fc.constantFrom('x', 'y', 'z'),
              domains: fc.uniqueArray(fc.constantFrom(...DOMAINS), { maxLength: 3 }),
            }),
            { selector: ({ name }) => name, maxLength: 3 },
          ),
          removed: fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { maxLength: 1 }),
        }),
        { minLength: 1, maxLength: 8 },
      );
      fc.assert(
        fc.property(changes, (all) => {
          const { tables, found } = tablesWith();
          const accepted = new Map<string, VirtualHost>();
          for (const { changed, removed } of all) {
            const come = hosts(...changed.map(({ name, domains }) => host(name, domains)));
            const gone = removed.map((name) => `${NAME}/${name}`).filter((name) => !come.has(name));
            const refused = tables.updateVirtualHosts(NAME, come, gone, false);
            for (const name of gone) accepted.delete(name);
            for (const [name, each] of come) if (!refused.has(name)) accepted.set(name, each);
            for (const name of refused.keys()) expect(come.has(name)).toBe(true);
            const anew = tablesWith(...accepted.values());
            expect([...anew.refused]).toEqual([]);
            for (const domain of ['a.test', 'b.test', 'c.a.test', 'd.test', 'a.tes', 'a.other', 'x'])
              expect(found(domain)).toBe(anew.found(domain));
          }
        }),
      );
    });

    it('refuse a source of virtual hosts that nobody asks', () => {
      const vhds = { config_source: { api_config_source: { api_type: 'DELTA_GRPC' } } };
      expect(() => new RouteTables().update(NAME, without({ vhds }))).toThrow(
        'RouteConfiguration http.8080: vhds.config_source.api_config_source: not supported, expected ads',
      );
    });
  });

  it('compile only the virtual hosts that changed', () => {
    const tables = new RouteTables();
    const received = (message: RouteConfiguration) =>
      decodeRouteConfiguration(toBinary(RouteConfigurationSchema, message), tables.get('http.8080').current?.config);
    tables.update('http.8080', received(config(100)));
    const before = tables.get('http.8080').current!;
    tables.update('http.8080', received(config(100, 42)));
    const after = tables.get('http.8080').current!;
    expect([before.compiledCount, after.compiledCount]).toEqual([100, 1]);
    expect(after.virtualHost('h1.test')).toBe(before.virtualHost('h1.test'));
    expect(after.virtualHost('h42.test')).not.toBe(before.virtualHost('h42.test'));
  });
});
