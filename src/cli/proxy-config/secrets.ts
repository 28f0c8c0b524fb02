// `limen proxy-config secrets`: the certificates a proxy has over SDS, and whether they are valid now.

import { X509Certificate } from 'node:crypto';
import { toJson } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import type {
  SecretsConfigDump,
  SecretsConfigDump_DynamicSecret,
} from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import type { DataSource } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { type Secret, SecretSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Row } from '../table.ts';
import { unpack } from './dump.ts';

/** A certificate of a secret. Fields are '' where there is none (yet) or it can't be read. */
export interface SecretItem {
  name: string;
  /** `CA` where the certificate may sign others, else `Cert Chain`. */
  type: string;
  state: 'ACTIVE' | 'WARMING' | 'UNINITIALIZED';
  valid: boolean;
  /** Lower-case hexadecimal. */
  serial: string;
  /** RFC 3339, UTC. */
  notAfter: string;
  notBefore: string;
  /** Of its SPIFFE id, or of the SPIFFE bundle it stands in. */
  trustDomain: string;
}

/**
 * The certificates of the secrets that came over SDS: those awaited first, then the active ones, in the order of the dump.
 * @param now milliseconds since the epoch, against which validity is judged
 */
export function secretItems(dump: SecretsConfigDump, now: number): SecretItem[] {
  return [
    ...dump.dynamicWarmingSecrets.flatMap((secret) => itemsOf(secret, 'WARMING', now)),
    ...dump.dynamicActiveSecrets.flatMap((secret) =>
      itemsOf(secret, secret.versionInfo === 'uninitialized' ? 'UNINITIALIZED' : 'ACTIVE', now),
    ),
  ];
}

/** The table, header first. TRUST DOMAIN is a column where every certificate has one. `named`: names as `secret/NAME`, as `proxy-config all` has. */
export function secretRows(items: readonly SecretItem[], named = false): Row[] {
  const withTrustDomain = items.every((item) => item.trustDomain !== '');
  const header = ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'];
  const rows: Row[] = [withTrustDomain ? [...header, 'TRUST DOMAIN'] : header];
  for (const item of items) {
    const name = named ? `secret/${item.name}` : item.name;
    const cells = [name, item.type, item.state, String(item.valid), item.serial, item.notAfter, item.notBefore];
    rows.push(withTrustDomain ? [...cells, item.trustDomain] : cells);
  }
  return rows;
}

function itemsOf(dynamic: SecretsConfigDump_DynamicSecret, state: SecretItem['state'], now: number): SecretItem[] {
  const secret = unpack(SecretSchema, dynamic.secret);
  const certificates = secret === undefined ? [] : certificatesOf(secret);
  if (certificates.length === 0) certificates.push({ pem: '', trustDomain: '' });
  return certificates.map((certificate) => itemOf(dynamic.name, state, certificate, now));
}

interface PemCertificate {
  pem: string | Buffer;
  trustDomain: string;
}

function itemOf(
  name: string,
  state: SecretItem['state'],
  { pem, trustDomain }: PemCertificate,
  now: number,
): SecretItem {
  const item: SecretItem = {
    name,
    type: '',
    state,
    valid: false,
    serial: '',
    notAfter: '',
    notBefore: '',
    trustDomain: '',
  };
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem); // of a chain, the first
  } catch {
    return item;
  }
  const { validFromDate, validToDate } = certificate;
  return {
    ...item,
    type: certificate.ca ? 'CA' : 'Cert Chain',
    valid: now > validFromDate.getTime() && now < validToDate.getTime(),
    serial: certificate.serialNumber.toLowerCase(),
    notAfter: rfc3339(validToDate),
    notBefore: rfc3339(validFromDate),
    trustDomain: trustDomain || (/URI:spiffe:\/\/([^/,"]+)/.exec(certificate.subjectAltName ?? '')?.[1] ?? ''),
  };
}

function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function certificatesOf({ type }: Secret): PemCertificate[] {
  if (type.case === 'tlsCertificate') return inline(type.value.certificateChain);
  if (type.case !== 'validationContext') return [];
  const trusted = inline(type.value.trustedCa);
  if (trusted.length > 0) return trusted;
  // A SPIFFE bundle: one CA a trust domain, in a validator's configuration.
  const validator = unpack(StructSchema, type.value.customValidatorConfig?.typedConfig);
  return validator === undefined ? [] : spiffeBundle(toJson(StructSchema, validator));
}

function inline(source: DataSource | undefined): PemCertificate[] {
  const specifier = source?.specifier;
  if (specifier?.case === 'inlineBytes') return [{ pem: Buffer.from(specifier.value), trustDomain: '' }];
  return specifier?.case === 'inlineString' ? [{ pem: specifier.value, trustDomain: '' }] : [];
}

/** `SPIFFECertValidatorConfig` as JSON, in either spelling of its names. */
function spiffeBundle(validator: unknown): PemCertificate[] {
  const domains = member(validator, 'trustDomains', 'trust_domains');
  if (!Array.isArray(domains)) return [];
  return domains.flatMap((domain) => {
    const name = member(domain, 'name', 'name');
    const bundle = member(domain, 'trustBundle', 'trust_bundle');
    const bytes = member(bundle, 'inlineBytes', 'inline_bytes');
    const text = member(bundle, 'inlineString', 'inline_string');
    const pem = typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : typeof text === 'string' ? text : undefined;
    return pem === undefined ? [] : [{ pem, trustDomain: typeof name === 'string' ? name : '' }];
  });
}

function member(value: unknown, camel: string, snake: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  return record[camel] ?? record[snake];
}
