import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { issueCertificate } from '../../apiserver/pki/issue.ts';
import { formatFieldPath } from '../field-path.ts';
import { validateSecret } from './secret.ts';

const NOW = new Date('2026-06-01T12:00:00Z');

const makePair = (notBefore: string, notAfter: string) =>
  issueCertificate({
    commonName: 'www.example.com',
    use: 'server',
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
  });

function check(stringData: Record<string, string>, type = 'kubernetes.io/tls', data: Record<string, string> = {}) {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, type, stringData, data };
  return validateSecret(secret, NOW).map(
    ({ path, severity, message }) => `${severity} ${formatFieldPath(path)}: ${message}`,
  );
}

describe('validateSecret', () => {
  let good: { certificate: string; key: string };
  let other: { certificate: string; key: string };
  beforeAll(async () => {
    good = await makePair('2026-01-01', '2027-01-01');
    other = await makePair('2026-01-01', '2027-01-01');
  });

  it('takes a certificate with its key, from stringData and from data', () => {
    expect(check({ 'tls.crt': good.certificate, 'tls.key': good.key, 'ca.crt': other.certificate })).toEqual([]);
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    expect(
      check({}, 'kubernetes.io/tls', { 'tls.crt': base64(good.certificate), 'tls.key': base64(good.key) }),
    ).toEqual([]);
  });

  it('refuses a key that does not belong to the certificate', () => {
    expect(check({ 'tls.crt': good.certificate, 'tls.key': other.key })).toEqual([
      'error stringData["tls.key"]: does not belong to the certificate in tls.crt (www.example.com)',
    ]);
    expect(check({ cert: good.certificate, key: other.key }, 'Opaque')).toHaveLength(1);
  });

  it('refuses a TLS secret that lacks one of the two', () => {
    expect(check({ 'tls.crt': good.certificate })).toEqual([
      'error data["tls.key"]: is required in a secret of type kubernetes.io/tls',
    ]);
  });

  it('refuses what is no PEM, is damaged, or has a passphrase', () => {
    expect(check({ 'tls.crt': 'x', 'tls.key': 'y' })).toEqual([
      'error stringData["tls.crt"]: holds no certificate in PEM',
      'error stringData["tls.key"]: holds no private key in PEM',
    ]);
    const damaged = good.certificate.replace(/\n[A-Za-z0-9+/=]+\n/, '\nAAAA\n');
    expect(check({ 'tls.crt': damaged, 'tls.key': good.key })).toEqual([
      'error stringData["tls.crt"]: certificate 1 of 1 cannot be read',
    ]);
    const locked = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    expect(check({ 'tls.crt': good.certificate, 'tls.key': locked as string })).toEqual([
      'error stringData["tls.key"]: is protected by a passphrase',
    ]);
  });

  it('warns of a certificate that has expired, expires within a week, or is not valid yet, naming the date', async () => {
    const at = async (from: string, to: string) => {
      const pair = await makePair(from, to);
      return check({ 'tls.crt': pair.certificate, 'tls.key': pair.key });
    };
    expect(await at('2025-01-01', '2026-05-31')).toEqual([
      'warning stringData["tls.crt"]: the certificate of www.example.com expired on 2026-05-31 00:00 UTC',
    ]);
    expect(await at('2025-01-01', '2026-06-05')).toEqual([
      'warning stringData["tls.crt"]: the certificate of www.example.com expires on 2026-06-05 00:00 UTC',
    ]);
    expect(await at('2026-07-01', '2027-01-01')).toEqual([
      'warning stringData["tls.crt"]: the certificate of www.example.com is not valid before 2026-07-01 00:00 UTC',
    ]);
  });

  it('refuses data that is no base64, and says nothing of other content', () => {
    expect(check({}, 'Opaque', { password: 'hunter2!' })).toEqual(['error data.password: is no base64']);
    expect(check({ password: 'hunter2!', key: 'plain', cert: 'plain' }, 'Opaque')).toEqual([]);
  });
});
