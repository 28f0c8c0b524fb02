// Walkthrough 3: HTTPS, step by step, with a certificate that signs itself.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { describeWith } from './tools.ts';

describeWith(['curl', 'kubectl', 'openssl'], 'W3: HTTPS', () => {
  let limen: Limen;
  /** The certificate, as curl trusts it. */
  let cacert: string;
  const ROUTE = 'https.443.https.test-gateway.default';
  const created = (what: string) => `${what} created\n`;

  beforeAll(async () => {
    limen = await Limen.startEmpty();
    cacert = `${limen.terminal}/certificate.pem`;
    expect(await limen.kubectl('apply -f examples/https/server.yaml')).toBe(
      created('service/server-service') + created('deployment.apps/server'),
    );
    await limen.kubectl('rollout status deployment/server --timeout=20s');
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80||server-service.default.svc.cluster.local' });
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. before: no listener and no route but the gateway’s own', async () => {
    expect((await limen.table('listener')).map((row) => row.PORT)).toEqual(['15021', '15090']);
    expect((await limen.table('routes')).map((row) => row['VHOST NAME'])).toEqual(['backend', 'backend']);
    expect(await limen.table('routes', '--name', ROUTE)).toEqual([]);
  });

  it('1. after: a listener for HTTP, and the VirtualService’s route on it', async () => {
    expect(await limen.kubectl('apply -f examples/https/http.yaml -f examples/https/virtual-service.yaml')).toBe(
      created('gateway.networking.istio.io/test-gateway') + created('virtualservice.networking.istio.io/test-gw'),
    );
    const listeners = await limen.untilRow(['listener'], { PORT: '8080' });
    expect(listeners.map((row) => [row.PORT, row.DESTINATION])).toEqual([
      ['8080', 'Route: http.8080'],
      ['15021', 'Inline Route: /healthz/ready*'],
      ['15090', 'Inline Route: /stats/prometheus*'],
    ]);
    const row = {
      NAME: 'http.8080',
      'VHOST NAME': 'test.io:80',
      DOMAINS: 'test.io',
      MATCH: '/*',
      'VIRTUAL SERVICE': 'test-gw.default',
    };
    expect(await limen.untilRow(['routes', '--name', 'http.8080'], row)).toEqual([row]);
    expect((await limen.untilStatus(200, '-H', 'Host: test.io', 'http://127.0.0.1/api/test')).body).toBe('test');
  });

  it('2. a Gateway whose Secret is missing closes connections, and the log says which Secret it wants', async () => {
    expect(await limen.kubectl('apply -f examples/https/https.yaml')).toBe(
      'gateway.networking.istio.io/test-gateway configured\n',
    );
    await limen.until('the log names the missing Secret', () =>
      limen.output.includes(
        "Secret istio-system/test-cred does not exist (it must be in the gateway workload's namespace): TLS handshakes of this server fail, on proxies that have none from before (make it with: kubectl create -n istio-system secret tls test-cred --cert FILE --key FILE;",
      ),
    );
    const answer = await limen.curl('-k', 'https://test.io/api/test', '--resolve', 'test.io:443:127.0.0.1');
    expect(answer.code).toBe(35); // CURLE_SSL_CONNECT_ERROR
  });

  it('2. kubectl makes no Secret of files that are no pair', async () => {
    const make = async (name: string, host: string) => {
      const outcome = await limen.type(
        `openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=${host} -addext subjectAltName=DNS:${host} -keyout ${name}.key -out ${name}.pem`,
      );
      expect(outcome.code, outcome.stderr).toBe(0);
    };
    await Promise.all([make('certificate', 'test.io'), make('other', 'other.io')]);
    const create = (key: string) =>
      limen.type(`kubectl create -n istio-system secret tls test-cred --key ${key} --cert certificate.pem`);
    expect(await create('other.key')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: tls: private key does not match public key\n',
    });
    expect((await create('nowhere.key')).stderr).toContain('nowhere.key: no such file or directory');
  });

  it('2. a Secret in another namespace is none, and the log says where it was found', async () => {
    const create = 'create secret tls test-cred --key certificate.key --cert certificate.pem';
    expect(await limen.kubectl(create)).toBe(created('secret/test-cred'));
    await limen.until('the log says so', () =>
      limen.output.includes(
        'there is one in namespace default: secrets are read from the namespace of the gateway workload',
      ),
    );
    expect(await limen.kubectl('delete secret test-cred')).toBe('secret "test-cred" deleted\n');
  });

  it('2. the Secret brings the listener to life', async () => {
    expect(
      await limen.kubectl('create secret tls test-cred -n istio-system --key certificate.key --cert certificate.pem'),
    ).toBe(created('secret/test-cred'));
    expect(await limen.kubectlTable('get secret test-cred -n istio-system')).toMatchObject([
      { NAME: 'test-cred', TYPE: 'kubernetes.io/tls', DATA: '2' },
    ]);
    const rows = await limen.untilRow(['listener'], { PORT: '8443' });
    expect(rows.find((row) => row.PORT === '8443')).toMatchObject({
      ADDRESSES: '0.0.0.0',
      MATCH: 'SNI: test.io',
      DESTINATION: `Route: ${ROUTE}`,
    });
    await limen.untilRow(['secret'], { 'RESOURCE NAME': 'kubernetes://test-cred', STATUS: 'ACTIVE' });
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
    const outcome = await limen.type(
      `openssl s_client -connect 127.0.0.1:${limen.port(443)} -servername test.io -CAfile certificate.pem -verify_return_error -alpn http/1.1`,
    );
    expect(outcome.stdout).toMatch(/subject=CN ?= ?test\.io/);
    expect(outcome.stdout).toContain('Verify return code: 0 (ok)');
    expect(outcome.stdout).toContain('ALPN protocol: http/1.1');
  });
});
