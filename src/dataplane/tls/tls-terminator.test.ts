import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { DownstreamConnection, NetworkFilter } from '../connection.ts';
import { ListenerSet } from '../listener/listener-set.ts';
import { Stats } from '../stats/stats.ts';
import * as xds from '../test-support.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { SecretSet } from './secrets.ts';
import { createAuthority, type TestAuthority, type TestCertificate } from './test-certificates.ts';

let authority: TestAuthority;
let stranger: TestAuthority;
let server: TestCertificate;
let other: TestCertificate;
let client: TestCertificate;
beforeAll(() => {
  authority = createAuthority();
  stranger = createAuthority('someone else');
  server = authority.issue('a.test');
  other = authority.issue('b.test');
  client = authority.issue('client', ['spiffe://cluster.local/ns/default/sa/client']);
});

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A listener behind a published port, whose filter greets and closes. */
async function listen(chains: ReturnType<typeof xds.chain>[], listenerInit: Parameters<typeof xds.listener>[2] = {}) {
  const stats = new Stats();
  const timers = new TimerWheel(5);
  timers.start();
  undo.push(() => timers.stop());
  const secrets = new SecretSet();
  const seen: DownstreamConnection[] = [];
  const filter: NetworkFilter = {
    onConnection(connection) {
      seen.push(connection);
      connection.socket.end('hello');
    },
    drain() {},
  };
  const set = new ListenerSet(undefined, {
    dataplane: { stats, timers, log: xds.testLog } as never, // what chains themselves use of it
    secrets,
    ticketSecret: Buffer.alloc(32),
    createFilter: () => filter,
  });
  undo.push(() => set.close());
  const [published] = await set.publish([{ host: '127.0.0.1', hostPort: 0, listenerPort: 8443 }]);
  await set.prepare(xds.listener(8443, chains, listenerInit));
  await set.activate('0.0.0.0_8443');
  const port = published?.hostPort ?? 0;
  const count = (name: string) => stats.counter(`listener.0.0.0.0_8443.${name}`).value;
  return { port, secrets, seen, count, set };
}

/** What a client gets: the greeting and its session, or the code of its error (`closed` where there was none). */
function dial(
  port: number,
  options: ConnectionOptions = {},
): Promise<{ text: string; error: string; socket: TLSSocket }> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.ca, servername: 'a.test', ...options });
    let text = '';
    let error = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('error', (reason: NodeJS.ErrnoException) => {
      error ||= reason.code ?? reason.message;
    });
    socket.on('close', () => resolve({ text, error: text === '' ? error || 'closed' : error, socket }));
  });
}

const simple = (secret: string, ...serverNames: string[]) =>
  xds.chain(xds.tcpFilter('unused'), { serverNames }, xds.tlsSocket(secret));

const mutual = (validation: object = {}, require = true) =>
  xds.chain(
    xds.tcpFilter('unused'),
    {},
    xds.tlsSocket('server', {
      requireClientCertificate: require,
      commonTlsContext: {
        validationContextType: {
          case: 'combinedValidationContext',
          value: { defaultValidationContext: validation, validationContextSdsSecretConfig: { name: 'ca' } },
        },
      },
    }),
  );

describe('a TLS filter chain', () => {
  it('is found by SNI and shows its own certificate', async () => {
    const { port, secrets, seen } = await listen([simple('one', 'a.test'), simple('two', 'b.test')]);
    secrets.update(xds.identitySecret('one', server));
    secrets.update(xds.identitySecret('two', other));
    expect((await dial(port)).text).toBe('hello');
    expect((await dial(port, { servername: 'b.test' })).text).toBe('hello');
    expect(seen.map((connection) => connection.serverName)).toEqual(['a.test', 'b.test']);
  });

  it('tells the filter version, cipher, ALPN and addresses', async () => {
    const { port, secrets, seen } = await listen([simple('one', 'a.test')], {});
    secrets.update(xds.identitySecret('one', server));
    const { socket } = await dial(port, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    expect(seen[0]).toMatchObject({
      alpn: 'http/1.1',
      localAddress: '127.0.0.1:8443',
      remoteIp: '127.0.0.1',
      tls: { version: 'TLSv1.3', peer: undefined },
    });
    expect(seen[0]?.tls?.cipher).toMatch(/^TLS_/);
  });

  it.each([['h2'], ['unheard-of']])('goes on without ALPN for a client that offers %s alone', async (offer) => {
    const { port, secrets, seen } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    expect(await dial(port, { ALPNProtocols: [offer] })).toMatchObject({ text: 'hello', error: '' });
    const renewed = stranger.issue('a.test');
    secrets.update(xds.identitySecret('one', renewed));
    expect(await dial(port, { ALPNProtocols: [offer], ca: stranger.ca })).toMatchObject({ text: 'hello', error: '' });
    expect(seen.map(({ alpn }) => alpn)).toEqual(['', '']);
  });

  it.each([
    ['no SNI', { servername: '' }],
    ['an unknown name', { servername: 'x.test' }],
  ])('closes a connection with %s without an alert, and counts it', async (_what, options) => {
    const { port, secrets, count } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    expect((await dial(port, options)).error).toBe('ECONNRESET');
    expect(count('no_filter_chain_match')).toBe(1);
  });

  it('resets a connection that is no TLS', async () => {
    const { port } = await listen([simple('one', 'a.test')]);
    const socket = connectPlain(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    const [error] = await once(socket, 'error');
    expect((error as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  });

  it('whose secret is missing closes its connections; other chains serve, and so does it once the secret comes', async () => {
    const { port, secrets } = await listen([simple('one', 'a.test'), simple('two', 'b.test')]);
    secrets.update(xds.identitySecret('two', other));
    expect((await dial(port)).error).toBe('ECONNRESET');
    expect((await dial(port, { servername: 'b.test' })).text).toBe('hello');
    secrets.update(xds.identitySecret('one', server));
    expect((await dial(port)).text).toBe('hello');
  });

  it('serves a changed secret in the next handshake', async () => {
    const { port, secrets } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    await dial(port);
    const renewed = stranger.issue('a.test');
    secrets.update(xds.identitySecret('one', renewed));
    expect((await dial(port)).error).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/);
    expect((await dial(port, { ca: stranger.ca })).text).toBe('hello');
  });

  it('goes on with the secret it has when a new one is refused', async () => {
    const { port, secrets } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    expect(() => secrets.update(xds.identitySecret('one', { cert: server.cert, key: other.key }))).toThrow(
      'secret one: the private key does not belong to the certificate',
    );
    expect(() => secrets.update(xds.identitySecret('one', { cert: 'x', key: server.key }))).toThrow(
      'not a PEM certificate',
    );
    expect((await dial(port)).text).toBe('hello');
  });

  it('lets a client resume its session, and no more once the certificate changed', async () => {
    const { port, secrets, count } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    const first = connect({ port, host: '127.0.0.1', ca: authority.ca, servername: 'a.test' });
    first.resume();
    const [session] = (await once(first, 'session')) as [Buffer];
    expect((await dial(port, { session })).text).toBe('hello');
    expect(count('ssl.session_reused')).toBe(1);
    secrets.update(xds.identitySecret('one', authority.issue('a.test')));
    expect((await dial(port, { session })).text).toBe('hello');
    expect(count('ssl.session_reused')).toBe(1);
  });

  it('keeps to its versions and cipher suites', async () => {
    const limited = xds.chain(
      xds.tcpFilter('unused'),
      {},
      xds.tlsSocket('one', {
        commonTlsContext: {
          tlsParams: {
            tlsMaximumProtocolVersion: TlsProtocol.TLSv1_2,
            cipherSuites: ['[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-RSA-AES256-GCM-SHA384]'],
          },
        },
      }),
    );
    const { port, secrets, seen } = await listen([limited]);
    secrets.update(xds.identitySecret('one', server));
    expect((await dial(port)).text).toBe('hello');
    expect(seen[0]?.tls).toMatchObject({ version: 'TLSv1.2', cipher: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384' });
    expect((await dial(port, { minVersion: 'TLSv1.3' })).error).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  it('with an unknown cipher suite is refused by its name', async () => {
    const wrong = xds.tlsSocket('one', { commonTlsContext: { tlsParams: { cipherSuites: ['ECDHE-NONSENSE'] } } });
    await expect(listen([xds.chain(xds.tcpFilter('unused'), {}, wrong)])).rejects.toThrow(
      /filter_chains\[0\]\.transport_socket\.common_tls_context\.tls_params\.cipher_suites: 'ECDHE-NONSENSE' is unknown/,
    );
  });

  it('takes no plain text', async () => {
    const { port, secrets, count } = await listen([xds.chain(xds.tcpFilter('unused'), {}, xds.tlsSocket('one'))]);
    secrets.update(xds.identitySecret('one', server));
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect(count('ssl.connection_error')).toBe(1);
  });

  it('closes a client that does not finish its handshake in time', async () => {
    const chain = xds.chain(xds.tcpFilter('unused'), {}, xds.tlsSocket('one'));
    chain.transportSocketConnectTimeout = { $typeName: 'google.protobuf.Duration', seconds: 0n, nanos: 20_000_000 };
    const { port, secrets } = await listen([chain]);
    secrets.update(xds.identitySecret('one', server));
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'close');
  });

  it('closes a client that says nothing while its ClientHello is waited for', async () => {
    const timeout = { listenerFiltersTimeout: { seconds: 0n, nanos: 20_000_000 } };
    const { port, count } = await listen([simple('one', 'a.test')], timeout);
    const socket = connectPlain(port, '127.0.0.1');
    socket.resume();
    await once(socket, 'close');
    expect(count('downstream_pre_cx_timeout')).toBe(1);
  });
});

describe('client certificates', () => {
  it('are required: without one the client gets the alert certificate_required', async () => {
    const { port, secrets, count } = await listen([mutual()]);
    secrets.update(xds.identitySecret('server', server));
    secrets.update(xds.caSecret('ca', authority.ca));
    expect((await dial(port)).error).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
    expect(count('ssl.fail_verify_no_cert')).toBe(1);
  });

  it('of the CA are taken, and shown to the filter', async () => {
    const { port, secrets, seen } = await listen([mutual()]);
    secrets.update(xds.identitySecret('server', server));
    secrets.update(xds.caSecret('ca', authority.ca));
    expect((await dial(port, client)).text).toBe('hello');
    expect(seen[0]?.tls?.peer).toMatchObject({
      subject: 'CN=client',
      uriSans: ['spiffe://cluster.local/ns/default/sa/client'],
    });
    expect(seen[0]?.tls?.peer?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([true, false])('of another CA are refused (required: %s)', async (required) => {
    const { port, secrets, seen, count } = await listen([mutual({}, required)]);
    secrets.update(xds.identitySecret('server', server));
    secrets.update(xds.caSecret('ca', authority.ca));
    const { text } = await dial(port, stranger.issue('client'));
    expect([text, seen.length, count('ssl.fail_verify_error')]).toEqual(['', 0, 1]);
  });

  it('that have expired are refused, unless the configuration allows them', async () => {
    const expired = authority.issue('client', ['client'], true);
    for (const allowExpiredCertificate of [false, true]) {
      const { port, secrets } = await listen([mutual({ allowExpiredCertificate })]);
      secrets.update(xds.identitySecret('server', server));
      secrets.update(xds.caSecret('ca', authority.ca));
      expect((await dial(port, expired)).text).toBe(allowExpiredCertificate ? 'hello' : '');
    }
  });

  it('that are optional may be missing', async () => {
    const { port, secrets, count } = await listen([mutual({}, false)]);
    secrets.update(xds.identitySecret('server', server));
    secrets.update(xds.caSecret('ca', authority.ca));
    expect((await dial(port)).text).toBe('hello');
    expect(count('ssl.no_certificate')).toBe(1);
  });

  it('must have a subject name that the configuration names', async () => {
    const matcher = (value: string) => ({
      matchTypedSubjectAltNames: [{ sanType: SanType.URI, matcher: { matchPattern: { case: 'prefix', value } } }],
    });
    for (const [prefix, text] of [
      ['spiffe://cluster.local/', 'hello'],
      ['spiffe://elsewhere/', ''],
    ] as const) {
      const { port, secrets } = await listen([mutual(matcher(prefix))]);
      secrets.update(xds.identitySecret('server', server));
      secrets.update(xds.caSecret('ca', authority.ca));
      expect((await dial(port, client)).text).toBe(text);
    }
  });
});

describe('a connection', () => {
  it('of a chain without TLS keeps the bytes that were read to find the chain', async () => {
    const got: string[] = [];
    const { port, seen } = await listen([
      xds.chain(xds.tcpFilter('unused'), { transportProtocol: 'raw_buffer' }),
      simple('one', 'a.test'),
    ]);
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('data', (bytes) => got.push(String(bytes)));
    socket.end('plain text');
    await once(socket, 'close');
    expect(String(seen[0]?.readAhead)).toBe('plain text');
    expect(got.join('')).toBe('hello');
  });

  it('that is reset before a chain is chosen harms nothing', async () => {
    const { port, secrets } = await listen([simple('one', 'a.test')]);
    secrets.update(xds.identitySecret('one', server));
    const sockets: Socket[] = [];
    for (let index = 0; index < 20; index += 1) {
      const socket = connectPlain(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(Buffer.from([22, 3, 1]));
      socket.resetAndDestroy();
      sockets.push(socket);
    }
    expect((await dial(port)).text).toBe('hello');
  });
});
