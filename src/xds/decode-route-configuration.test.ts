import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRouteConfiguration } from './decode-route-configuration.ts';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';

const configuration = (hosts: Record<string, string[]>, name = 'http.8080') =>
  toBinary(
    RouteConfigurationSchema,
    create(RouteConfigurationSchema, {
      name,
      virtualHosts: Object.entries(hosts).map(([host, domains]) => ({ name: host, domains })),
      ignorePortInHostMatching: true,
    }),
  );

describe('a RouteConfiguration decoded beside the one before', () => {
  it('is what protobuf decodes, whatever came before', () => {
    const hosts = fc.dictionary(fc.stringMatching(/^[a-d]{1,2}$/), fc.array(fc.domain(), { maxLength: 2 }), {
      maxKeys: 6,
    });
    fc.assert(
      fc.property(hosts, hosts, (one, other) => {
        const previous = decodeRouteConfiguration(configuration(one), undefined);
        const bytes = configuration(other);
        const expected = fromBinary(RouteConfigurationSchema, bytes);
        expect(equals(RouteConfigurationSchema, decodeRouteConfiguration(bytes, previous), expected)).toBe(true);
      }),
    );
  });

  it('has the same objects for virtual hosts that did not change, and new ones for those that did', () => {
    const before = decodeRouteConfiguration(
      configuration({ a: ['a.example'], b: ['b.example'], c: ['c.example'] }),
      undefined,
    );
    const after = decodeRouteConfiguration(
      configuration({ c: ['c.example'], b: ['other.example'], a: ['a.example'] }),
      before,
    );
    expect(after.virtualHosts[0]).toBe(before.virtualHosts[2]);
    expect(after.virtualHosts[2]).toBe(before.virtualHosts[0]);
    expect(after.virtualHosts[1]?.domains).toEqual(['other.example']);
  });

  it('keeps fields it does not know', () => {
    const bytes = new BinaryWriter()
      .raw(configuration({ a: [] }))
      .tag(999, WireType.Varint)
      .uint32(7)
      .finish();
    expect(toBinary(RouteConfigurationSchema, decodeRouteConfiguration(bytes, undefined))).toContain(7);
  });

  it('that is cut off is an error', () => {
    const bytes = configuration({ a: ['a.example'] });
    expect(() => decodeRouteConfiguration(bytes.subarray(0, bytes.length - 4), undefined)).toThrow();
  });
});
