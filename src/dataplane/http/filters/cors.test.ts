// The CORS filter end to end, where parity with Envoy can't look: what only other control planes configure, and statistics.

import { afterEach, describe, expect, it } from 'vitest';
import { ROUTER, startGateway, staticCluster } from '../../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient, startUpstream } from '../../../../test/dataplane/scripted-upstream.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

const CORS = 'envoy.filters.http.cors';
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.';

interface Policies {
  readonly route?: Record<string, unknown>;
  readonly virtualHost?: Record<string, unknown>;
}

async function setUp({ route, virtualHost }: Policies) {
  const upstream = await startUpstream(() => ok('hello'));
  cleanUp.push(() => upstream.close());
  const config = (policy: Record<string, unknown> | undefined) =>
    policy === undefined ? {} : { typed_per_filter_config: { [CORS]: { '@type': `${TYPE}CorsPolicy`, ...policy } } };
  const gateway = await startGateway({
    hcm: {
      http_filters: [{ name: CORS, typed_config: { '@type': `${TYPE}Cors` } }, ROUTER],
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'up' }, ...config(route) }],
            ...config(virtualHost),
          },
        ],
      },
    },
    clusters: [staticCluster('up', [upstream.port])],
    random: () => 0.5,
  });
  cleanUp.push(() => gateway.close());
  const stats = () =>
    ['origin_valid', 'origin_invalid'].map((name) => gateway.stats.counters.get(`http.test.cors.${name}`)?.value);
  /** The response's access-control headers, without that beginning. */
  const ask = async (method: string, origin: string, lines = '') => {
    const head = `${method} / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nOrigin: ${origin}\r\n${lines}\r\n`;
    const answer = await RawClient.ask(gateway.port, head);
    return [...answer.matchAll(/^access-control-(.*)\r$/gm)].map(([, line]) => line);
  };
  return { ask, stats };
}

const PREFLIGHT = 'Access-Control-Request-Method: PUT\r\n';
const EXACT = { allow_origin_string_match: [{ exact: 'https://a.test' }] };

describe('the CORS filter', () => {
  it('counts origins, of preflights and of other requests', async () => {
    const { ask, stats } = await setUp({ route: EXACT });
    expect(await ask('OPTIONS', 'https://a.test', PREFLIGHT)).toEqual(['allow-origin: https://a.test']);
    expect(await ask('GET', 'https://a.test')).toEqual(['allow-origin: https://a.test']);
    expect(await ask('GET', 'https://b.test')).toEqual([]);
    expect(stats()).toEqual([2, 1]);
  });

  it("takes from the virtual host's policy what the route's leaves open", async () => {
    const { ask } = await setUp({
      virtualHost: { ...EXACT, allow_methods: 'GET', max_age: '60', allow_credentials: true },
      route: { allow_methods: 'PUT', expose_headers: 'x-a' },
    });
    expect((await ask('OPTIONS', 'https://a.test', PREFLIGHT)).sort()).toEqual([
      'allow-credentials: true',
      'allow-methods: PUT',
      'allow-origin: https://a.test',
      'expose-headers: x-a',
      'max-age: 60',
    ]);
    expect(await ask('GET', 'https://b.test')).toEqual([]);
  });

  it('lets pages of public networks in where the policy does', async () => {
    const { ask } = await setUp({ route: { ...EXACT, allow_private_network_access: true } });
    expect(
      await ask('OPTIONS', 'https://a.test', `${PREFLIGHT}Access-Control-Request-Private-Network: true\r\n`),
    ).toEqual(['allow-origin: https://a.test', 'allow-private-network: true']);
    expect(await ask('OPTIONS', 'https://a.test', PREFLIGHT)).toEqual(['allow-origin: https://a.test']);
  });

  it('is off where a route disables it', async () => {
    const off = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
    const { ask, stats } = await setUp({ virtualHost: EXACT, route: off });
    expect(await ask('GET', 'https://a.test')).toEqual([]);
    expect(stats()).toEqual([0, 0]);
  });

  it('is for the share of requests that is drawn, and may count the others', async () => {
    const share = (numerator: number) => ({ default_value: { numerator, denominator: 'HUNDRED' } });
    const enabled = await setUp({ route: { ...EXACT, filter_enabled: share(51) } });
    expect(await enabled.ask('GET', 'https://a.test')).toEqual(['allow-origin: https://a.test']);
    const disabled = await setUp({ route: { ...EXACT, filter_enabled: share(50) } });
    expect(await disabled.ask('GET', 'https://a.test')).toEqual([]);
    expect(disabled.stats()).toEqual([0, 0]);
    const shadowed = await setUp({ route: { ...EXACT, filter_enabled: share(0), shadow_enabled: share(100) } });
    expect(await shadowed.ask('GET', 'https://a.test')).toEqual([]);
    expect(shadowed.stats()).toEqual([1, 0]);
  });
});
