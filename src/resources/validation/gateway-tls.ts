// The `tls` of a Gateway's server: which certificate fields each mode needs and excludes.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import type { GatewayServer } from '../types.ts';

type ServerTls = NonNullable<GatewayServer['tls']>;

const VERSIONS = ['TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'];

/** The cipher suites BoringSSL knows, by OpenSSL name: those Istio passes on. */
const CIPHER_SUITES = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
  'ALL',
]);

/** https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings */
export function checkServerTls(tls: ServerTls, path: FieldPath): Finding[] {
  return [
    ...checkVersions(tls, path),
    ...checkCipherSuites(tls, path),
    ...checkCertificates(tls, path),
    ...checkFingerprints(tls, path),
  ];
}

/** SHA-256 of client certificates (hex, perhaps with colons) and of their public keys (base64). */
function checkFingerprints(tls: ServerTls, path: FieldPath): Finding[] {
  const hashes = (tls.verifyCertificateHash ?? []).flatMap((hash, index) =>
    /^(?:[\da-f]{64}|[\da-f]{2}(?::[\da-f]{2}){31})$/i.test(hash)
      ? []
      : [
          error(
            [...path, 'verifyCertificateHash', index],
            `"${hash}" is no SHA-256 hash`,
            '64 hex digits: openssl x509 -in FILE -outform DER | openssl dgst -sha256',
          ),
        ],
  );
  const keys = (tls.verifyCertificateSpki ?? []).flatMap((hash, index) =>
    /^[A-Za-z\d+/]{43}=$/.test(hash)
      ? []
      : [
          error(
            [...path, 'verifyCertificateSpki', index],
            `"${hash}" is no SHA-256 hash in base64`,
            '44 characters, the hash of the public key in DER form',
          ),
        ],
  );
  return [...hashes, ...keys];
}

function checkVersions(tls: ServerTls, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  const lowest = VERSIONS.indexOf(tls.minProtocolVersion ?? '');
  const highest = VERSIONS.indexOf(tls.maxProtocolVersion ?? '');
  if (lowest >= 0 && highest >= 0 && lowest > highest) {
    const message = `${tls.minProtocolVersion} is above maxProtocolVersion ${tls.maxProtocolVersion}`;
    findings.push(
      error([...path, 'minProtocolVersion'], message, 'no client could connect: lower it, or raise maxProtocolVersion'),
    );
  }
  if ((lowest === 0 || lowest === 1) && (tls.cipherSuites ?? []).length === 0) {
    const message = `${tls.minProtocolVersion} has no cipher suite among the default ones`;
    findings.push(
      warning([...path, 'minProtocolVersion'], message, 'set cipherSuites too, for example ECDHE-RSA-AES128-SHA'),
    );
  }
  return findings;
}

function checkCipherSuites(tls: ServerTls, path: FieldPath): Finding[] {
  const seen = new Set<string>();
  return (tls.cipherSuites ?? []).flatMap((suite, index) => {
    const at = [...path, 'cipherSuites', index];
    // Entries with an operator (`-AES256-SHA`) are left to the TLS library.
    if (/^\w/.test(suite) && !CIPHER_SUITES.has(suite))
      return [
        warning(
          at,
          `unknown cipher suite ${suite} is ignored`,
          'write its OpenSSL name, for example ECDHE-RSA-AES128-GCM-SHA256',
        ),
      ];
    if (seen.has(suite)) return [warning(at, `${suite} stands twice`, 'delete one')];
    seen.add(suite);
    return [];
  });
}

/** The fields that name a certificate or key. */
const CERTIFICATE_FIELDS = [
  'credentialName',
  'credentialNames',
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'tlsCertificates',
  'caCrl',
] as const;

function checkCertificates(tls: ServerTls, path: FieldPath): Finding[] {
  const isSet = (field: (typeof CERTIFICATE_FIELDS)[number]) => (tls[field]?.length ?? 0) > 0;
  // An unset mode is PASSTHROUGH, the first value of the enum.
  const mode = tls.mode ?? 'PASSTHROUGH';
  if (mode === 'ISTIO_MUTUAL') {
    return CERTIFICATE_FIELDS.filter((field) => field !== 'caCrl' && isSet(field)).map((field) =>
      error(
        [...path, field],
        'cannot be set with mode ISTIO_MUTUAL',
        'the workload certificate is used; delete this field',
      ),
    );
  }
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    const hint =
      tls.mode === undefined
        ? 'no mode is set: did you mean "mode: SIMPLE"?'
        : 'delete it, or use mode SIMPLE to end TLS here';
    return CERTIFICATE_FIELDS.filter(isSet).map((field) =>
      warning([...path, field], `is ignored: ${mode} does not end TLS`, hint),
    );
  }
  const findings: Finding[] = [];
  const sources = [
    isSet('credentialName') ? 'credentialName' : '',
    isSet('credentialNames') ? 'credentialNames' : '',
    isSet('serverCertificate') && isSet('privateKey') ? 'serverCertificate with privateKey' : '',
    isSet('tlsCertificates') ? 'tlsCertificates' : '',
  ].filter((source) => source !== '');
  if (sources.length > 1)
    findings.push(error(path, `only one of ${sources.join(', ')} may be set`, 'keep one of them'));
  if (isSet('caCrl') && isSet('credentialName'))
    findings.push(error([...path, 'caCrl'], 'cannot be set beside credentialName', 'put it into the secret as ca.crl'));
  if (isSet('caCrl') && mode === 'SIMPLE')
    findings.push(error([...path, 'caCrl'], 'has no meaning with mode SIMPLE', 'use mode MUTUAL, or delete it'));
  if (isSet('credentialName') || isSet('credentialNames')) return findings;
  const hint = 'set credentialName to the name of a secret in the namespace of the gateway workload (istio-system)';
  if (mode !== 'SIMPLE' && !isSet('caCertificates'))
    findings.push(error([...path, 'caCertificates'], `is required with mode ${mode}`, hint));
  const certificates = isSet('tlsCertificates')
    ? (tls.tlsCertificates ?? []).map((pair, index) => ({ pair, at: [...path, 'tlsCertificates', index] }))
    : [{ pair: tls, at: path }];
  for (const { pair, at } of certificates) {
    if (!pair.serverCertificate && !pair.privateKey && at === path) {
      findings.push(error([...at, 'credentialName'], `is required with mode ${mode}`, hint));
      continue;
    }
    if (!pair.serverCertificate)
      findings.push(error([...at, 'serverCertificate'], `is required with mode ${mode}`, hint));
    if (!pair.privateKey) findings.push(error([...at, 'privateKey'], `is required with mode ${mode}`, hint));
  }
  return findings;
}
