import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { jsonToMessage } from '../../xds/json.ts';
import { filterListeners, listenerRows } from './listeners.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.network';
const tcp = (config: JsonObject) => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: { '@type': `${TYPE}.tcp_proxy.v3.TcpProxy`, ...config },
});
const http = (config: JsonObject) => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: { '@type': `${TYPE}.http_connection_manager.v3.HttpConnectionManager`, ...config },
});
const inline = (...hosts: JsonObject[]) => http({ route_config: { virtual_hosts: hosts } });

const listener = (more: JsonObject) =>
  jsonToMessage(ListenerSchema, { address: { socket_address: { address: '0.0.0.0', port_value: 80 } }, ...more });
const cells = (more: JsonObject) => listenerRows([listener(more)], { verbose: true })[1]?.slice(2);
const matchOf = (match: JsonObject) =>
  cells({ filter_chains: [{ filter_chain_match: match, filters: [tcp({ cluster: 'a' })] }] })?.[0];
const destinationOf = (...filters: JsonObject[]) => cells({ filter_chains: [{ filters }] })?.[1];

describe('MATCH of a filter chain', () => {
  it.each<[string, JsonObject]>([
    ['ALL', {}],
    ['SNI: a.io,*.b.io', { server_names: ['a.io', '*.b.io'] }],
    ['SNI: a.io; Trans: tls', { server_names: ['a.io'], transport_protocol: 'tls' }],
    [
      'Trans: raw_buffer; App: HTTP',
      { transport_protocol: 'raw_buffer', application_protocols: ['http/1.0', 'http/1.1', 'h2c'] },
    ],
    ['App: TCP TLS', { application_protocols: ['istio-peer-exchange', 'istio'] }],
    ['App: h2', { application_protocols: ['h2'] }],
    [
      'Addr: 10.0.0.0/8,10.1.0.1/32:443',
      {
        destination_port: 443,
        prefix_ranges: [
          { address_prefix: '10.0.0.0', prefix_len: 8 },
          { address_prefix: '10.1.0.1', prefix_len: 32 },
        ],
      },
    ],
    ['Addr: *:443', { destination_port: 443 }],
  ])('%s', (text, match) => {
    expect(matchOf(match)).toBe(text);
  });
});

describe('DESTINATION of a filter chain', () => {
  it('is the route configuration, the cluster or the inline routes', () => {
    expect(destinationOf(http({ rds: { route_config_name: 'http.8080' } }))).toBe('Route: http.8080');
    expect(destinationOf(tcp({ cluster: 'outbound|1||a' }))).toBe('Cluster: outbound|1||a');
    expect(destinationOf(tcp({ cluster: 'PassthroughCluster' }))).toBe('PassthroughCluster');
    expect(
      destinationOf(
        tcp({
          weighted_clusters: {
            clusters: [
              { name: 'a', weight: 1 },
              { name: 'b', weight: 2 },
            ],
          },
        }),
      ),
    ).toBe('Cluster: a, b');
    const routes = [
      { match: { prefix: '/a' } },
      { match: { path: '/b' } },
      { match: { safe_regex: { regex: '/c+' } } },
    ];
    expect(destinationOf(inline({ domains: ['*'], routes }))).toBe('Inline Route: /a*, /b, regex /c+');
    expect(
      destinationOf(inline({ domains: ['x', 'y'], routes }, { domains: ['*'], routes: [{ match: { prefix: '/' } }] })),
    ).toBe('Inline Route: x/y /a*, /b, regex /c+; /*');
  });

  it('is the cluster where inline routes send everything to one', () => {
    const to = (cluster: string) =>
      inline({ domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] });
    expect(destinationOf(to('inbound|80||'))).toBe('Cluster: inbound|80||');
    expect(destinationOf(to('PassthroughCluster'))).toBe('PassthroughCluster');
  });

  it('is looked for behind the other filters of the chain', () => {
    const rbac = {
      name: 'envoy.filters.network.rbac',
      typed_config: { '@type': `${TYPE}.rbac.v3.RBAC`, stat_prefix: 'x' },
    };
    expect(destinationOf(rbac, tcp({ cluster: 'a' }))).toBe('Cluster: a');
    expect(destinationOf(rbac)).toBe('Non-HTTP/Non-TCP');
    expect(destinationOf(tcp({ cluster: 'BlackHoleCluster' }))).toBe('Non-HTTP/Non-TCP');
  });

  it('of the default filter chain is shown too', () => {
    expect(cells({ default_filter_chain: { filters: [tcp({ cluster: 'a' })] } })).toEqual(['ALL', 'Cluster: a']);
  });
});

describe('the order of listeners', () => {
  it('is by port, then address', () => {
    const at = (address: string, port: number) =>
      listener({ address: { socket_address: { address, port_value: port } } });
    const rows = listenerRows([at('1.0.0.1', 443), at('9.0.0.1', 80), at('0.0.0.0', 443)], { verbose: false });
    expect(rows.slice(1).map((row) => row.join(' '))).toEqual([
      '9.0.0.1 80 UNKNOWN',
      '0.0.0.0 443 UNKNOWN',
      '1.0.0.1 443 UNKNOWN',
    ]);
  });
});

describe('a listener on a path or without a socket', () => {
  it('has no port and is not found by one', () => {
    const pipe = jsonToMessage(ListenerSchema, { address: { pipe: { path: '/run/x' } } });
    const internal = jsonToMessage(ListenerSchema, { name: 'main_internal', internal_listener: {} });
    expect(listenerRows([pipe, internal], { verbose: false }).slice(1)).toEqual([
      ['', '0', 'UNKNOWN'],
      ['unix:///run/x', '0', 'UNKNOWN'],
    ]);
    expect(filterListeners([pipe, internal], { port: 80 })).toEqual([]);
  });
});
