// The server side of TLS for one filter chain: handshakes with the newest secrets, checks client certificates, hands over what is secure.

import { constants, hkdfSync, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Logger } from 'pino';
import {
  type CertificateValidationContext,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { TlsInfo } from '../connection.ts';
import type { Stats } from '../stats/stats.ts';
import { type CertificateCheck, compileCertificateCheck, peerCertificate } from './client-certificate.ts';
import { inlineText } from './data-source.ts';
import type { CompiledSecret, Identity, SecretSet } from './secrets.ts';
import type { ServerTlsConfig } from './server-tls-config.ts';

/** What a terminator shares with those of other chains. */
export interface TlsServices {
  readonly secrets: SecretSet;
  readonly stats: Stats;
  /** `listener.<address>.` */
  readonly statPrefix: string;
  /** Secret of all workers of this data plane, from which the keys of session tickets are made: one worker's ticket is good at another. */
  readonly ticketSecret: Buffer;
  readonly log: Logger;
}

/** One chain's TLS. */
export class TlsTerminator {
  readonly #config: ServerTlsConfig;
  readonly #services: TlsServices;
  /** Names the chain in logs. */
  readonly #chain: string;
  readonly #timeoutMs: number;
  readonly #onSecure: (socket: TLSSocket, info: TlsInfo) => void;
  /** Made at the first connection, and anew when a secret it was made from has changed. */
  #server: Server | undefined;
  /** The same, for clients that offer no protocol of ours. Made when the first of them comes. */
  #serverWithoutAlpn: Server | undefined;
  #madeFrom: readonly (CompiledSecret | undefined)[] = [];
  #complainedAbout = '';

  constructor(
    config: ServerTlsConfig,
    services: TlsServices,
    chain: string,
    timeoutMs: number,
    onSecure: (socket: TLSSocket, info: TlsInfo) => void,
  ) {
    this.#config = config;
    this.#services = services;
    this.#chain = chain;
    this.#timeoutMs = timeoutMs;
    this.#onSecure = onSecure;
  }

  /**
   * Starts the handshake on a paused socket whose bytes read so far were put back. The socket is the terminator's until it is secure.
   * @param offered what the client offers in ALPN; empty where it offers nothing, or where nobody has looked
   */
  accept(socket: Socket, offered: readonly string[]): void {
    const server = this.#currentServer();
    if (server === undefined) {
      this.#count('server_ssl_socket_factory.downstream_context_secrets_not_ready');
      socket.destroy();
      return;
    }
    // Where no protocol is common OpenSSL ends the handshake with an alert; Envoy goes on as if ALPN had not been offered.
    const agrees = offered.length === 0 || offered.some((protocol) => this.#config.alpn.includes(protocol));
    if (!agrees) this.#serverWithoutAlpn ??= this.#createServer(this.#madeFrom as CompiledSecret[], []);
    ((agrees ? undefined : this.#serverWithoutAlpn) ?? server).emit('connection', socket);
  }

  #currentServer(): Server | undefined {
    const { identitySecrets, validationSecret } = this.#config;
    const names = validationSecret === undefined ? identitySecrets : [...identitySecrets, validationSecret];
    const secrets = names.map((name) => this.#services.secrets.get(name));
    if (this.#server !== undefined && secrets.every((secret, index) => secret === this.#madeFrom[index]))
      return this.#server;
    this.#serverWithoutAlpn = undefined;
    const problem = this.#problemOf(names, secrets);
    if (problem !== undefined) {
      if (problem !== this.#complainedAbout)
        this.#services.log.warn(
          { filterChain: this.#chain },
          `${problem}: connections to this filter chain are closed`,
        );
      this.#complainedAbout = problem;
      this.#server = undefined;
      return undefined;
    }
    this.#complainedAbout = '';
    this.#madeFrom = secrets;
    try {
      this.#server = this.#createServer(secrets as CompiledSecret[], this.#config.alpn);
    } catch (error) {
      // Every part was checked when it arrived; what is left is a combination that OpenSSL does not like.
      this.#services.log.error({ filterChain: this.#chain, err: error }, 'TLS context refused by OpenSSL');
      this.#server = undefined;
    }
    return this.#server;
  }

  #problemOf(names: readonly string[], secrets: readonly (CompiledSecret | undefined)[]): string | undefined {
    for (const [index, secret] of secrets.entries()) {
      const wanted = index < this.#config.identitySecrets.length ? 'identity' : 'validation';
      if (secret === undefined) return `secret ${names[index]} is missing`;
      if (secret.kind !== wanted)
        return wanted === 'identity'
          ? `secret ${names[index]} holds no certificate with a key`
          : `secret ${names[index]} holds no CA certificate`;
    }
    return undefined;
  }

  #createServer(secrets: readonly CompiledSecret[], alpn: readonly string[]): Server {
    const config = this.#config;
    const identities: Identity[] = [...config.identities];
    const contexts: CertificateValidationContext[] = config.validation === undefined ? [] : [config.validation];
    for (const secret of secrets) {
      if (secret.kind === 'identity') identities.push(secret.identity);
      else contexts.push(secret.context);
    }
    const texts = (read: (context: CertificateValidationContext) => string | undefined) =>
      contexts.map(read).filter((text) => text !== undefined);
    const ca = texts((context) => inlineText(context.trustedCa, 'trusted_ca'));
    const crl = texts((context) => inlineText(context.crl, 'crl'));
    const check = contexts.length === 0 ? undefined : compileCertificateCheck(contexts, this.#chain);
    // Without a CA there is no chain of trust to check: any certificate will do (Envoy), or one of the given hashes.
    const strict = ca.length > 0 && !contexts.some(isLenient);
    const options: TlsOptions = {
      ...config.parameters,
      cert: identities.map((identity) => identity.cert),
      key: identities.map(({ key, passphrase }) => (passphrase === undefined ? key : { pem: key, passphrase })) as
        | string[]
        | { pem: string; passphrase: string }[],
      ...(ca.length > 0 ? { ca } : {}),
      ...(crl.length > 0 ? { crl } : {}),
      // A trusted_ca that is an intermediate is trusted, as in Envoy.
      allowPartialTrustChain: true,
      requestCert: contexts.length > 0 || config.requireClientCertificate,
      // Has OpenSSL refuse a client without a certificate, with the alert that says so. Node then also closes on one that is not trusted.
      rejectUnauthorized: config.requireClientCertificate && strict,
      honorCipherOrder: true,
      handshakeTimeout: this.#timeoutMs,
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
      ...(config.sessionTimeout === undefined ? {} : { sessionTimeout: config.sessionTimeout }),
      ...(config.sessionTickets
        ? { ticketKeys: this.#ticketKeys(identities, ca) }
        : { secureOptions: constants.SSL_OP_NO_TICKET }),
    };
    const server = createServer(options);
    server.on('secureConnection', (socket) => this.#judge(socket, check, ca.length > 0));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => this.#failed(error, socket));
    return server;
  }

  // Bound to certificate and trust: a session that was agreed under another CA must not skip the check of the new one.
  #ticketKeys(identities: readonly Identity[], ca: readonly string[]): Buffer {
    const info = [this.#chain, ...identities.map((identity) => identity.cert), ...ca].join('\0');
    const salt = new Uint8Array(0);
    const material = Buffer.concat([this.#services.ticketSecret, Buffer.from(info)]);
    return Buffer.from(hkdfSync('sha256', material, salt, 'limen session tickets', 48));
  }

  #judge(socket: TLSSocket, check: CertificateCheck | undefined, checksTrust: boolean): void {
    socket.on('error', () => {}); // until the filter listens
    const certificate = socket.getPeerX509Certificate();
    const refusal = this.#refusalOf(socket, certificate, check, checksTrust);
    if (refusal !== undefined) {
      this.#count(`ssl.${refusal.counter}`);
      const { reason } = refusal;
      this.#services.log.debug(
        { filterChain: this.#chain, remote: socket.remoteAddress, reason },
        'TLS client refused',
      );
      socket.destroy();
      return;
    }
    if (certificate === undefined) this.#count('ssl.no_certificate');
    const version = socket.getProtocol() ?? '';
    const cipher = socket.getCipher().standardName;
    this.#count('ssl.handshake');
    if (socket.isSessionReused()) this.#count('ssl.session_reused');
    this.#count(`ssl.versions.${version}`);
    this.#count(`ssl.ciphers.${socket.getCipher().name}`);
    socket.pause();
    this.#onSecure(socket, {
      version,
      cipher,
      peer: certificate === undefined ? undefined : peerCertificate(certificate),
    });
  }

  #refusalOf(
    socket: TLSSocket,
    certificate: X509Certificate | undefined,
    check: CertificateCheck | undefined,
    checksTrust: boolean,
  ): { counter: string; reason: string } | undefined {
    if (this.#config.requireSni && !socket.servername) return { counter: 'connection_error', reason: 'no SNI' };
    if (certificate === undefined)
      return this.#config.requireClientCertificate
        ? { counter: 'fail_verify_no_cert', reason: 'no client certificate' }
        : undefined;
    const trustError =
      !checksTrust || socket.authorized ? undefined : String(socket.authorizationError ?? 'UNABLE_TO_VERIFY');
    const failure = check?.(certificate, trustError);
    return failure === undefined ? undefined : { counter: failure, reason: trustError ?? failure };
  }

  #failed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const reason = socket.authorizationError ? String(socket.authorizationError) : (error.code ?? error.message);
    if (error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') this.#count('ssl.fail_verify_no_cert');
    else if (socket.authorizationError) this.#count('ssl.fail_verify_error');
    else this.#count('ssl.connection_error');
    this.#services.log.debug(
      { filterChain: this.#chain, remote: socket.remoteAddress, reason },
      'TLS handshake failed',
    );
    socket.on('error', () => {});
    socket.destroy();
  }

  #count(name: string): void {
    this.#services.stats.counter(this.#services.statPrefix + name).value += 1;
  }
}

/** Some certificates that OpenSSL does not trust are accepted. */
function isLenient(context: CertificateValidationContext): boolean {
  return context.allowExpiredCertificate || context.trustChainVerification === TrustChainVerification.ACCEPT_UNTRUSTED;
}
