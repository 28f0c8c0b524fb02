// What a DownstreamTlsContext asks for, checked and translated to the terms of node:tls; the secrets it names come later.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-downstreamtlscontext

import { createSecureContext, type SecureVersion } from 'node:tls';
import type {
  CertificateValidationContext,
  TlsParameters,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { TlsParameters_TlsProtocol as TlsProtocol } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { DownstreamTlsContext } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { requireGrpc } from '../config/config-source.ts';
import { ConfigError } from '../connection.ts';
import { checkTrust, compileIdentity, type Identity } from './secrets.ts';

/** The server side of TLS for one filter chain. */
export interface ServerTlsConfig {
  /** Certificates in the configuration itself, and names of those that SDS brings. */
  readonly identities: readonly Identity[];
  readonly identitySecrets: readonly string[];
  /** What client certificates are checked against: in the configuration itself, and the name of the secret that adds to it. */
  readonly validation: CertificateValidationContext | undefined;
  readonly validationSecret: string | undefined;
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  readonly alpn: readonly string[];
  readonly parameters: TlsVersionsAndCiphers;
  /** TLS session tickets: resumption without state on the server. */
  readonly sessionTickets: boolean;
  /** Seconds a session can be resumed; undefined = OpenSSL's default. */
  readonly sessionTimeout: number | undefined;
}

/** In the terms of node:tls. */
export interface TlsVersionsAndCiphers {
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  readonly ciphers: string;
  readonly ecdhCurve: string;
  readonly sigalgs?: string;
}

const VERSIONS: Record<TlsProtocol, SecureVersion | undefined> = {
  [TlsProtocol.TLS_AUTO]: undefined,
  [TlsProtocol.TLSv1_0]: 'TLSv1',
  [TlsProtocol.TLSv1_1]: 'TLSv1.1',
  [TlsProtocol.TLSv1_2]: 'TLSv1.2',
  [TlsProtocol.TLSv1_3]: 'TLSv1.3',
};

/** Not configurable in Envoy either: `cipher_suites` speaks of TLS up to 1.2. */
const TLS13_CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
/** Envoy's default `cipher_suites`. */
const DEFAULT_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
/** Envoy's default `ecdh_curves`. */
const DEFAULT_CURVES = ['X25519', 'P-256'];

/**
 * @param field where it stands, for errors
 * @throws ConfigError for what is not supported or does not exist
 */
export function compileServerTls(context: DownstreamTlsContext, field: string): ServerTlsConfig {
  const common = context.commonTlsContext;
  const at = `${field}.common_tls_context`;
  if (common === undefined) throw new ConfigError(`${at}: missing`);
  const unsupported =
    (common.tlsCertificateProviderInstance && 'tls_certificate_provider_instance') ||
    (common.tlsCertificateCertificateProvider && 'tls_certificate_certificate_provider') ||
    (common.tlsCertificateCertificateProviderInstance && 'tls_certificate_certificate_provider_instance') ||
    (common.customHandshaker && 'custom_handshaker');
  if (unsupported) throw new ConfigError(`${at}.${unsupported}: not supported, expected certificates inline or by SDS`);
  const { validation, validationSecret } = validationOf(common.validationContextType, at);
  const identities = common.tlsCertificates.map((certificate, index) =>
    compileIdentity(certificate, `${at}.tls_certificates[${index}]`),
  );
  for (const { sdsConfig } of common.tlsCertificateSdsSecretConfigs)
    requireGrpc(sdsConfig, `${at}.tls_certificate_sds_secret_configs.sds_config`);
  const identitySecrets = common.tlsCertificateSdsSecretConfigs.map((config) => config.name);
  if (identities.length + identitySecrets.length === 0) throw new ConfigError(`${at}: no certificate`);
  const requireClientCertificate = context.requireClientCertificate ?? false;
  return {
    identities,
    identitySecrets,
    validation,
    validationSecret,
    requireClientCertificate,
    requireSni: context.requireSni ?? false,
    alpn: common.alpnProtocols,
    parameters: compileParameters(common.tlsParams, `${at}.tls_params`),
    sessionTickets: !(
      context.sessionTicketKeysType.case === 'disableStatelessSessionResumption' && context.sessionTicketKeysType.value
    ),
    sessionTimeout: context.sessionTimeout === undefined ? undefined : Number(context.sessionTimeout.seconds),
  };
}

type ValidationContextType = NonNullable<DownstreamTlsContext['commonTlsContext']>['validationContextType'];

function validationOf(
  type: ValidationContextType,
  field: string,
): { validation: CertificateValidationContext | undefined; validationSecret: string | undefined } {
  switch (type.case) {
    case undefined:
      return { validation: undefined, validationSecret: undefined };
    case 'validationContext':
      checkTrust(type.value, `${field}.validation_context`);
      return { validation: type.value, validationSecret: undefined };
    case 'validationContextSdsSecretConfig':
      requireGrpc(type.value.sdsConfig, `${field}.validation_context_sds_secret_config.sds_config`);
      return { validation: undefined, validationSecret: type.value.name };
    case 'combinedValidationContext': {
      const { defaultValidationContext, validationContextSdsSecretConfig } = type.value;
      requireGrpc(
        validationContextSdsSecretConfig?.sdsConfig,
        `${field}.combined_validation_context.validation_context_sds_secret_config.sds_config`,
      );
      if (defaultValidationContext !== undefined)
        checkTrust(defaultValidationContext, `${field}.combined_validation_context.default_validation_context`);
      return { validation: defaultValidationContext, validationSecret: validationContextSdsSecretConfig?.name };
    }
    default:
      throw new ConfigError(
        `${field}: a ${type.case} is not supported, expected a validation context inline or by SDS`,
      );
  }
}

// Most chains of a gateway have the same parameters: OpenSSL checks each combination once.
const checkedParameters = new Map<string, TlsVersionsAndCiphers>();

/**
 * @param defaultMaximum the highest version where none is given
 * @throws ConfigError for what OpenSSL does not know
 */
export function compileParameters(
  params: TlsParameters | undefined,
  field: string,
  defaultMaximum: SecureVersion = 'TLSv1.3',
): TlsVersionsAndCiphers {
  const minVersion = VERSIONS[params?.tlsMinimumProtocolVersion ?? TlsProtocol.TLS_AUTO] ?? 'TLSv1.2';
  const maxVersion = VERSIONS[params?.tlsMaximumProtocolVersion ?? TlsProtocol.TLS_AUTO] ?? defaultMaximum;
  if (minVersion > maxVersion)
    throw new ConfigError(
      `${field}: tls_minimum_protocol_version ${minVersion} is above tls_maximum_protocol_version ${maxVersion}`,
    );
  const suites = params?.cipherSuites.length ? params.cipherSuites : DEFAULT_CIPHERS;
  // BoringSSL's [A|B] (equal preference) has no counterpart in OpenSSL: A before B.
  const names = suites.flatMap((suite) => suite.replace(/^\[|\]$/g, '').split('|'));
  // OpenSSL's security level 2 knows no TLS below 1.2; whoever configures it wants it nevertheless.
  const level = minVersion < 'TLSv1.2' ? ':@SECLEVEL=0' : '';
  const curves = params?.ecdhCurves.length ? params.ecdhCurves : DEFAULT_CURVES;
  const parameters: TlsVersionsAndCiphers = {
    minVersion,
    maxVersion,
    ciphers: `${TLS13_CIPHERS}:${names.join(':')}${level}`,
    ecdhCurve: curves.join(':'),
    ...(params?.signatureAlgorithms.length ? { sigalgs: sigalgsOf(params.signatureAlgorithms) } : {}),
  };
  const key = JSON.stringify(parameters);
  const known = checkedParameters.get(key);
  if (known !== undefined) return known;
  // OpenSSL ignores names it does not know as long as one is left: each is tried alone.
  for (const name of names) {
    try {
      createSecureContext({ ciphers: name, maxVersion: 'TLSv1.2' });
    } catch {
      throw new ConfigError(
        `${field}.cipher_suites: '${name}' is unknown, expected OpenSSL names such as ECDHE-RSA-AES128-GCM-SHA256`,
      );
    }
  }
  try {
    createSecureContext({ ...parameters });
  } catch (error) {
    throw new ConfigError(`${field}: ${(error as Error).message}`);
  }
  checkedParameters.set(key, parameters);
  return parameters;
}

// IANA names (rsa_pss_rsae_sha256) are OpenSSL names too.
function sigalgsOf(algorithms: readonly string[]): string {
  return algorithms.join(':');
}
