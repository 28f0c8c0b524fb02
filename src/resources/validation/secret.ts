// Secret: base64 is base64, and a certificate, its key and its CA are what they must be for TLS.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { FieldPath } from '../field-path.ts';
import { broken, error, type Finding, warning } from '../finding.ts';
import type { ResourceObject } from '../object.ts';

interface SecretContent {
  type?: string;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

/** How long before its end a certificate is worth a warning: a week, time enough to renew it. */
const SOON_MS = 7 * 24 * 3600 * 1000;

/**
 * https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets,
 * https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats
 *
 * @param now for the validity of certificates
 */
export function validateSecret(secret: ResourceObject, now: Date): Finding[] {
  const { type, data = {}, stringData = {} } = secret as ResourceObject & SecretContent;
  const findings: Finding[] = [];
  for (const [key, text] of Object.entries(data))
    if (!isBase64(text)) findings.push(error(['data', key], 'is no base64', 'put plain text under stringData instead'));
  if (findings.length > 0) return findings;
  const at = (key: string): FieldPath => [stringData[key] === undefined ? 'data' : 'stringData', key];
  const textOf = (key: string) =>
    stringData[key] ?? (data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('utf8'));
  if (type === 'kubernetes.io/tls') {
    for (const key of ['tls.crt', 'tls.key'])
      if (textOf(key) === undefined)
        findings.push(
          error(
            ['data', key],
            'is required in a secret of type kubernetes.io/tls',
            'make one with: kubectl create secret tls NAME --cert FILE --key FILE',
          ),
        );
  }
  // Istio reads generic secrets with either set of names.
  for (const [certificateKey, privateKey] of [
    ['tls.crt', 'tls.key'],
    ['cert', 'key'],
  ] as const) {
    const certificateText = textOf(certificateKey);
    const keyText = textOf(privateKey);
    // `cert` and `key` are common names for other things: they count as TLS where both look like it.
    if (certificateKey === 'cert' && (!certificateText?.includes('-----BEGIN') || !keyText?.includes('-----BEGIN')))
      continue;
    const chain = certificateText === undefined ? [] : readChain(certificateText, at(certificateKey), now, findings);
    const key = keyText === undefined ? undefined : readKey(keyText, at(privateKey), findings);
    const [leaf] = chain;
    if (leaf !== undefined && key !== undefined && !leaf.checkPrivateKey(key)) {
      const message = `does not belong to the certificate in ${certificateKey} (${nameOf(leaf)})`;
      findings.push(error(at(privateKey), message, 'take the key that this certificate was made with'));
    }
  }
  for (const key of ['ca.crt', 'cacert']) {
    const text = textOf(key);
    if (text !== undefined && (key === 'ca.crt' || text.includes('-----BEGIN')))
      readChain(text, at(key), now, findings);
  }
  return findings;
}

/** Standard base64; line breaks are allowed, as `base64` wraps its lines. */
function isBase64(text: string): boolean {
  const compact = text.replace(/[\r\n]/g, '');
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact);
}

function readChain(pem: string, path: FieldPath, now: Date, findings: Finding[]): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    const hint = pem.includes('PRIVATE KEY-----')
      ? 'it holds a private key: are tls.crt and tls.key swapped?'
      : 'PEM starts with -----BEGIN CERTIFICATE-----';
    findings.push(error(path, 'holds no certificate in PEM', hint));
    return [];
  }
  const chain: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(block));
    } catch {
      findings.push(
        error(
          path,
          `certificate ${index + 1} of ${blocks.length} cannot be read`,
          'it is damaged: copy it again, whole',
        ),
      );
      return [];
    }
  }
  for (const certificate of chain) findings.push(...checkValidity(certificate, path, now));
  return chain;
}

function checkValidity(certificate: X509Certificate, path: FieldPath, now: Date): Finding[] {
  const from = certificate.validFromDate;
  const to = certificate.validToDate;
  const name = nameOf(certificate);
  if (now > to)
    return [broken(path, `the certificate of ${name} expired on ${day(to)}`, 'clients refuse it: renew it')];
  if (now < from)
    return [
      broken(
        path,
        `the certificate of ${name} is not valid before ${day(from)}`,
        'clients refuse it until then: is the clock right?',
      ),
    ];
  if (to.getTime() - now.getTime() < SOON_MS)
    return [warning(path, `the certificate of ${name} expires on ${day(to)}`, 'renew it')];
  return [];
}

function readKey(pem: string, path: FieldPath, findings: Finding[]): KeyObject | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    const hint = pem.includes('-----BEGIN CERTIFICATE-----')
      ? 'it holds a certificate: are tls.crt and tls.key swapped?'
      : 'PEM starts with -----BEGIN PRIVATE KEY-----';
    findings.push(error(path, 'holds no private key in PEM', hint));
    return undefined;
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    findings.push(error(path, 'is protected by a passphrase', 'remove it: openssl pkey -in FILE -out FILE'));
    return undefined;
  }
  try {
    return createPrivateKey(pem);
  } catch {
    findings.push(error(path, 'the private key cannot be read', 'it is damaged: copy it again, whole'));
    return undefined;
  }
}

function nameOf(certificate: X509Certificate): string {
  return (
    /(?:^|\n)CN=([^\n]+)/.exec(certificate.subject ?? '')?.[1] ??
    certificate.subjectAltName ??
    `serial ${certificate.serialNumber}`
  );
}

function day(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
