import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { selfSigned } from '../../../test/golden/proxy-config/certificates.ts';
import { SecretsConfigDumpSchema } from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import { jsonToMessage } from '../../xds/json.ts';
import { secretItems, secretRows } from './secrets.ts';

const NOT_BEFORE = '2025-01-01T00:00:00Z';
const NOT_AFTER = '2026-01-01T00:00:00Z';
const request = { commonName: 'a', serial: '0b', notBefore: NOT_BEFORE, notAfter: NOT_AFTER };
const bytes = (pem: string) => ({ inline_bytes: Buffer.from(pem).toString('base64') });
const dump = (name: string, secret: JsonObject, versionInfo = '1') =>
  jsonToMessage(SecretsConfigDumpSchema, {
    dynamic_active_secrets: [
      {
        name,
        version_info: versionInfo,
        secret: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', name, ...secret },
      },
    ],
  });

describe('a certificate', () => {
  it('is valid from its first moment to its last', async () => {
    const { certificate } = await selfSigned(request);
    const secret = dump('a', { tls_certificate: { certificate_chain: bytes(certificate) } });
    const validAt = (time: string) => secretItems(secret, Date.parse(time))[0]?.valid;
    expect(validAt('2025-06-01T00:00:00Z')).toBe(true);
    expect(validAt('2024-12-31T23:59:59Z')).toBe(false);
    expect(validAt('2026-01-01T00:00:01Z')).toBe(false);
  });

  it('is a CA where it may sign others, whatever kind of secret holds it', async () => {
    const { certificate } = await selfSigned({ ...request, ca: true });
    const secret = dump('a', { tls_certificate: { certificate_chain: { inline_string: certificate } } });
    expect(secretItems(secret, 0)[0]).toMatchObject({
      type: 'CA',
      serial: '0b',
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
    });
  });

  it('that can’t be read is there and not valid', () => {
    const [item] = secretItems(dump('a', { tls_certificate: { certificate_chain: bytes('nonsense') } }), 0);
    expect(item).toMatchObject({ name: 'a', state: 'ACTIVE', type: '', valid: false, serial: '' });
  });

  it('that has not come yet is UNINITIALIZED', () => {
    expect(secretItems(dump('a', {}, 'uninitialized'), 0)[0]?.state).toBe('UNINITIALIZED');
  });
});

describe('TRUST DOMAIN', () => {
  const header = (rows: readonly (readonly string[])[]) => rows[0]?.at(-1);

  it('is a column where every certificate has one, each of a SPIFFE bundle in a line of its own', async () => {
    const east = await selfSigned({ ...request, uri: 'spiffe://east.local/ns/default/sa/default' });
    const leaf = dump('default', { tls_certificate: { certificate_chain: bytes(east.certificate) } });
    expect(secretRows(secretItems(leaf, 0)).map((row) => row.at(-1))).toEqual(['TRUST DOMAIN', 'east.local']);
    const bundle = dump('ROOTCA', {
      validation_context: {
        custom_validator_config: {
          name: 'envoy.tls.cert_validator.spiffe',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
            trust_domains: [
              { name: 'east.local', trust_bundle: bytes(east.certificate) },
              { name: 'west.local', trust_bundle: bytes(east.certificate) },
            ],
          },
        },
      },
    });
    expect(secretRows(secretItems(bundle, 0)).map((row) => [row[0], row.at(-1)])).toEqual([
      ['RESOURCE NAME', 'TRUST DOMAIN'],
      ['ROOTCA', 'east.local'],
      ['ROOTCA', 'west.local'],
    ]);
  });

  it('is no column where one has none', async () => {
    const { certificate } = await selfSigned(request);
    const secret = dump('a', { tls_certificate: { certificate_chain: bytes(certificate) } });
    expect(header(secretRows(secretItems(secret, 0)))).toBe('NOT BEFORE');
  });
});
