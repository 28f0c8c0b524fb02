// The secrets of one worker as SDS brought them: certificates with keys, and what client certificates are checked against.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { Secret } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { ConfigError } from '../connection.ts';
import { inlineText } from './data-source.ts';

/** A certificate chain with its key, PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string | undefined;
}

/** A secret that was checked. Replaced as a whole: compare by identity. */
export type CompiledSecret =
  | { readonly kind: 'identity'; readonly identity: Identity }
  | { readonly kind: 'validation'; readonly context: CertificateValidationContext };

/** Secrets by name. */
export class SecretSet {
  readonly #secrets = new Map<string, CompiledSecret>();

  /** @throws ConfigError when it can't be used; the one before stays */
  update(secret: Secret): void {
    this.#secrets.set(secret.name, compileSecret(secret));
  }

  remove(name: string): void {
    this.#secrets.delete(name);
  }

  get(name: string): CompiledSecret | undefined {
    return this.#secrets.get(name);
  }
}

function compileSecret(secret: Secret): CompiledSecret {
  switch (secret.type.case) {
    case 'tlsCertificate':
      return { kind: 'identity', identity: compileIdentity(secret.type.value, `secret ${secret.name}`) };
    case 'validationContext':
      checkTrust(secret.type.value, `secret ${secret.name}`);
      return { kind: 'validation', context: secret.type.value };
    default:
      throw new ConfigError(`secret ${secret.name}: expected a tls_certificate or a validation_context`);
  }
}

/**
 * Checks that certificate and key are readable and belong together.
 * @throws ConfigError that says which part is wrong, and never shows the key
 */
export function compileIdentity(certificate: TlsCertificate, field: string): Identity {
  if (certificate.pkcs12 !== undefined || certificate.privateKeyProvider !== undefined)
    throw new ConfigError(`${field}: pkcs12 and private_key_provider are not supported, expected PEM`);
  const cert = inlineText(certificate.certificateChain, `${field}.certificate_chain`);
  const key = inlineText(certificate.privateKey, `${field}.private_key`);
  const passphrase = inlineText(certificate.password, `${field}.password`);
  if (cert === undefined || cert === '') throw new ConfigError(`${field}.certificate_chain: missing`);
  if (key === undefined || key === '') throw new ConfigError(`${field}.private_key: missing`);
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    throw new ConfigError(`${field}.certificate_chain: not a PEM certificate`);
  }
  let privateKey: ReturnType<typeof createPrivateKey>;
  try {
    privateKey = createPrivateKey(passphrase === undefined ? key : { key, passphrase });
  } catch {
    throw new ConfigError(`${field}.private_key: not a PEM private key, or the password does not fit`);
  }
  if (!leaf.checkPrivateKey(privateKey))
    throw new ConfigError(`${field}: the private key does not belong to the certificate (${oneLine(leaf.subject)})`);
  // https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl#certificate-selection: Envoy takes no RSA key below 2048 bits
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < 2048)
    throw new ConfigError(`${field}.certificate_chain: an RSA key of ${bits} bits, expected 2048 or more`);
  return { cert, key, passphrase };
}

/** @throws ConfigError when trusted_ca or crl can't be read */
export function checkTrust(context: CertificateValidationContext, field: string): void {
  const ca = inlineText(context.trustedCa, `${field}.trusted_ca`);
  if (ca !== undefined) {
    try {
      new X509Certificate(ca);
    } catch {
      throw new ConfigError(`${field}.trusted_ca: not a PEM certificate`);
    }
  }
  inlineText(context.crl, `${field}.crl`);
}

/** A subject as X509Certificate prints it (a line per attribute) on one line. */
function oneLine(subject: string): string {
  return subject.split('\n').join(', ');
}
