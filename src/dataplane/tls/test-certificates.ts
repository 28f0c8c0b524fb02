// Certificates for tests, made on the spot with openssl: a CA, and what it issues.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A CA of a test. */
export interface TestAuthority {
  readonly ca: string;
  /** @param names subjectAltNames: `a.test`, or `spiffe://…` */
  issue(commonName: string, names?: readonly string[], expired?: boolean): TestCertificate;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes a CA. */
export function createAuthority(commonName = 'test CA'): TestAuthority {
  const authority = inFolder((folder) => {
    openssl(folder, [
      'req',
      '-x509',
      ...NEW_KEY,
      '-subj',
      `/CN=${commonName}`,
      '-days',
      '2',
      '-keyout',
      'key',
      '-out',
      'cert',
    ]);
    return pair(folder);
  });
  return {
    ca: authority.cert,
    issue: (name, names = [name], expired = false) =>
      inFolder((folder) => {
        writeFileSync(join(folder, 'ca.cert'), authority.cert);
        writeFileSync(join(folder, 'ca.key'), authority.key, { mode: 0o600 });
        const alternatives = names.map((value) => `${value.includes('://') ? 'URI' : 'DNS'}:${value}`).join(',');
        writeFileSync(join(folder, 'extensions'), `subjectAltName=${alternatives}\n`);
        openssl(folder, ['req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', 'key', '-out', 'request']);
        openssl(folder, [
          ...['x509', '-req', '-in', 'request', '-CA', 'ca.cert', '-CAkey', 'ca.key', '-CAcreateserial'],
          ...['-days', expired ? '-1' : '2', '-extfile', 'extensions', '-out', 'cert'],
        ]);
        return pair(folder);
      }),
  };
}

function inFolder<Result>(use: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'limen-test-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pair = (folder: string): TestCertificate => ({
  cert: readFileSync(join(folder, 'cert'), 'latin1'),
  key: readFileSync(join(folder, 'key'), 'latin1'),
});

function openssl(folder: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
}
