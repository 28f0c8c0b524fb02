// Walkthrough 3: HTTPS, step by step, with a certificate that signs itself.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXAMPLES as CERTIFICATES } from '../../scripts/certificates/examples.ts';
import { Limen, run } from './limen.ts';
import { describeWith } from './tools.ts';

describeWith(['curl', 'openssl'], 'W3: HTTPS', () => {
  let limen: Limen;
  let cacert: string;
  const ROUTE = 'https.443.https.test-gateway.default';

  beforeAll(async () => {
    const [instance, files] = await Promise.all([Limen.start(), CERTIFICATES.https?.()]);
    limen = instance;
    cacert = join(limen.scratch(files ?? {}), 'certificate.pem');
    limen.applyExample('https/server.yaml');
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80||server-service.default.svc.cluster.local' });
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. before: no listener and no route for port 443', async () => {
    expect((await limen.table('listener')).map((row) => row.PORT)).toEqual(['15021', '15090']);
    expect(await limen.table('routes', '--name', ROUTE)).toEqual([]);
  });

  it('2. a Gateway whose Secret is missing has no listener that serves, and says which Secret it wants', async () => {
    limen.applyExample('https/gateway.yaml');
    limen.applyExample('https/virtual-service.yaml');
    await limen.until('the log names the missing Secret', () => /test-cred/.test(limen.output));
    const answer = await limen.curl(
      'https://test.io/api/test',
      '--cacert',
      cacert,
      '--resolve',
      'test.io:443:127.0.0.1',
    );
    expect(answer.code).not.toBe(0);
  });

  it('2. the Secret brings the listener to life', async () => {
    const files = (await CERTIFICATES.https?.()) ?? {};
    cacert = join(limen.scratch(files), 'certificate.pem');
    limen.apply('test-cred.yaml', files['test-cred.yaml'] as string);
    const rows = await limen.untilRow(['listener'], { PORT: '8443' });
    expect(rows.find((row) => row.PORT === '8443')).toMatchObject({
      ADDRESSES: '0.0.0.0',
      MATCH: 'SNI: test.io',
      DESTINATION: `Route: ${ROUTE}`,
    });
  });

  it('4. the HTTPS route is named after port, server and Gateway', async () => {
    expect(await limen.table('routes', '--name', ROUTE)).toEqual([
      {
        NAME: ROUTE,
        'VHOST NAME': 'test.io:443',
        DOMAINS: 'test.io',
        MATCH: '/*',
        'VIRTUAL SERVICE': 'test-gw.default',
      },
    ]);
  });

  it('3. with the name and the certificate curl gets 200', async () => {
    const args = ['https://test.io/api/test', '--cacert', cacert, '--resolve', 'test.io:443:127.0.0.1'];
    const answer = await limen.untilStatus(200, ...args);
    expect(answer.statusLine).toBe('HTTP/2 200');
    expect(answer.body).toBe('test');
    expect(answer.headers.server).toBe('istio-envoy');
  });

  it('3. without a server name the connection is closed in the handshake', async () => {
    for (const trust of [[], ['--cacert', cacert], ['-k']]) {
      const answer = await limen.curl('-H', 'Host: test.io', 'https://127.0.0.1/api/test', ...trust);
      expect(answer.code).toBe(35); // CURLE_SSL_CONNECT_ERROR
      expect(answer.status).toBe(0);
    }
  });

  it('3. so is one with another server name', async () => {
    const answer = await limen.curl('-k', 'https://other.io/api/test', '--resolve', 'other.io:443:127.0.0.1');
    expect(answer.code).toBe(35);
  });

  it('2. a request over HTTP is sent to HTTPS', async () => {
    const answer = await limen.curl('-H', 'Host: test.io', 'http://127.0.0.1/api/test');
    expect(answer.statusLine).toBe('HTTP/1.1 301 Moved Permanently');
    expect(answer.headers.location).toBe('https://test.io/api/test');
  });

  it('3. the certificate is the one of the Secret, and HTTP/1.1 is agreed on', async () => {
    const outcome = await run(
      'openssl',
      [
        ...['s_client', '-connect', `127.0.0.1:${limen.port(443)}`, '-servername', 'test.io', '-CAfile', cacert],
        ...['-verify_return_error', '-alpn', 'http/1.1'],
      ],
      {},
      '',
    );
    expect(outcome.stdout).toMatch(/subject=CN ?= ?test\.io/);
    expect(outcome.stdout).toContain('Verify return code: 0 (ok)');
    expect(outcome.stdout).toContain('ALPN protocol: http/1.1');
  });
});
