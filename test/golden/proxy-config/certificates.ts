// Certificates for the tests: with the names, numbers and dates that a test asks for. Keys live in memory only.

import '../../../src/apiserver/pki/reflect-metadata.ts';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** What is to stand in a certificate. */
export interface CertificateRequest {
  commonName: string;
  /** Hexadecimal. */
  serial: string;
  notBefore: string;
  notAfter: string;
  ca?: boolean;
  /** A SPIFFE id or another URI. */
  uri?: string;
}

/** A self-signed certificate and its key, as PEM. */
export async function selfSigned(request: CertificateRequest): Promise<{ certificate: string; key: string }> {
  const crypto = webcrypto;
  x509.cryptoProvider.set(crypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${request.commonName}`,
    serialNumber: request.serial,
    notBefore: new Date(request.notBefore),
    notAfter: new Date(request.notAfter),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(request.ca ?? false, undefined, true),
      new x509.SubjectAlternativeNameExtension([
        request.uri === undefined ? { type: 'dns', value: request.commonName } : { type: 'url', value: request.uri },
      ]),
    ],
  });
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificate: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`,
  };
}

/** The gateway's three certificates: one valid for long, one expired, one of a CA. */
export async function gatewayCertificates() {
  return {
    webapp: await selfSigned({
      commonName: 'webapp.istioinaction.io',
      serial: '0193a543fe2b0d9cd4847675394dfc54',
      notBefore: '2025-01-01T00:00:00Z',
      notAfter: '2125-01-01T00:00:00Z',
    }),
    expired: await selfSigned({
      commonName: 'test.io',
      serial: '6fbee254c22900615cb1f74e3d2f1713',
      notBefore: '2023-05-15T01:30:52Z',
      notAfter: '2023-05-16T01:32:52Z',
    }),
    ca: await selfSigned({
      commonName: 'Istio in Action CA',
      serial: '529cbbaf623611d057b517d4ffe341e4',
      notBefore: '2025-01-01T00:00:00Z',
      notAfter: '2125-01-01T00:00:00Z',
      ca: true,
    }),
  };
}
