// The API server's own certificates and token: made at the first start, read at each later one. The CA's key is used once and not kept.

import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credential } from './issue.ts';
import { SERVER_ADDRESSES, SERVER_NAMES } from './server-names.ts';

/** What server and client need to trust each other. All PEM, but the token. */
export interface Pki {
  /** The CA's certificate. */
  ca: string;
  server: Credential;
  /** The administrator's: CN=kubernetes-admin, O=system:masters. */
  client: Credential;
  /** The same administrator's bearer token. */
  token: string;
  /** Signs the tokens of ServiceAccounts: ECDSA P-256, PKCS #8. */
  serviceAccountKey: string;
}

const FILES = {
  ca: 'ca.crt',
  serverCertificate: 'apiserver.crt',
  serverKey: 'apiserver.key',
  clientCertificate: 'client.crt',
  clientKey: 'client.key',
  token: 'token',
  serviceAccountKey: 'sa.key',
} as const;

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_DAYS = 3650;
/** Certificates with less time left are made anew. */
const RENEW_BEFORE_DAYS = 30;

/**
 * The PKI in `directory`: what is there already while it is whole and valid, else a new one. Only the owner can read it.
 *
 * @param now decides whether the certificates are still valid
 * @throws Error for the user: it can't be written
 */
export async function openPki(directory: string, now: Date): Promise<Pki> {
  const found = readPki(directory);
  if (found !== undefined && isValid(found, now)) return found;
  const made = await createPki(now);
  // Written aside and moved into place: a start that is cut short leaves no half of a PKI.
  const unfinished = `${directory}.${process.pid}.tmp`;
  try {
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true, mode: 0o700 });
    chmodSync(unfinished, 0o700);
    for (const [name, content] of contentsOf(made)) writeFileSync(join(unfinished, name), content, { mode: 0o600 });
    rmSync(directory, { recursive: true, force: true });
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`the certificates of the API server can't be written to ${directory}: ${(error as Error).message}`);
  }
  return made;
}

/** A new PKI. */
export async function createPki(now: Date): Promise<Pki> {
  // Loaded here, since only a first start makes certificates.
  const { createAuthority, issueCertificate } = await import('./issue.ts');
  const valid = {
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + VALID_DAYS * DAY_MS),
    algorithm: 'ECDSA',
  } as const;
  const authority = await createAuthority('limen-ca', valid);
  const [server, client] = await Promise.all([
    issueCertificate(
      { ...valid, commonName: 'limen-apiserver', use: 'server', dnsNames: SERVER_NAMES, ipAddresses: SERVER_ADDRESSES },
      authority,
    ),
    issueCertificate(
      { ...valid, commonName: 'kubernetes-admin', organization: 'system:masters', use: 'client', dnsNames: [] },
      authority,
    ),
  ]);
  return {
    ca: authority.certificate,
    server,
    client,
    token: randomBytes(32).toString('base64url'),
    serviceAccountKey: createSigningKey(),
  };
}

function createSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function contentsOf({ ca, server, client, token, serviceAccountKey }: Pki): [name: string, content: string][] {
  return [
    [FILES.ca, ca],
    [FILES.serverCertificate, server.certificate],
    [FILES.serverKey, server.key],
    [FILES.clientCertificate, client.certificate],
    [FILES.clientKey, client.key],
    [FILES.token, `${token}\n`],
    [FILES.serviceAccountKey, serviceAccountKey],
  ];
}

function readPki(directory: string): Pki | undefined {
  if (!Object.values(FILES).every((name) => existsSync(join(directory, name)))) return undefined;
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return {
    ca: read(FILES.ca),
    server: { certificate: read(FILES.serverCertificate), key: read(FILES.serverKey) },
    client: { certificate: read(FILES.clientCertificate), key: read(FILES.clientKey) },
    token: read(FILES.token).trim(),
    serviceAccountKey: read(FILES.serviceAccountKey),
  };
}

/** Whether the files are what they should be and the certificates have time left and name this server. */
function isValid({ ca, server, client, token, serviceAccountKey }: Pki, now: Date): boolean {
  try {
    const authority = new X509Certificate(ca);
    const own = new X509Certificate(server.certificate);
    const certificates = [authority, own, new X509Certificate(client.certificate)];
    return (
      token.length >= 32 &&
      createPrivateKey(serviceAccountKey).asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
      certificates.every(
        (certificate) =>
          certificate.checkIssued(authority) &&
          certificate.validFromDate <= now &&
          certificate.validToDate.getTime() - now.getTime() > RENEW_BEFORE_DAYS * DAY_MS,
      ) &&
      SERVER_NAMES.every((name) => own.checkHost(name) !== undefined) &&
      SERVER_ADDRESSES.every((address) => own.checkIP(address) !== undefined)
    );
  } catch {
    return false; // no PEM
  }
}
