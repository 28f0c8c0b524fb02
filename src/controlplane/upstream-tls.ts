// TLS to the endpoints of a cluster, as a DestinationRule wants it.
// https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { ServiceEntry } from '../resources/types.ts';
import {
  type DataSource,
  DataSourceSchema,
  type TransportSocket,
  TransportSocketSchema,
} from '../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
  TlsParametersSchema,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type CommonTlsContext,
  CommonTlsContext_CombinedCertificateValidationContextSchema,
  CommonTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { sanMatcher, sdsConfig } from './listeners/tls.ts';
import type { MeshService } from './registry/service.ts';
import { CA_SUFFIX, secretResourceName } from './secret-names.ts';
import type { ClientTls } from './traffic-policy.ts';

/** How a cluster's connections are secured. */
export type UpstreamTls =
  | { readonly kind: 'plain'; readonly notice?: string }
  | {
      readonly kind: 'tls';
      readonly transportSocket: TransportSocket;
      /** No `sni` is given: each request's host is asked for. */
      readonly autoSni: boolean;
      /** Neither are names: the certificate must be for that host. */
      readonly autoSanValidation: boolean;
    }
  /** What is asked for can't be done: then there is no cluster, since in the clear is what was not wanted. */
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * Where Debian and what stems from it keep the certificates that everyone trusts: they verify a server unless
 * `caCertificates` names others. (Istio's agent looks for the system's own place; a file is all that Envoy can be told.)
 */
const SYSTEM_CA_FILE = '/etc/ssl/certs/ca-certificates.crt';

/** Translates `trafficPolicy.tls`. @param http2 whether the cluster speaks HTTP/2 */
export function upstreamTls(tls: ClientTls | undefined, service: MeshService, http2: boolean): UpstreamTls {
  if (tls === undefined) return { kind: 'plain' };
  switch (tls.mode) {
    case undefined:
    case 'DISABLE':
      return { kind: 'plain' };
    case 'ISTIO_MUTUAL':
      return service.external
        ? {
            kind: 'refused',
            problem: `is ISTIO_MUTUAL, but ${service.hostname} is outside the mesh and Limen issues no mesh certificates`,
          }
        : {
            kind: 'plain',
            notice: 'is ISTIO_MUTUAL, but Limen issues no mesh certificates: connections are in the clear',
          };
    default:
      return originate(tls, service, http2);
  }
}

function originate(tls: ClientTls, service: MeshService, http2: boolean): UpstreamTls {
  const { mode, credentialName, clientCertificate, privateKey, sni = '' } = tls;
  const common = create(CommonTlsContextSchema, {
    // Envoy's clients stop at TLS 1.2 unless told.
    tlsParams: create(TlsParametersSchema, {
      tlsMinimumProtocolVersion: TlsProtocol.TLSv1_2,
      tlsMaximumProtocolVersion: TlsProtocol.TLSv1_3,
    }),
    alpnProtocols: http2 ? ['h2'] : [],
  });
  if (mode === 'MUTUAL') {
    if (credentialName) common.tlsCertificateSdsSecretConfigs = [sdsConfig(secretResourceName(credentialName))];
    else if (clientCertificate && privateKey)
      common.tlsCertificates = [
        create(TlsCertificateSchema, { certificateChain: file(clientCertificate), privateKey: file(privateKey) }),
      ];
    else return { kind: 'refused', problem: 'is MUTUAL without credentialName, or clientCertificate and privateKey' };
  }
  const own = tls.subjectAltNames ?? [];
  const names = own.length > 0 ? own : subjectAltNamesOf(service);
  if (!tls.insecureSkipVerify) common.validationContextType = validation(tls, names);
  const context = create(UpstreamTlsContextSchema, { commonTlsContext: common, sni });
  return {
    kind: 'tls',
    transportSocket: create(TransportSocketSchema, {
      name: 'envoy.transport_sockets.tls',
      configType: { case: 'typedConfig', value: anyPack(UpstreamTlsContextSchema, context) },
    }),
    autoSni: sni === '',
    autoSanValidation: sni === '' && own.length === 0 && !tls.insecureSkipVerify,
  };
}

function validation(
  { credentialName, caCertificates, caCrl }: ClientTls,
  names: readonly string[],
): CommonTlsContext['validationContextType'] {
  const matchTypedSubjectAltNames = names.map(sanMatcher);
  if (credentialName) {
    return {
      case: 'combinedValidationContext',
      value: create(CommonTlsContext_CombinedCertificateValidationContextSchema, {
        defaultValidationContext: create(CertificateValidationContextSchema, { matchTypedSubjectAltNames }),
        validationContextSdsSecretConfig: sdsConfig(secretResourceName(`${credentialName}${CA_SUFFIX}`)),
      }),
    };
  }
  const value = create(CertificateValidationContextSchema, {
    trustedCa: file(caCertificates || SYSTEM_CA_FILE),
    matchTypedSubjectAltNames,
  });
  if (caCrl) value.crl = file(caCrl);
  return { case: 'validationContext', value };
}

/** What a ServiceEntry says its certificates are for. */
function subjectAltNamesOf({ source }: MeshService): readonly string[] {
  return source.kind === 'ServiceEntry' ? ((source as ServiceEntry).spec?.subjectAltNames ?? []) : [];
}

/** A file on the machine of the proxy. */
function file(path: string): DataSource {
  return create(DataSourceSchema, { specifier: { case: 'filename', value: path } });
}
