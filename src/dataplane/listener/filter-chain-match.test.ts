import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  FilterChainMatchSchema,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type ConnectionFacts, compileChainMatch } from './filter-chain-match.ts';

type Match = MessageInitShape<typeof FilterChainMatchSchema>;

/** The index of the chain that a connection gets; undefined for none. */
function choose(matches: readonly (Match | undefined)[], facts: Partial<ConnectionFacts>): number | undefined {
  const matcher = compileChainMatch(
    matches.map((match, index) => ({
      match: match && create(FilterChainMatchSchema, match),
      field: `filter_chains[${index}]`,
      chain: { index },
    })),
    create(FilterChainMatchSchema),
  );
  return matcher({
    localIp: '10.0.0.1',
    localPort: 8443,
    remoteIp: '192.0.2.7',
    remotePort: 40000,
    serverName: '',
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
    ...facts,
  })?.index;
}

describe('a filter chain', () => {
  it('without criteria takes every connection', () => {
    expect(choose([undefined], {})).toBe(0);
    expect(choose([{}], { serverName: 'a.test', transportProtocol: 'tls' })).toBe(0);
  });

  it('is chosen by the exact server name before *.suffix, the longer suffix before the shorter, and any of them before none', () => {
    const matches: Match[] = [
      {},
      { serverNames: ['*.com'] },
      { serverNames: ['*.example.com'] },
      { serverNames: ['www.example.com', 'other.test'] },
    ];
    expect(choose(matches, { serverName: 'www.example.com' })).toBe(3);
    expect(choose(matches, { serverName: 'other.test' })).toBe(3);
    expect(choose(matches, { serverName: 'api.example.com' })).toBe(2);
    expect(choose(matches, { serverName: 'a.b.example.com' })).toBe(2);
    expect(choose(matches, { serverName: 'example.com' })).toBe(1);
    expect(choose(matches, { serverName: 'example.org' })).toBe(0);
    expect(choose(matches, {})).toBe(0);
  });

  it('for server names takes no connection without SNI, and none of another name', () => {
    expect(choose([{ serverNames: ['a.test'] }], {})).toBeUndefined();
    expect(choose([{ serverNames: ['a.test'] }], { serverName: 'b.test' })).toBeUndefined();
  });

  it('with server names in capitals matches the name in any case', () => {
    expect(choose([{ serverNames: ['A.Test'] }], { serverName: 'a.test' })).toBe(0);
  });

  it('for tls takes TLS alone, one for raw_buffer the rest', () => {
    const matches: Match[] = [{ transportProtocol: 'tls' }, { transportProtocol: 'raw_buffer' }];
    expect(choose(matches, { transportProtocol: 'tls' })).toBe(0);
    expect(choose(matches, { transportProtocol: 'raw_buffer' })).toBe(1);
  });

  it('is chosen by the first protocol of the client that any chain names', () => {
    const matches: Match[] = [{}, { applicationProtocols: ['http/1.1'] }, { applicationProtocols: ['h2'] }];
    expect(choose(matches, { applicationProtocols: ['h2', 'http/1.1'] })).toBe(2);
    expect(choose(matches, { applicationProtocols: ['http/1.1', 'h2'] })).toBe(1);
    expect(choose(matches, { applicationProtocols: ['acme'] })).toBe(0);
  });

  it('is chosen by the destination port first: the server name can not win over it', () => {
    const matches: Match[] = [{ destinationPort: 8443 }, { serverNames: ['a.test'] }];
    expect(choose(matches, { serverName: 'a.test' })).toBe(0);
    expect(choose(matches, { serverName: 'a.test', localPort: 9 })).toBe(1);
  });

  it('that loses at a later criterion does not bring a less specific one back', () => {
    const matches: Match[] = [{}, { serverNames: ['a.test'], transportProtocol: 'tls' }];
    expect(choose(matches, { serverName: 'a.test' })).toBeUndefined();
  });

  it('is chosen by the longest prefix of the destination and of the source', () => {
    const matches: Match[] = [
      { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] },
      {
        prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 24 }],
        sourcePrefixRanges: [{ addressPrefix: '192.0.2.0', prefixLen: 24 }],
      },
      { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 24 }] },
    ];
    expect(choose(matches, { localIp: '10.9.9.9' })).toBe(0);
    expect(choose(matches, {})).toBe(1);
    expect(choose(matches, { remoteIp: '198.51.100.1' })).toBe(2);
    expect(choose(matches, { localIp: '11.0.0.1' })).toBeUndefined();
  });

  it('is chosen by where the client is, and by its port', () => {
    const matches: Match[] = [
      { sourceType: SourceType.SAME_IP_OR_LOOPBACK },
      { sourceType: SourceType.EXTERNAL, sourcePorts: [40000] },
      { sourceType: SourceType.EXTERNAL },
    ];
    expect(choose(matches, { remoteIp: '127.0.0.1' })).toBe(0);
    expect(choose(matches, {})).toBe(1);
    expect(choose(matches, { remotePort: 1 })).toBe(2);
  });

  it('with the criteria of another one is refused, and both are named', () => {
    expect(() => choose([{ serverNames: ['a.test'] }, { serverNames: ['b.test', 'a.test'] }], {})).toThrow(
      /filter_chains\[1\].*filter_chains\[0\]/,
    );
  });

  it.each([
    [{ serverNames: ['*'] }, /server_names: '\*'/],
    [{ serverNames: ['*w.test'] }, /server_names/],
    [{ transportProtocol: 'quic' }, /transport_protocol: 'quic'/],
    [{ prefixRanges: [{ addressPrefix: 'x', prefixLen: 8 }] }, /x\/8/],
    [{ prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 33 }] }, /10\.0\.0\.0\/33/],
  ] as [Match, RegExp][])('with %j is refused', (match, reason) => {
    expect(() => choose([match], {})).toThrow(reason);
  });
});
