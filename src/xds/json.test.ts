import { create, fromBinary, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { ConfigDumpSchema } from './gen/envoy/admin/v3/config_dump_pb.js';
import { ListenersConfigDumpSchema } from './gen/envoy/admin/v3/config_dump_shared_pb.js';
import { Cluster_DiscoveryType, ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { dumpToJson, jsonToMessage, messageToIstioJson, parseConfigDump } from './json.ts';
import { redactSecret } from './redact.ts';

describe('printing', () => {
  const cluster = create(ClusterSchema, {
    name: 'outbound|80||a.b.svc.cluster.local',
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    connectTimeout: { seconds: 10n, nanos: 0 },
  });

  test("a dump has Envoy's field names, enums by name, durations in seconds, and no defaults", () => {
    expect(dumpToJson(cluster)).toEqual({ name: cluster.name, type: 'EDS', connect_timeout: '10s' });
  });

  test("istioctl's form has lowerCamelCase names", () => {
    expect(messageToIstioJson(cluster)).toEqual({ name: cluster.name, type: 'EDS', connectTimeout: '10s' });
  });

  test('an Any is printed as its message, @type first', () => {
    const dump = create(ConfigDumpSchema, {
      configs: [anyPack(ListenersConfigDumpSchema, create(ListenersConfigDumpSchema, { versionInfo: '1' }))],
    });
    expect(JSON.stringify(dumpToJson(dump))).toBe(
      '{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ListenersConfigDump","version_info":"1"}]}',
    );
  });

  test('an Any of an unknown type is printed as its bytes, also inside another Any, and the message stays as it is', () => {
    const unknown = create(AnySchema, { typeUrl: 'type.googleapis.com/some.Filter', value: Uint8Array.of(8, 1) });
    const listener = create(ListenerSchema, {
      filterChains: [{ filters: [{ name: 'f', configType: { case: 'typedConfig', value: unknown } }] }],
    });
    const dump = create(ListenersConfigDumpSchema, {
      dynamicListeners: [{ activeState: { listener: anyPack(ListenerSchema, listener) } }],
    });
    const before = toBinary(ListenersConfigDumpSchema, dump);
    const typedConfig = { '@type': 'type.googleapis.com/some.Filter', value: 'CAE=' };
    expect(dumpToJson(dump)).toMatchObject({
      dynamic_listeners: [
        { active_state: { listener: { filter_chains: [{ filters: [{ name: 'f', typed_config: typedConfig }] }] } } },
      ],
    });
    expect(toBinary(ListenersConfigDumpSchema, dump)).toEqual(before);
  });
});

describe('reading', () => {
  test.each([
    ['snake_case', { name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'] }], validate_clusters: false }],
    ['lowerCamelCase', { name: 'r', virtualHosts: [{ name: 'v', domains: ['*'] }], validateClusters: false }],
  ])('%s field names', (_name, json) => {
    expect(messageToIstioJson(jsonToMessage(RouteConfigurationSchema, json))).toEqual({
      name: 'r',
      virtualHosts: [{ name: 'v', domains: ['*'] }],
      validateClusters: false,
    });
  });

  test('fields and enum values of another version are ignored', () => {
    const message = jsonToMessage(ClusterSchema, { name: 'a', field_of_tomorrow: { x: 1 }, lb_policy: 'TOMORROW' });
    expect(dumpToJson(message)).toEqual({ name: 'a' });
  });

  const filters = (typedConfig: JsonValue): JsonValue => ({
    name: 'l',
    filterChains: [{ filters: [{ name: 'f', typedConfig }] }],
  });

  test.each<[string, JsonValue]>([
    [
      'of a type that is not known',
      { '@type': 'type.googleapis.com/some.Filter', snake_case: [{ deep: 1.5 }], no: null },
    ],
    [
      'of an unknown type around a known one',
      {
        '@type': 't/some.Filter',
        inner: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'c' },
      },
    ],
    [
      'of a known type that has another shape there',
      { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: { not: 'a string' } },
    ],
    ['that is a Struct', { '@type': 'type.googleapis.com/google.protobuf.Struct', value: { a: [true, 'x'] } }],
  ])('an Any %s comes back as it was, over the wire format too', (_name, typedConfig) => {
    const message = jsonToMessage(ListenerSchema, filters(typedConfig));
    expect(messageToIstioJson(message)).toEqual(filters(typedConfig));
    const copy = fromBinary(ListenerSchema, toBinary(ListenerSchema, message));
    expect(messageToIstioJson(copy)).toEqual(filters(typedConfig));
  });

  test('a key named __proto__ is data', () => {
    const typedConfig = JSON.parse('{"@type":"t/some.Filter","__proto__":{"polluted":true}}');
    const printed = JSON.stringify(messageToIstioJson(jsonToMessage(ListenerSchema, filters(typedConfig))));
    expect(printed).toContain('"__proto__":{"polluted":true}');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each([
    ['', 'not JSON'],
    ['{"configs":', 'not JSON'],
    ['[]', 'expected an object with a list "configs"'],
    ['{"configs":{}}', 'expected an object with a list "configs"'],
    ['{"configs":[1]}', 'not an Envoy config dump'],
  ])('%j is no config dump, and the error says why', (text, message) => {
    expect(() => parseConfigDump(text)).toThrow(message);
  });

  test('a config dump is read', () => {
    const text = JSON.stringify({ configs: [{ '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump' }] });
    expect(parseConfigDump(text).configs[0]?.typeUrl).toBe('type.googleapis.com/envoy.admin.v3.ListenersConfigDump');
  });
});

describe('a secret for a dump', () => {
  const inline = (value: string) => ({ specifier: { case: 'inlineString', value } }) as const;

  test('keeps the certificate, and neither private key nor password; the secret itself stays as it is', () => {
    const secret = create(SecretSchema, {
      name: 's',
      type: {
        case: 'tlsCertificate',
        value: {
          certificateChain: inline('CERT'),
          privateKey: { specifier: { case: 'inlineBytes', value: new TextEncoder().encode('KEY') } },
          password: inline('PASSWORD'),
        },
      },
    });
    const before = toBinary(SecretSchema, secret);
    expect(dumpToJson(redactSecret(secret))).toEqual({
      name: 's',
      tls_certificate: {
        certificate_chain: { inline_string: 'CERT' },
        private_key: { inline_bytes: Buffer.from('[redacted]').toString('base64') },
        password: { inline_string: '[redacted]' },
      },
    });
    expect(toBinary(SecretSchema, secret)).toEqual(before);
  });

  test('hides session ticket keys', () => {
    const secret = create(SecretSchema, { type: { case: 'sessionTicketKeys', value: { keys: [inline('KEY')] } } });
    const printed = dumpToJson(redactSecret(secret));
    expect(printed).toEqual({ session_ticket_keys: { keys: [{ inline_string: '[redacted]' }] } });
  });

  test('hides a generic secret', () => {
    const type = { case: 'genericSecret', value: { secret: inline('KEY') } } as const;
    const printed = dumpToJson(redactSecret(create(SecretSchema, { type })));
    expect(printed).toEqual({ generic_secret: { secret: { inline_string: '[redacted]' } } });
  });
});
