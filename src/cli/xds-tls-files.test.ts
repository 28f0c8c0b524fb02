import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../dataplane/tls/test-certificates.ts';
import { readClientTls, readServerTls } from './xds-tls-files.ts';

let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'limen-xds-tls-'));
  const authority = createAuthority();
  const [own, other] = [authority.issue('own.test'), authority.issue('other.test')];
  const contents = { ca: authority.ca, cert: own.cert, key: own.key, 'other.key': other.key, text: 'hello' };
  for (const [name, content] of Object.entries(contents)) writeFileSync(file(name), content);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the files of TLS on the xDS port', () => {
  it('are none where no flag names one', () => {
    expect(readServerTls({})).toBeUndefined();
    expect(readClientTls({})).toBeUndefined();
  });

  it('are read', () => {
    const pair = { xdsCert: file('cert'), xdsKey: file('key') };
    const read = { certificateChain: expect.any(String), privateKey: expect.any(String) };
    expect(readServerTls({ ...pair, xdsClientCa: file('ca') })).toEqual({
      ...read,
      clientAuthorities: expect.any(String),
    });
    expect(readClientTls({ ...pair, xdsCa: file('ca') })).toEqual({ ...read, authorities: expect.any(String) });
    expect(readClientTls({ xdsCa: file('ca') })).toEqual({ authorities: expect.any(String) });
  });

  it.each([
    [['nowhere', 'key', undefined], /--xds-cert \S+nowhere can't be read: ENOENT/],
    [['text', 'key', undefined], /--xds-cert \S+text: expected a certificate in PEM/],
    [['cert', 'text', undefined], /--xds-key \S+text: expected a private key in PEM without a passphrase/],
    [['cert', 'other.key', undefined], /--xds-key \S+other\.key: expected the key of the first certificate in \S+cert/],
    [['cert', undefined, undefined], /--xds-cert: expected with --xds-key/],
    [[undefined, 'key', undefined], /--xds-key: expected with --xds-cert/],
    [['cert', 'key', 'text'], /--xds-client-ca \S+text: expected a certificate/],
    [[undefined, undefined, 'ca'], /--xds-client-ca: expected with --xds-cert and --xds-key/],
  ])('of a server, %j, are refused where they do not fit', ([cert, key, ca], message) => {
    const flag = (name: string, value: string | undefined) => (value === undefined ? {} : { [name]: file(value) });
    const flags = { ...flag('xdsCert', cert), ...flag('xdsKey', key), ...flag('xdsClientCa', ca) };
    expect(() => readServerTls(flags)).toThrow(message);
  });

  it('of a client need the authority of the server', () => {
    expect(() => readClientTls({ xdsCert: file('cert'), xdsKey: file('key') })).toThrow(/expected with --xds-ca FILE/);
    expect(() => readClientTls({ xdsCa: folder })).toThrow(/--xds-ca \S+ can't be read: EISDIR/);
  });
});
