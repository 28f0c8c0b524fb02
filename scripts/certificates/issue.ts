// Makes keys and certificates for the examples: a CA of one's own, servers, clients. RSA, as the walkthroughs have it.

import './reflect-metadata.ts';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

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
}

/** What a certificate is for. */
export interface CertificateRequest {
  commonName: string;
  /** Names in the SubjectAltName, the common name unless given. */
  dnsNames?: readonly string[];
  uris?: readonly string[];
  use: 'server' | 'client';
  /** Validity, from a day ago to a year from now unless given. */
  notBefore?: Date;
  notAfter?: Date;
}

/** A CA that signs itself. */
export async function createAuthority(commonName: string): Promise<Authority> {
  const keys = await generateKeys();
  const name = `CN=${commonName}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    ...validity({}),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { name, signingKey: keys.privateKey, ...(await toPem(certificate, keys.privateKey)) };
}

/** A certificate signed by a CA, or by itself where there is none. */
export async function issueCertificate(request: CertificateRequest, authority?: Authority): Promise<Credential> {
  const keys = await generateKeys();
  const subject = `CN=${request.commonName}`;
  const usage = request.use === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const names = [
    ...(request.dnsNames ?? [request.commonName]).map((value) => ({ type: 'dns' as const, value })),
    ...(request.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: authority?.name ?? subject,
    publicKey: keys.publicKey,
    signingKey: authority?.signingKey ?? keys.privateKey,
    signingAlgorithm: ALGORITHM,
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

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function validity({ notBefore, notAfter }: Partial<CertificateRequest>): { notBefore: Date; notAfter: Date } {
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
