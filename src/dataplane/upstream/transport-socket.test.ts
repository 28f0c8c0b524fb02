// TLS to upstreams: whom it trusts, what it shows, what it says when it can't be had, and that nothing is ever sent in the clear instead.

import { connect } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { UpstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '../../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { ConfigError } from '../connection.ts';
import * as xds from '../test-support.ts';
import { SecretSet } from '../tls/secrets.ts';
import { createAuthority, type TestAuthority, type TestCertificate } from '../tls/test-certificates.ts';
import { compileTransport, tlsFailure } from './transport-socket.ts';

const WHERE = 'Cluster a: transport_socket';

let authority: TestAuthority;
let stranger: TestAuthority;
let server: TestCertificate;
let client: TestCertificate;
beforeAll(() => {
  authority = createAuthority();
  stranger = createAuthority('someone else');
  server = authority.issue('a.test', ['a.test', '*.wild.test', 'spiffe://cluster.local/ns/a/sa/a']);
  client = authority.issue('client');
});

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const registry = createRegistry(UpstreamTlsContextSchema, HttpProtocolOptionsSchema);
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** A cluster with TLS. */
const cluster = (common: object, sni = '') =>
  fromJson(
    ClusterSchema,
    {
      name: 'c',
      transportSocket: {
        name: 'envoy.transport_sockets.tls',
        typedConfig: { '@type': TLS, sni, commonTlsContext: common } as JsonValue,
      },
    },
    { registry },
  );
const trusting = (ca: string, names: readonly object[] = []) => ({
  validationContext: { trustedCa: { inlineString: ca }, matchTypedSubjectAltNames: names },
});

/** A server that says the SNI and the client's name. */
async function serve(options: TlsOptions = {}): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const upstream = createServer({ cert: server.cert, key: server.key, ...options }, (socket: TLSSocket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.end(`${socket.servername || 'no SNI'} ${socket.getPeerX509Certificate()?.subject ?? 'nobody'}`);
  });
  upstream.on('tlsClientError', () => {});
  undo.push(() => new Promise((resolve) => upstream.close(resolve)));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  return { port: (upstream.address() as { port: number }).port, connections: () => connections };
}

/** What comes back, or why nothing does. */
async function dial(
  config: ReturnType<typeof cluster>,
  port: number,
  {
    serverName,
    verify = false,
    secrets = new SecretSet(),
  }: { serverName?: string; verify?: boolean; secrets?: SecretSet } = {},
): Promise<string> {
  const transport = compileTransport(config.transportSocket, WHERE, verify, {
    connect,
    secret: (name) => secrets.get(name),
  });
  const socket = transport.connect({ host: '127.0.0.1', port }, serverName);
  return new Promise((resolve) => {
    let text = '';
    let failure = '';
    let secure = false;
    socket.on(transport.connectedEvent, () => {
      secure = true;
    });
    socket.on('data', (bytes: Buffer) => {
      text += bytes;
    });
    socket.on('error', (error) => {
      failure = tlsFailure(error) ?? error.message;
    });
    socket.on('close', () => resolve(failure === '' ? text : `${secure ? 'secure, then ' : ''}${failure}`));
  });
}

describe('TLS to an upstream', () => {
  it('asks for the configured name and trusts what the given CA has issued', async () => {
    const { port } = await serve();
    expect(await dial(cluster(trusting(authority.ca), 'a.test'), port)).toBe('a.test nobody');
  });

  it('asks for the host of the request where no name is configured; an address is no name', async () => {
    const { port } = await serve();
    const config = cluster(trusting(authority.ca));
    expect(await dial(config, port, { serverName: 'shop.test' })).toBe('shop.test nobody');
    expect(await dial(config, port, { serverName: '127.0.0.1' })).toBe('no SNI nobody');
    expect(await dial(cluster(trusting(authority.ca), 'a.test'), port, { serverName: 'b.test' })).toBe('a.test nobody');
  });

  it('refuses a certificate of a stranger before it is secure', async () => {
    const { port } = await serve();
    expect(await dial(cluster(trusting(stranger.ca), 'a.test'), port)).toMatch(
      /^TLS_error:\|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:.*:TLS_error_end$/,
    );
  });

  it('refuses an expired certificate', async () => {
    const { port } = await serve(authority.issue('a.test', ['a.test'], true));
    expect(await dial(cluster(trusting(authority.ca), 'a.test'), port)).toContain('certificate has expired');
  });

  it.each([
    ['DNS', 'a.test'],
    ['DNS', 'x.wild.test'],
    ['URI', 'spiffe://cluster.local/ns/a/sa/a'],
  ])('takes a certificate that has the %s name %s', async (sanType, exact) => {
    const { port } = await serve();
    const config = cluster(trusting(authority.ca, [{ sanType, matcher: { exact } }]), 'a.test');
    expect(await dial(config, port)).toBe('a.test nobody');
  });

  it.each([
    ['DNS', 'b.test'],
    ['DNS', 'x.y.wild.test'],
    ['DNS', 'wild.test'],
    ['URI', 'a.test'],
  ])('refuses a certificate that lacks the %s name %s', async (sanType, exact) => {
    const { port, connections } = await serve();
    const config = cluster(trusting(authority.ca, [{ sanType, matcher: { exact } }]), 'a.test');
    expect(await dial(config, port)).toContain('CERTIFICATE_VERIFY_FAILED:verify cert failed: SAN matcher');
    expect(connections()).toBeLessThanOrEqual(1);
  });

  it('holds the certificate against the host of the request where that is asked for', async () => {
    const { port } = await serve();
    const config = cluster(trusting(authority.ca));
    expect(await dial(config, port, { verify: true, serverName: 'a.test' })).toBe('a.test nobody');
    expect(await dial(config, port, { verify: true, serverName: 'b.test' })).toContain('SAN matcher');
    expect(await dial(config, port, { verify: true, serverName: '' })).toContain('no name to hold');
    // What is no request asks for no host.
    expect(await dial(config, port, { verify: true })).toBe('no SNI nobody');
  });

  it('verifies nothing without a CA, as configured', async () => {
    const { port } = await serve();
    expect(await dial(cluster({}, 'anything.test'), port)).toBe('anything.test nobody');
  });

  it('shows its certificate, which SDS brings, and the newest one', async () => {
    const { port } = await serve({ requestCert: true, ca: authority.ca });
    const secrets = new SecretSet();
    const config = cluster(
      {
        tlsCertificateSdsSecretConfigs: [{ name: 'client' }],
        combinedValidationContext: {
          defaultValidationContext: {},
          validationContextSdsSecretConfig: { name: 'ca' },
        },
      },
      'a.test',
    );
    expect(await dial(config, port, { secrets })).toBe('TLS error: Secret is not supplied by SDS');
    secrets.update(xds.identitySecret('client', client));
    secrets.update(xds.caSecret('ca', stranger.ca));
    expect(await dial(config, port, { secrets })).toContain('CERTIFICATE_VERIFY_FAILED');
    secrets.update(xds.caSecret('ca', authority.ca));
    expect(await dial(config, port, { secrets })).toBe('a.test CN=client');
  });

  it('tells a refused connection from a failed handshake', async () => {
    const { port } = await serve();
    for (const step of undo.splice(0)) await step();
    expect(await dial(cluster(trusting(authority.ca), 'a.test'), port)).toContain('ECONNREFUSED');
  });

  it.each([
    [
      'an unreadable CA file',
      { validationContext: { trustedCa: { filename: '/nowhere/ca.pem' } } },
      /ca.pem can't be read \(ENOENT\)/,
    ],
    ['a CA that is none', { validationContext: { trustedCa: { inlineString: 'x' } } }, /not a PEM certificate/],
    [
      'a check that it can’t do',
      { validationContext: { verifyCertificateHash: ['00'] } },
      /verify_certificate_hash: not supported/,
    ],
    [
      'names that no CA verifies',
      { validationContext: { matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: 'a' } }] } },
      /no trusted_ca verifies/,
    ],
  ])('refuses a cluster with %s', (_what, common, message) => {
    const compile = () =>
      compileTransport(cluster(common).transportSocket, WHERE, false, { connect, secret: () => undefined });
    expect(compile).toThrow(ConfigError);
    expect(compile).toThrow(message);
  });
});
