// `/certs`: the certificates in use, with serial numbers, names and dates, never with keys.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--certs

import { X509Certificate } from 'node:crypto';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { DataSource } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { SecretSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';

/** envoy.admin.v3.CertificateDetails as JSON; like Envoy's, with empty lists shown and 64-bit numbers as strings. */
export interface CertificateDetails {
  path: string;
  serial_number: string;
  subject_alt_names: ({ dns: string } | { uri: string } | { ip_address: string })[];
  days_until_expiration: string;
  valid_from: string;
  expiration_time: string;
}

export interface Certificate {
  ca_cert: CertificateDetails[];
  cert_chain: CertificateDetails[];
}

const DAY_MS = 86_400_000;

/**
 * @param secrets the Secret resources in use
 * @param now milliseconds since the epoch
 * @returns one entry a secret that holds a certificate or a trusted CA; a certificate that cannot be read is left out
 */
export function certificates(secrets: readonly Any[], now: number): Certificate[] {
  const result: Certificate[] = [];
  for (const any of secrets) {
    const certificate = fromSecret(any, now);
    if (certificate !== undefined) result.push(certificate);
  }
  return result;
}

function fromSecret(any: Any, now: number): Certificate | undefined {
  try {
    const type = anyUnpack(any, SecretSchema)?.type;
    if (type?.case === 'tlsCertificate')
      return { ca_cert: [], cert_chain: [details(type.value.certificateChain, now)] };
    if (type?.case === 'validationContext' && type.value.trustedCa !== undefined)
      return { ca_cert: [details(type.value.trustedCa, now)], cert_chain: [] };
  } catch {
    // Not a secret, or not a certificate: the listener that uses it has said so.
  }
  return undefined;
}

/** Of the first certificate of a PEM bundle: the leaf of a chain. xDS brings the bytes, never a file name. */
function details(source: DataSource | undefined, now: number): CertificateDetails {
  const specifier = source?.specifier;
  const certificate = new X509Certificate(Buffer.from(specifier?.value ?? ''));
  const expires = certificate.validToDate.getTime();
  return {
    path: '<inline>',
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: subjectAltNames(certificate.subjectAltName ?? ''),
    days_until_expiration: String(Math.max(0, Math.floor((expires - now) / DAY_MS))),
    valid_from: seconds(certificate.validFromDate),
    expiration_time: seconds(certificate.validToDate),
  };
}

function seconds(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

/** Node's one-line form: `DNS:a.example, URI:spiffe://…, IP Address:10.0.0.1`, a name with odd characters as a JSON string. */
function subjectAltNames(text: string): CertificateDetails['subject_alt_names'] {
  const names: CertificateDetails['subject_alt_names'] = [];
  for (const match of text.matchAll(/(?:^|, )(DNS|URI|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const [, kind, written] = match;
    let name = written!;
    if (name.startsWith('"')) {
      try {
        name = String(JSON.parse(name));
      } catch {
        // shown as it is written
      }
    }
    names.push(kind === 'DNS' ? { dns: name } : kind === 'URI' ? { uri: name } : { ip_address: name });
  }
  return names;
}
