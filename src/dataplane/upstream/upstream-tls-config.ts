// What an UpstreamTlsContext asks for, checked and translated to the terms of node:tls; the secrets it names come later.

import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { type DataSource, DataSourceSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type CertificateValidationContext,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type {
  CommonTlsContext,
  UpstreamTlsContext,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { requireGrpc } from '../config/config-source.ts';
import { ConfigError } from '../connection.ts';
import { checkTrust, compileIdentity, type Identity } from '../tls/secrets.ts';
import { compileParameters, type TlsVersionsAndCiphers } from '../tls/server-tls-config.ts';

/** The client side of TLS for one cluster. */
export interface UpstreamTlsConfig {
  /** '' where each request brings its own. */
  readonly sni: string;
  readonly alpn: readonly string[];
  readonly parameters: TlsVersionsAndCiphers;
  /** Our certificate: in the configuration itself, or the name of the secret that holds it. */
  readonly identity: Identity | undefined;
  readonly identitySecret: string | undefined;
  /** What the server's certificate is checked against: in the configuration itself, and the name of the secret that adds to it. */
  readonly validation: CertificateValidationContext | undefined;
  readonly validationSecret: string | undefined;
}

/**
 * Files are read once, when the cluster is configured.
 * @param field where it stands, for errors
 * @throws ConfigError for what is not supported or can't be read: a check that is left out would be worse than no connection
 */
export function compileUpstreamTls(context: UpstreamTlsContext, field: string): UpstreamTlsConfig {
  const common = context.commonTlsContext;
  if (common === undefined) throw new ConfigError(`${field}.common_tls_context: missing`);
  const at = `${field}.common_tls_context`;
  if (common.customHandshaker !== undefined) throw new ConfigError(`${at}.custom_handshaker: not supported`);
  if (common.tlsCertificates.length + common.tlsCertificateSdsSecretConfigs.length > 1)
    throw new ConfigError(`${at}: more than one client certificate, expected one`);
  for (const { sdsConfig } of common.tlsCertificateSdsSecretConfigs)
    requireGrpc(sdsConfig, `${at}.tls_certificate_sds_secret_configs.sds_config`);
  const [certificate] = common.tlsCertificates;
  const { validation, validationSecret } = validationOf(common.validationContextType, at);
  return {
    sni: context.sni,
    alpn: common.alpnProtocols,
    // A client's highest version is TLS 1.2 unless told (a server's is 1.3).
    parameters: compileParameters(common.tlsParams, `${at}.tls_params`, 'TLSv1.2'),
    identity:
      certificate === undefined ? undefined : compileIdentity(withFiles(certificate, at), `${at}.tls_certificates[0]`),
    identitySecret: common.tlsCertificateSdsSecretConfigs[0]?.name,
    validation,
    validationSecret,
  };
}

function validationOf(
  type: CommonTlsContext['validationContextType'],
  at: string,
): Pick<UpstreamTlsConfig, 'validation' | 'validationSecret'> {
  switch (type.case) {
    case undefined:
      return { validation: undefined, validationSecret: undefined };
    case 'validationContext':
      return { validation: checked(type.value, `${at}.validation_context`), validationSecret: undefined };
    case 'validationContextSdsSecretConfig':
      requireGrpc(type.value.sdsConfig, `${at}.validation_context_sds_secret_config.sds_config`);
      return { validation: undefined, validationSecret: type.value.name };
    case 'combinedValidationContext': {
      const { defaultValidationContext, validationContextSdsSecretConfig } = type.value;
      requireGrpc(
        validationContextSdsSecretConfig?.sdsConfig,
        `${at}.combined_validation_context.validation_context_sds_secret_config.sds_config`,
      );
      const own = `${at}.combined_validation_context.default_validation_context`;
      return {
        validation: defaultValidationContext && checked(defaultValidationContext, own),
        validationSecret: validationContextSdsSecretConfig?.name,
      };
    }
    default:
      throw new ConfigError(`${at}: a ${type.case} is not supported, expected a validation context inline or by SDS`);
  }
}

function checked(context: CertificateValidationContext, field: string): CertificateValidationContext {
  const unsupported =
    (context.trustChainVerification !== TrustChainVerification.VERIFY_TRUST_CHAIN && 'trust_chain_verification') ||
    (context.allowExpiredCertificate && 'allow_expired_certificate') ||
    (context.verifyCertificateHash.length > 0 && 'verify_certificate_hash') ||
    (context.verifyCertificateSpki.length > 0 && 'verify_certificate_spki') ||
    (context.customValidatorConfig !== undefined && 'custom_validator_config');
  if (unsupported) throw new ConfigError(`${field}.${unsupported}: not supported for upstreams`);
  const read = withFiles(context, field);
  checkTrust(read, field);
  return read;
}

/** The message with its files read into it. @throws ConfigError when one can't be read */
function withFiles<Message extends object>(message: Message, field: string): Message {
  const copy = { ...message } as Record<string, unknown>;
  for (const name of ['trustedCa', 'crl', 'certificateChain', 'privateKey', 'password']) {
    const source = copy[name] as DataSource | undefined;
    if (source?.specifier.case !== 'filename') continue;
    const path = source.specifier.value;
    try {
      const value = readFileSync(path, 'latin1');
      copy[name] = create(DataSourceSchema, { specifier: { case: 'inlineString', value } });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigError(`${field}: file ${path} can't be read (${code}), expected PEM`);
    }
  }
  return copy as unknown as Message;
}
