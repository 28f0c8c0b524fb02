// Certificates for tests, made on the spot: a CA, and what it issues.

import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const { subtle } = webcrypto;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A CA of a test. */
export interface TestAuthority {
  readonly ca: string;
  /** @param names subjectAltNames: `a.test`, or `spiffe://…` */
  issue(commonName: string, names?: readonly string[], expired?: boolean): Promise<TestCertificate>;
}

const DAY_MS = 86_400_000;

/** Makes a CA. */
export async function createAuthority(commonName = 'test CA'): Promise<TestAuthority> {
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex'),
    name: `CN=${commonName}`,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true)],
  });
  return {
    ca: ca.toString('pem'),
    async issue(name, names = [name], expired = false) {
      const own = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const cert = await x509.X509CertificateGenerator.create({
        serialNumber: randomBytes(8).toString('hex'),
        subject: `CN=${name}`,
        issuer: ca.subject,
        notBefore: new Date(Date.now() - 2 * DAY_MS),
        notAfter: new Date(Date.now() + (expired ? -DAY_MS : DAY_MS)),
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: value.includes('://') ? 'url' : 'dns', value })),
          ),
        ],
      });
      const pkcs8 = await subtle.exportKey('pkcs8', own.privateKey);
      return { cert: cert.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
    },
  };
}
