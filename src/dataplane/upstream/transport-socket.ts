// How connections to a cluster's hosts are opened: in the clear, or by TLS with the server's certificate checked and our own shown.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-upstreamtlscontext

import { X509Certificate } from 'node:crypto';
import { Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls';
import { anyIs, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { TransportSocket } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { CertificateValidationContext } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { UpstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { ConfigError } from '../connection.ts';
import { compileCertificateCheck, hasName } from '../tls/client-certificate.ts';
import { inlineText } from '../tls/data-source.ts';
import type { CompiledSecret, Identity } from '../tls/secrets.ts';
import { compileUpstreamTls, type UpstreamTlsConfig } from './upstream-tls-config.ts';

/** Opens connections to the hosts of one cluster. */
export interface UpstreamTransport {
  /** What the socket emits when it can be used: TLS is more than a connection. */
  readonly connectedEvent: 'connect' | 'secureConnect';
  /**
   * @param serverName the host that a request asks for; undefined where there are no requests. SNI where none is configured, and (`verifyServerName`) a name
   *   that the certificate must have
   * @returns a socket that connects; it emits `error` with a `TlsError` when the handshake fails or the certificate is refused
   */
  connect(options: TcpNetConnectOpts, serverName?: string): Socket;
}

/** Where the transport gets sockets and secrets. */
export interface TransportDeps {
  readonly connect: (options: TcpNetConnectOpts) => Socket;
  readonly secret: (name: string) => CompiledSecret | undefined;
}

/** Why TLS could not be had, in Envoy's words: what the access log shows as `upstream_transport_failure_reason`. */
class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** A transport that can't be had: every connection fails. */
export function failingTransport(reason: string): UpstreamTransport {
  return { connectedEvent: 'connect', connect: () => failed(new TlsError(reason)) };
}

/**
 * The transport that a transport socket asks for.
 * @param where it stands, for errors
 * @param verifyServerName `auto_san_validation`
 * @throws ConfigError for what is not supported or can't be read
 */
export function compileTransport(
  transportSocket: TransportSocket | undefined,
  where: string,
  verifyServerName: boolean,
  deps: TransportDeps,
): UpstreamTransport {
  if (transportSocket === undefined || transportSocket.name === 'envoy.transport_sockets.raw_buffer')
    return { connectedEvent: 'connect', connect: deps.connect };
  const typed = transportSocket.configType.value;
  if (typed === undefined || !anyIs(typed, UpstreamTlsContextSchema))
    throw new ConfigError(
      `${where}: ${typed?.typeUrl ?? transportSocket.name} is not supported; use an UpstreamTlsContext or envoy.transport_sockets.raw_buffer`,
    );
  const context = anyUnpack(typed, UpstreamTlsContextSchema);
  if (context === undefined) throw new ConfigError(`${where}: can't be decoded`);
  return new TlsTransport(compileUpstreamTls(context, where), verifyServerName, where, deps);
}

/** What a handshake is made with: valid as long as the secrets are the same. */
interface Handshake {
  readonly secureContext: SecureContext;
  /** Whether the chain of trust counts. */
  readonly verifies: boolean;
  readonly check: ReturnType<typeof compileCertificateCheck> | undefined;
}

class TlsTransport implements UpstreamTransport {
  readonly connectedEvent = 'secureConnect';
  readonly #config: UpstreamTlsConfig;
  readonly #verifyServerName: boolean;
  readonly #where: string;
  readonly #deps: TransportDeps;
  #handshake: Handshake | undefined;
  #madeFrom: readonly CompiledSecret[] = [];

  constructor(config: UpstreamTlsConfig, verifyServerName: boolean, where: string, deps: TransportDeps) {
    this.#config = config;
    this.#verifyServerName = verifyServerName;
    this.#where = where;
    this.#deps = deps;
    // What is all there already is tried now, so that a combination OpenSSL does not like refuses the cluster.
    if (this.#secretNames().length === 0) this.#handshake = this.#compile([]);
  }

  connect(options: TcpNetConnectOpts, serverName?: string): Socket {
    const handshake = this.#currentHandshake();
    if (handshake instanceof TlsError) return failed(handshake);
    const { verifies, check, secureContext } = handshake;
    const alpn = alpnOf(this.#config.alpn, serverName !== undefined);
    const sni = this.#config.sni || (serverName ?? '');
    // Bytes that are no requests ask for no host: there is no name to hold the certificate against.
    const required = this.#verifyServerName ? serverName : undefined;
    if (required === '' && verifies)
      return failed(new TlsError('TLS_error:no name to hold the server certificate against:TLS_error_end'));
    return connectTls({
      socket: this.#deps.connect(options),
      secureContext,
      // RFC 6066 section 3: addresses are no server names.
      ...(sni !== '' && !isAddress(sni) ? { servername: sni } : {}),
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
      rejectUnauthorized: verifies,
      checkServerIdentity: (_host, peer) => refusal(peer, check, required),
    });
  }

  #secretNames(): string[] {
    const { identitySecret, validationSecret } = this.#config;
    return [identitySecret, validationSecret].filter((name) => name !== undefined);
  }

  #currentHandshake(): Handshake | TlsError {
    const secrets: CompiledSecret[] = [];
    for (const name of this.#secretNames()) {
      const secret = this.#deps.secret(name);
      const wanted = name === this.#config.identitySecret ? 'identity' : 'validation';
      if (secret === undefined) return new TlsError('TLS error: Secret is not supplied by SDS');
      if (secret.kind !== wanted) return new TlsError(`TLS_error:secret ${name} holds no ${wanted}:TLS_error_end`);
      secrets.push(secret);
    }
    if (this.#handshake !== undefined && secrets.every((secret, index) => secret === this.#madeFrom[index]))
      return this.#handshake;
    try {
      this.#handshake = this.#compile(secrets);
      this.#madeFrom = secrets;
      return this.#handshake;
    } catch (error) {
      this.#handshake = undefined;
      return new TlsError(`TLS_error:${(error as Error).message}:TLS_error_end`);
    }
  }

  #compile(secrets: readonly CompiledSecret[]): Handshake {
    const identities: Identity[] = this.#config.identity === undefined ? [] : [this.#config.identity];
    const contexts: CertificateValidationContext[] = this.#config.validation ? [this.#config.validation] : [];
    for (const secret of secrets) {
      if (secret.kind === 'identity') identities.push(secret.identity);
      else contexts.push(secret.context);
    }
    const texts = (field: 'trustedCa' | 'crl') =>
      contexts.map((context) => inlineText(context[field], field)).filter((text) => text !== undefined);
    const ca = texts('trustedCa');
    const crl = texts('crl');
    const names = contexts.flatMap((context) => [
      ...context.matchTypedSubjectAltNames,
      ...context.matchSubjectAltNames,
    ]);
    if (ca.length === 0 && names.length > 0)
      throw new ConfigError(`${this.#where}: names are asked of a certificate that no trusted_ca verifies`);
    try {
      return {
        secureContext: createSecureContext({
          ...this.#config.parameters,
          ...(ca.length > 0 ? { ca } : {}),
          ...(crl.length > 0 ? { crl } : {}),
          ...identityOptions(identities[0]),
        }),
        // As in Envoy: without a CA there is no chain of trust to verify.
        verifies: ca.length > 0,
        check: names.length > 0 ? compileCertificateCheck(contexts, this.#where) : undefined,
      };
    } catch (error) {
      throw error instanceof ConfigError ? error : new ConfigError(`${this.#where}: ${(error as Error).message}`);
    }
  }
}

/** What the mesh's clusters offer for bytes of any protocol. */
const MESH_ALPN = 'istio';
/** What Istio's `istio.alpn` filter makes of it for HTTP/1.1: by this a sidecar tells requests from other bytes. */
const MESH_HTTP1_ALPN = ['istio-http/1.1', 'istio', 'http/1.1'];

function alpnOf(configured: readonly string[], requests: boolean): readonly string[] {
  return requests && configured.includes(MESH_ALPN) ? MESH_HTTP1_ALPN : configured;
}

function identityOptions(identity: Identity | undefined): object {
  if (identity === undefined) return {};
  const { cert, key, passphrase } = identity;
  return passphrase === undefined ? { cert, key } : { cert, key, passphrase };
}

/** A connection that was never made. */
function failed(error: TlsError): Socket {
  return new Socket().destroy(error);
}

/** Why a certificate that is trusted is not the right one. Called before the socket says that it is secure. */
function refusal(peer: PeerCertificate, check: Handshake['check'], required: string | undefined): Error | undefined {
  const certificate = new X509Certificate(peer.raw);
  const fits =
    (required === undefined || hasName(certificate, required)) &&
    (check === undefined || check(certificate, undefined) === undefined);
  return fits ? undefined : verifyFailed('SAN matcher');
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':');
}

function verifyFailed(why: string): TlsError {
  // 268435581 is BoringSSL's number of CERTIFICATE_VERIFY_FAILED.
  return new TlsError(
    `TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ${why}:TLS_error_end`,
  );
}

/** What a failed handshake is called; undefined for an error that is not TLS's. */
export function tlsFailure(error: NodeJS.ErrnoException & { reason?: string }): string | undefined {
  if (error instanceof TlsError) return error.message;
  if (error.code === 'ERR_TLS_CERT_ALTNAME_INVALID') return verifyFailed('SAN matcher').message;
  if (error.code?.startsWith('ERR_SSL_'))
    return `TLS_error:|SSL routines:OPENSSL_internal:${error.code.slice('ERR_SSL_'.length)}:TLS_error_end`;
  return error.code !== undefined && VERIFY_ERRORS.has(error.code)
    ? verifyFailed(error.message.split(';')[0] as string).message
    : undefined;
}

/** OpenSSL's verdicts on a chain, by Node's names of them. https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes */
const VERIFY_ERRORS = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CRL_SIGNATURE_FAILURE',
  'CERT_NOT_YET_VALID',
  'CERT_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'INVALID_CA',
  'PATH_LENGTH_EXCEEDED',
  'INVALID_PURPOSE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'HOSTNAME_MISMATCH',
]);
