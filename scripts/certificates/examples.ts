// The certificates of each example: which files a command writes for it.

import { createAuthority, issueCertificate } from '../../src/apiserver/pki/issue.ts';
import { secretYaml } from './secret.ts';

/** File name → content, for a folder `secrets`. A name that ends in `.key` or `.yaml` holds a private key. */
export type Files = Record<string, string>;

/** By the name of the example's folder. */
export const EXAMPLES: Record<string, () => Promise<Files>> = {
  https: httpsFiles,
  'coolstore-https': coolstoreFiles,
};

/** One certificate for test.io that signs itself. */
async function httpsFiles(): Promise<Files> {
  const server = await issueCertificate({ commonName: 'test.io', use: 'server' });
  return {
    'certificate.pem': server.certificate,
    'private.key': server.key,
    'test-cred.yaml': secretYaml('test-cred', server),
  };
}

/** A CA, a server certificate for each host, and a client's. */
async function coolstoreFiles(): Promise<Files> {
  const ca = await createAuthority('Limen examples CA');
  const webapp = await issueCertificate({ commonName: 'webapp.istioinaction.io', use: 'server' }, ca);
  const catalog = await issueCertificate({ commonName: 'catalog.istioinaction.io', use: 'server' }, ca);
  const client = await issueCertificate({ commonName: 'client.istioinaction.io', use: 'client' }, ca);
  return {
    'ca.crt': ca.certificate,
    'webapp.crt': webapp.certificate,
    'webapp.key': webapp.key,
    'catalog.crt': catalog.certificate,
    'catalog.key': catalog.key,
    'client.crt': client.certificate,
    'client.key': client.key,
    'webapp-credential.yaml': secretYaml('webapp-credential', webapp),
    'webapp-credential-mtls.yaml': secretYaml('webapp-credential-mtls', webapp, ca.certificate),
    'catalog-credential.yaml': secretYaml('catalog-credential', catalog),
  };
}
