import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { kubeconfig } from './kubeconfig.ts';
import { openPki, type Pki } from './pki.ts';
import { isServerName } from './server-names.ts';

const NOW = new Date('2026-05-01T00:00:00Z');
let directory: string;
let pki: Pki;
beforeAll(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'limen-pki-')), 'pki');
  pki = await openPki(directory, NOW);
});
afterAll(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

describe('the PKI', () => {
  it('is made once, for its owner alone, and the key of the CA is not kept', async () => {
    expect(await openPki(directory, NOW)).toEqual(pki);
    expect(readdirSync(directory).sort()).toEqual([
      'apiserver.crt',
      'apiserver.key',
      'ca.crt',
      'client.crt',
      'client.key',
      'sa.key',
      'token',
    ]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('that cannot be written says where', async () => {
    const blocked = join(directory, '..', 'blocked');
    writeFileSync(blocked, '');
    await expect(openPki(join(blocked, 'pki'), new Date())).rejects.toThrow(
      `the certificates of the API server can't be written to ${join(blocked, 'pki')}: `,
    );
  });

  it('is made anew before it ends, and when a file is damaged or missing', async () => {
    const late = await openPki(directory, new Date('2036-04-15T00:00:00Z'));
    expect(late.ca).not.toBe(pki.ca);
    const again = await openPki(directory, new Date('2036-04-15T00:00:00Z'));
    expect(again).toEqual(late);
    writeFileSync(join(directory, 'apiserver.crt'), 'no certificate');
    const repaired = await openPki(directory, NOW);
    expect(repaired.ca).not.toBe(late.ca);
    rmSync(join(directory, 'token'));
    expect((await openPki(directory, NOW)).token).not.toBe(repaired.token);
    expect(readFileSync(join(directory, 'token'), 'utf8').length).toBeGreaterThan(32);
  });
});

describe('the kubeconfig', () => {
  it('has server, CA, certificate and key', () => {
    const config = parse(kubeconfig('https://127.0.0.1:6443', pki));
    expect(config).toMatchObject({ kind: 'Config', 'current-context': 'limen' });
    const { cluster } = config.clusters[0];
    expect(cluster.server).toBe('https://127.0.0.1:6443');
    expect(Buffer.from(cluster['certificate-authority-data'], 'base64').toString()).toBe(pki.ca);
    expect(Buffer.from(config.users[0].user['client-key-data'], 'base64').toString()).toBe(pki.client.key);
  });
});

describe('the names of the server', () => {
  it.each(['127.0.0.1', '127.0.0.1:6443', '[::1]:6443', 'LOCALHOST:1', 'kubernetes.default.svc'])('are %s', (name) => {
    expect(isServerName(name)).toBe(true);
  });
  it.each(['', 'example.com', '127.0.0.1.nip.io', 'localhost.example.com:6443', '127.0.0.1@evil.example'])(
    'are not %j',
    (name) => {
      expect(isServerName(name)).toBe(false);
    },
  );
});
