// TLS settings of a server into what Envoy ends TLS with.
// https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings

import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { GatewayServer } from '../../resources/types.ts';
import { type TransportSocket, TransportSocketSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  AggregatedConfigSourceSchema,
  ApiVersion,
  ConfigSourceSchema,
} from '../../xds/gen/envoy/config/core/v3/config_source_pb.js';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcher,
  SubjectAltNameMatcherSchema,
  type TlsParameters,
  TlsParametersSchema,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type SdsSecretConfig,
  SdsSecretConfigSchema,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  CommonTlsContext_CombinedCertificateValidationContextSchema,
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { StringMatcherSchema } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';
import { seconds } from '../duration.ts';
import { CA_SUFFIX, secretResourceName } from '../secret-names.ts';

/** What is offered by ALPN to clients of HTTPS servers, as by Istio's gateways. */
export const HTTP_ALPN: readonly string[] = ['h2', 'http/1.1'];

type ServerTls = NonNullable<GatewayServer['tls']>;

/**
 * The transport socket that ends TLS. The certificate comes over SDS, by the name of the credential.
 * @param tls mode SIMPLE, MUTUAL or OPTIONAL_MUTUAL, with a credentialName
 * @param alpn what to offer
 * @param secretSeconds how long the listener waits for its secrets before it serves without; undefined: Envoy's 15 s, as with Istio
 */
export function downstreamTls(tls: ServerTls, alpn: readonly string[], secretSeconds?: number): TransportSocket {
  const names = credentialNames(tls);
  const common = create(CommonTlsContextSchema, {
    alpnProtocols: [...alpn],
    tlsCertificateSdsSecretConfigs: names.map((name) => sdsConfig(secretResourceName(name), secretSeconds)),
  });
  const params = tlsParameters(tls);
  if (params !== undefined) common.tlsParams = params;
  if (verifiesClients(tls)) {
    common.validationContextType = {
      case: 'combinedValidationContext',
      value: create(CommonTlsContext_CombinedCertificateValidationContextSchema, {
        defaultValidationContext: create(CertificateValidationContextSchema, {
          matchTypedSubjectAltNames: (tls.subjectAltNames ?? []).map(sanMatcher),
          verifyCertificateHash: tls.verifyCertificateHash ?? [],
          verifyCertificateSpki: tls.verifyCertificateSpki ?? [],
        }),
        validationContextSdsSecretConfig: sdsConfig(secretResourceName(`${names[0]}${CA_SUFFIX}`), secretSeconds),
      }),
    };
  }
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: common,
    requireClientCertificate: tls.mode === 'MUTUAL',
  });
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: anyPack(DownstreamTlsContextSchema, context) },
  });
}

/** The credentials of a server: one, or one a key type. */
export function credentialNames({ credentialName, credentialNames: several }: ServerTls): string[] {
  return several !== undefined && several.length > 0 ? several : credentialName ? [credentialName] : [];
}

/** Whether clients may (or must) show a certificate. */
export function verifiesClients({ mode }: ServerTls): boolean {
  return mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
}

/**
 * A secret over the stream the proxy already has.
 * @param waitSeconds how long what needs it waits for it; undefined: Envoy's 15 s
 */
export function sdsConfig(name: string, waitSeconds?: number): SdsSecretConfig {
  return create(SdsSecretConfigSchema, {
    name,
    sdsConfig: create(ConfigSourceSchema, {
      configSourceSpecifier: { case: 'ads', value: create(AggregatedConfigSourceSchema) },
      resourceApiVersion: ApiVersion.V3,
      ...(waitSeconds === undefined ? {} : { initialFetchTimeout: seconds(waitSeconds) }),
    }),
  });
}

const PROTOCOLS = {
  TLS_AUTO: TlsProtocol.TLS_AUTO,
  TLSV1_0: TlsProtocol.TLSv1_0,
  TLSV1_1: TlsProtocol.TLSv1_1,
  TLSV1_2: TlsProtocol.TLSv1_2,
  TLSV1_3: TlsProtocol.TLSv1_3,
} as const;

function tlsParameters({ minProtocolVersion, maxProtocolVersion, cipherSuites }: ServerTls): TlsParameters | undefined {
  const min = PROTOCOLS[minProtocolVersion ?? 'TLS_AUTO'];
  const max = PROTOCOLS[maxProtocolVersion ?? 'TLS_AUTO'];
  const suites = knownCipherSuites(cipherSuites);
  if (min === TlsProtocol.TLS_AUTO && max === TlsProtocol.TLS_AUTO && suites.length === 0) return undefined;
  return create(TlsParametersSchema, {
    tlsMinimumProtocolVersion: min,
    tlsMaximumProtocolVersion: max,
    cipherSuites: suites,
  });
}

/** The cipher suites that Envoy (BoringSSL) knows; any other would make it refuse the listener, so Istio drops them. */
const CIPHER_SUITES = new Set([
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
  'AES256-SHA',
  'AES128-SHA',
  'DES-CBC3-SHA',
]);

/** The suites of a list that count, each once. */
export function knownCipherSuites(suites: readonly string[] | undefined): string[] {
  return [...new Set(suites ?? [])].filter((suite) => CIPHER_SUITES.has(suite));
}

/** A name that a certificate must have: a URI, an address or a DNS name, by its looks. */
export function sanMatcher(name: string): SubjectAltNameMatcher {
  return create(SubjectAltNameMatcherSchema, {
    sanType: sanTypeOf(name),
    matcher: create(StringMatcherSchema, { matchPattern: { case: 'exact', value: name } }),
  });
}

function sanTypeOf(name: string): SanType {
  if (name.includes('://')) return SanType.URI;
  if (name.includes('@')) return SanType.EMAIL;
  return isIP(name) === 0 ? SanType.DNS : SanType.IP_ADDRESS;
}
