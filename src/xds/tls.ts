// TLS of the xDS port: whom the server and the client present themselves as, and whom they trust.

import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ChannelCredentials, credentials, ServerCredentials } from '@grpc/grpc-js';

/** The server's side. All PEM. */
export interface ServerTls {
  readonly certificateChain: string | Uint8Array;
  readonly privateKey: string | Uint8Array;
  /** Mutual TLS: clients must present a certificate of one of these authorities. Without, any client is taken. */
  readonly clientAuthorities?: string | Uint8Array;
}

/** The client's side. All PEM. */
export interface ClientTls {
  /** The authorities that the server's certificate must be of. Default: those of Node.js. */
  readonly authorities?: string | Uint8Array;
  /** Presented to a server that asks for a certificate. */
  readonly certificateChain?: string | Uint8Array;
  readonly privateKey?: string | Uint8Array;
  /** The name that the server's certificate must carry, where it is not the host of the target. */
  readonly serverName?: string;
}

/** @throws Error where a key or certificate is not PEM */
export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const authorities = tls.clientAuthorities === undefined ? null : Buffer.from(tls.clientAuthorities);
  checkPem({ cert: tls.certificateChain, key: tls.privateKey, ca: tls.clientAuthorities });
  const keyPair = { cert_chain: Buffer.from(tls.certificateChain), private_key: Buffer.from(tls.privateKey) };
  return ServerCredentials.createSsl(authorities, [keyPair], authorities !== null);
}

/** @throws Error where a key or certificate is not PEM, or one comes without the other */
export function clientCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { authorities, certificateChain, privateKey } = tls;
  checkPem({ cert: certificateChain, key: privateKey, ca: authorities });
  const bytes = (pem: string | Uint8Array | undefined) => (pem === undefined ? null : Buffer.from(pem));
  return ChannelCredentials.createSsl(bytes(authorities), bytes(privateKey), bytes(certificateChain));
}

function checkPem(given: { [Field in 'cert' | 'key' | 'ca']: string | Uint8Array | undefined }): void {
  const options: SecureContextOptions = {};
  for (const field of ['cert', 'key', 'ca'] as const) {
    const pem = given[field];
    if (pem !== undefined) options[field] = Buffer.from(pem);
  }
  try {
    createSecureContext(options);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`TLS of the xDS port: expected PEM, a certificate and the key of it: ${reason}`, { cause: error });
  }
}

/**
 * Resources hold private keys: without TLS they stay on this machine.
 * @throws Error where `host:port` is not a loopback address
 */
export function checkPlainText(address: string): void {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  if (host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)) return;
  throw new Error(
    `xDS server cannot listen on ${address}: plain text is for loopback addresses only, since resources hold private keys. Use 127.0.0.1, or TLS`,
  );
}
