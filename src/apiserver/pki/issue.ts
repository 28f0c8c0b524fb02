// Makes keys and certificates: a CA of one's own, servers, clients.

import './reflect-metadata.ts';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHMS = {
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  ECDSA: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
} as const;

/** What keys are made of. ECDSA keys (P-256) cost a hundredth of the time. */
export type KeyAlgorithm = keyof typeof ALGORITHMS;

const DAY_MS = 24 * 60 * 60 * 1000;

/** A certificate with its private key, both PEM. */
export interface Credential {
  certificate: string;
  key: string;
}

/** A credential that can sign others. */
export interface Authority extends Credential {
  name: string;
  signingKey: webcrypto.CryptoKey;
  algorithm: KeyAlgorithm;
}

/** How long a certificate is valid: from a day ago to a year from now unless given. */
export interface Validity {
  notBefore?: Date;
  notAfter?: Date;
}

/** What a certificate is for. */
export interface CertificateRequest extends Validity {
  commonName: string;
  /** Of the subject. Kubernetes reads a client's groups here. */
  organization?: string;
  /** Names in the SubjectAltName, the common name unless given. */
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  uris?: readonly string[];
  use: 'server' | 'client';
  /** RSA unless given. */
  algorithm?: KeyAlgorithm;
}

/** A CA that signs itself. */
export async function createAuthority(
  commonName: string,
  { algorithm = 'RSA', ...valid }: Validity & { algorithm?: KeyAlgorithm } = {},
): Promise<Authority> {
  const keys = await generateKeys(algorithm);
  const name = `CN=${commonName}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    ...validity(valid),
    signingAlgorithm: ALGORITHMS[algorithm],
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { name, signingKey: keys.privateKey, algorithm, ...(await toPem(certificate, keys.privateKey)) };
}

/** A certificate signed by a CA, or by itself where there is none. */
export async function issueCertificate(request: CertificateRequest, authority?: Authority): Promise<Credential> {
  const algorithm = request.algorithm ?? 'RSA';
  const keys = await generateKeys(algorithm);
  const { commonName, organization } = request;
  const subject = `${organization === undefined ? '' : `O=${organization}, `}CN=${commonName}`;
  const usage = request.use === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const names = [
    ...(request.dnsNames ?? [commonName]).map((value) => ({ type: 'dns' as const, value })),
    ...(request.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(request.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: authority?.name ?? subject,
    publicKey: keys.publicKey,
    signingKey: authority?.signingKey ?? keys.privateKey,
    signingAlgorithm: ALGORITHMS[authority?.algorithm ?? algorithm],
    ...validity(request),
    extensions: [
      // A certificate that signs itself is its own CA: that is what lets a client be told to trust it alone.
      new x509.BasicConstraintsExtension(authority === undefined, undefined, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return toPem(certificate, keys.privateKey);
}

function generateKeys(algorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  // The two overloads of generateKey take one algorithm each.
  return algorithm === 'RSA'
    ? webcrypto.subtle.generateKey(ALGORITHMS.RSA, true, ['sign', 'verify'])
    : webcrypto.subtle.generateKey(ALGORITHMS.ECDSA, true, ['sign', 'verify']);
}

function validity({ notBefore, notAfter }: Validity): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: notAfter ?? new Date(Date.now() + 365 * DAY_MS),
  };
}

async function toPem(certificate: x509.X509Certificate, key: webcrypto.CryptoKey): Promise<Credential> {
  const exported = await webcrypto.subtle.exportKey('pkcs8', key);
  return {
    certificate: `${certificate.toString('pem').trim()}\n`,
    key: `${x509.PemConverter.encode(exported, 'PRIVATE KEY').trim()}\n`,
  };
}
