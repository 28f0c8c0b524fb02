// The files of TLS on the xDS port: read, and looked at before anything is started with them.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientTls, ServerTls } from '../xds/tls.ts';

/** The flags of `limen up`. PEM files. */
export interface ServerTlsFlags {
  xdsCert?: string;
  xdsKey?: string;
  xdsClientCa?: string;
}

/** The flags of what connects to an xDS port. PEM files. */
export interface ClientTlsFlags {
  xdsCa?: string;
  xdsCert?: string;
  xdsKey?: string;
}

/**
 * What the server presents, and whose clients it takes; undefined without these flags.
 * @throws Error for the user: which flag and file, what is wrong, what to do
 */
export function readServerTls({ xdsCert, xdsKey, xdsClientCa }: ServerTlsFlags): ServerTls | undefined {
  const pair = readPair(xdsCert, xdsKey);
  if (pair === undefined) {
    if (xdsClientCa === undefined) return undefined;
    throw new Error(
      '--xds-client-ca: expected with --xds-cert and --xds-key: only over TLS do clients present certificates',
    );
  }
  return {
    ...pair,
    ...(xdsClientCa === undefined ? {} : { clientAuthorities: readAuthorities('--xds-client-ca', xdsClientCa) }),
  };
}

/**
 * What a client trusts and presents; undefined without these flags, which is plain text.
 * @throws Error for the user: which flag and file, what is wrong, what to do
 */
export function readClientTls({ xdsCa, xdsCert, xdsKey }: ClientTlsFlags): ClientTls | undefined {
  const pair = readPair(xdsCert, xdsKey);
  if (xdsCa === undefined) {
    if (pair === undefined) return undefined;
    throw new Error(
      '--xds-cert, --xds-key: expected with --xds-ca FILE, the authority that the server is to be verified by',
    );
  }
  return { ...pair, authorities: readAuthorities('--xds-ca', xdsCa) };
}

function readPair(cert: string | undefined, key: string | undefined) {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new Error(
      `--xds-${cert === undefined ? 'key' : 'cert'}: expected with --xds-${cert === undefined ? 'cert' : 'key'}: a certificate and its key belong together`,
    );
  const certificateChain = readPem('--xds-cert', cert);
  const privateKey = readPem('--xds-key', key);
  const certificate = parseCertificate('--xds-cert', cert, certificateChain);
  let parsed: ReturnType<typeof createPrivateKey>;
  try {
    parsed = createPrivateKey(privateKey);
  } catch {
    throw new Error(
      `--xds-key ${key}: expected a private key in PEM without a passphrase ("openssl pkey -in ${key} -out plain.key" removes one)`,
    );
  }
  if (!certificate.checkPrivateKey(parsed))
    throw new Error(
      `--xds-key ${key}: expected the key of the first certificate in ${cert}, which this is not: the server's (or client's) own certificate comes first in the file`,
    );
  return { certificateChain, privateKey };
}

function readAuthorities(flag: string, file: string): string {
  const pem = readPem(flag, file);
  parseCertificate(flag, file, pem);
  return pem;
}

function parseCertificate(flag: string, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Error(`${flag} ${file}: expected a certificate in PEM ("-----BEGIN CERTIFICATE-----")`);
  }
}

function readPem(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${flag} ${file} can't be read: ${(error as Error).message}`);
  }
}
