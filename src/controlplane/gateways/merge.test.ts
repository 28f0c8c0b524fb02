import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../resources/types.ts';
import { mergeGateways } from './merge.ts';
import { hostsOf, speaksTls } from './server.ts';

const host = fc.constantFrom('a.example', 'b.example', '*.example', '*', 'team/a.example', './b.example');
const server = fc.record({
  port: fc.record({
    number: fc.constantFrom(80, 443),
    name: fc.constantFrom('one', 'two'),
    protocol: fc.constantFrom('HTTP', 'HTTPS', 'TLS', 'TCP'),
  }),
  bind: fc.constantFrom('', '127.0.0.1'),
  hosts: fc.array(host, { minLength: 1, maxLength: 3 }),
});
const gateways = fc.array(fc.array(server, { minLength: 1, maxLength: 3 }), { maxLength: 4 }).map((all) =>
  all.map(
    (servers, index): Gateway => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: `gateway-${index}`, namespace: 'default' },
      spec: {
        servers: servers.map((each) =>
          each.port.protocol === 'HTTPS' || each.port.protocol === 'TLS'
            ? { ...each, tls: { mode: 'SIMPLE', credentialName: 'cred' } }
            : each,
        ),
      },
    }),
  ),
);

describe('merged Gateways', () => {
  it('never give one listener two servers that a proxy could not tell apart', () => {
    fc.assert(
      fc.property(gateways, (all) => {
        const { ports, serversByRouteName } = mergeGateways(all, (number) => [number]);
        expect(new Set(ports.map(({ bind, number }) => `${bind}:${number}`)).size).toBe(ports.length);
        for (const { plainHttp, servers } of ports) {
          if (plainHttp) continue;
          // Without TLS there is nothing to tell connections apart by.
          if (servers.length > 1) expect(servers.every(({ server: each }) => speaksTls(each))).toBe(true);
          const names = servers.flatMap(({ sniHosts }) => sniHosts);
          expect(new Set(names).size).toBe(names.length);
        }
        for (const [name, servers] of serversByRouteName)
          if (name.startsWith('https.')) expect(servers).toHaveLength(1);
      }),
    );
  });

  it('serve each server or say why not, the oldest Gateway first', () => {
    fc.assert(
      fc.property(gateways, (all) => {
        const { ports, notices } = mergeGateways(all, (number) => [number]);
        const served = ports.flatMap(({ servers }) => servers).length;
        const refused = notices.filter(({ message }) => message.startsWith('is not served')).length;
        expect(served + refused).toBe(all.flatMap(({ spec }) => spec?.servers ?? []).length);
        if (all.length > 0) expect(ports[0]?.servers[0]?.gatewayName).toBe('default/gateway-0');
      }),
    );
  });
});

describe('the hosts of a server', () => {
  it('resolve `./` to the Gateway’s namespace and drop `*/`; `*` among them is all', () => {
    const of = (...hosts: string[]) => hostsOf({ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts }, 'shop');
    expect(of('./a', '*/b', 'team/c', 'd')).toEqual(['shop/a', 'b', 'team/c', 'd']);
    expect(of('a', '*/*')).toEqual(['*']);
  });
});
