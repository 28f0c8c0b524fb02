// The command that makes the examples' certificates.

import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createAuthority, issueCertificate } from '../src/apiserver/pki/issue.ts';

const SCRIPT = join(import.meta.dirname, '../scripts/certificates.ts');
const run = (...folders: string[]) => spawnSync(process.execPath, [SCRIPT, ...folders], { encoding: 'utf8' });

describe('npm run certificates', () => {
  let directory: string;
  const secrets = (example: string) => join(directory, example, 'secrets');
  const read = (example: string, name: string) => readFileSync(join(secrets(example), name), 'utf8');
  const secret = (example: string, name: string) =>
    parse(read(example, `${name}.yaml`)) as {
      type: string;
      metadata: { name: string; namespace: string };
      data: Record<string, string>;
    };

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'limen-certificates-'));
    for (const example of ['https', 'coolstore-https']) mkdirSync(join(directory, example));
    const outcome = run(join(directory, 'https'), join(directory, 'coolstore-https'));
    expect(outcome.stderr).toBe('');
    expect(outcome.status).toBe(0);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('makes a certificate for test.io that signs itself', () => {
    const certificate = new X509Certificate(read('https', 'certificate.pem'));
    expect(certificate.subject).toBe('CN=test.io');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkHost('test.io')).toBe('test.io');
    expect(certificate.publicKey.asymmetricKeyType).toBe('rsa');
    expect(certificate.checkPrivateKey(createPrivateKey(read('https', 'private.key')))).toBe(true);
  });

  it.each([
    ['webapp', 'webapp.istioinaction.io'],
    ['catalog', 'catalog.istioinaction.io'],
    ['client', 'client.istioinaction.io'],
  ])('makes a certificate for %s that the CA has signed', (name, commonName) => {
    const ca = new X509Certificate(read('coolstore-https', 'ca.crt'));
    const certificate = new X509Certificate(read('coolstore-https', `${name}.crt`));
    expect(certificate.subject).toBe(`CN=${commonName}`);
    expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
  });

  it('wraps them in Secrets that the gateway looks for', () => {
    expect(secret('https', 'test-cred')).toMatchObject({
      type: 'kubernetes.io/tls',
      metadata: { name: 'test-cred', namespace: 'istio-system' },
    });
    const mutual = secret('coolstore-https', 'webapp-credential-mtls');
    expect(Object.keys(mutual.data).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
    expect(Buffer.from(mutual.data['ca.crt'] ?? '', 'base64').toString()).toBe(read('coolstore-https', 'ca.crt'));
  });

  it.skipIf(process.platform === 'win32')('lets nobody else read what holds a private key', () => {
    for (const example of ['https', 'coolstore-https'])
      for (const name of readdirSync(secrets(example))) {
        const isPrivate = read(example, name).includes('PRIVATE KEY') || name.endsWith('.yaml');
        if (isPrivate) expect([name, statSync(join(secrets(example), name)).mode & 0o777]).toEqual([name, 0o600]);
      }
  });

  it('says which examples there are when it is called for another', () => {
    const outcome = run(join(directory, 'coolstore'));
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain('examples/https, examples/coolstore-https');
  });
});

describe('a certificate', () => {
  it('can be given other names and dates', async () => {
    const credential = await issueCertificate(
      {
        commonName: 'a.test',
        dnsNames: ['a.test', '*.b.test'],
        use: 'server',
        notBefore: new Date('2020-01-01T00:00:00Z'),
        notAfter: new Date('2020-02-01T00:00:00Z'),
      },
      await createAuthority('Test CA'),
    );
    const certificate = new X509Certificate(credential.certificate);
    expect(certificate.checkHost('x.b.test')).toBe('*.b.test');
    expect(certificate.validToDate).toEqual(new Date('2020-02-01T00:00:00Z'));
  });
});
