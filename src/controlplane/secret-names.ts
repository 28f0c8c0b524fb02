// How TLS credentials are named between control plane and proxy.

/** What comes behind a credentialName for the certificates that client certificates are verified with. */
export const CA_SUFFIX = '-cacert';

/** `kubernetes://<credentialName>` */
export function secretResourceName(credentialName: string): string {
  return credentialName.startsWith('kubernetes://') ? credentialName : `kubernetes://${credentialName}`;
}
