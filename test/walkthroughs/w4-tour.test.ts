// Walkthrough 4: the whole tour (the coolstore over HTTPS in all its modes, TCP, a gateway of one's own, the access log).

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXAMPLES as CERTIFICATES, type Files } from '../../scripts/certificates/examples.ts';
import { type Conversation, Limen, parseTable } from './limen.ts';
import { DATA_PLANE, describeWith } from './tools.ts';

describeWith(['curl', 'kubectl', 'openssl'], 'W4: the whole tour', () => {
  let limen: Limen;
  let files: Files;
  /** The path of a PEM file. */
  let pem: (name: string) => string;
  /** A Secret of a server's key and certificate, made by kubectl. */
  const createCredential = (host: string) =>
    limen.kubectl(
      `create -n istio-system secret tls ${host}-credential --key ${pem(`${host}.key`)} --cert ${pem(`${host}.crt`)}`,
    );
  const applyGateway = async (version: string) =>
    expect(await limen.kubectl(`apply -f examples/coolstore-https/${version}.yaml`)).toContain(
      'gateway.networking.istio.io/coolstore-gateway configured\n',
    );
  const WEBAPP = 'https://webapp.istioinaction.io/api/catalog';

  beforeAll(async () => {
    const [instance, made] = await Promise.all([Limen.startEmpty(), CERTIFICATES['coolstore-https']?.()]);
    limen = instance;
    files = made ?? {};
    const folder = limen.scratch(files);
    pem = (name) => join(folder, name);
    await limen.kubectl(
      'apply -f examples/coolstore/apps.yaml -f examples/coolstore/gateway.yaml -f examples/coolstore/virtual-service.yaml',
    );
    await limen.kubectl('wait --for=condition=Available deploy --all -n istioinaction --timeout=20s');
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80||webapp.istioinaction.svc.cluster.local' });
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80||catalog.istioinaction.svc.cluster.local' });
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. Gateway → VirtualService → Pod can be followed through listener, route, cluster and endpoint', async () => {
    expect(await limen.untilRow(['listener', '--port', '8080'], { DESTINATION: 'Route: http.8080' })).toHaveLength(1);
    await limen.untilRow(['routes', '--name', 'http.8080'], { 'VIRTUAL SERVICE': 'webapp-vs-from-gw.istioinaction' });
    expect(await limen.table('cluster', '--fqdn', 'catalog.istioinaction.svc.cluster.local')).toEqual([
      {
        'SERVICE FQDN': 'catalog.istioinaction.svc.cluster.local',
        PORT: '80',
        SUBSET: '-',
        DIRECTION: 'outbound',
        TYPE: 'EDS',
        'DESTINATION RULE': '',
      },
    ]);
    const endpoints = await limen.table(
      ...['endpoints', '--cluster', 'outbound|80||webapp.istioinaction.svc.cluster.local'],
    );
    expect(endpoints).toEqual([
      {
        ENDPOINT: expect.stringMatching(/^127\.\d+\.\d+\.\d+:8080$/),
        STATUS: 'HEALTHY',
        'OUTLIER CHECK': 'OK',
        CLUSTER: 'outbound|80||webapp.istioinaction.svc.cluster.local',
      },
    ]);
  });

  it('1. a DestinationRule adds its subsets', async () => {
    expect(await limen.kubectl('apply -f examples/coolstore/destination-rule.yaml')).toBe(
      'destinationrule.networking.istio.io/catalog created\n',
    );
    expect(await limen.kubectlTable('get dr -n istioinaction')).toMatchObject([{ NAME: 'catalog', HOST: 'catalog' }]);
    await limen.untilRow(['cluster', '--fqdn', 'catalog.istioinaction.svc.cluster.local'], {
      SUBSET: 'version-v1',
      'DESTINATION RULE': 'catalog.istioinaction',
    });
    await limen.untilRow(['endpoints'], {
      CLUSTER: 'outbound|80|version-v1|catalog.istioinaction.svc.cluster.local',
      STATUS: 'HEALTHY',
    });
    const subsets = async () => {
      const rows = await limen.table('cluster', '--fqdn', 'catalog.istioinaction.svc.cluster.local');
      return rows.map((row) => row.SUBSET);
    };
    expect(await limen.kubectl('delete dr catalog -n istioinaction')).toBe(
      'destinationrule.networking.istio.io "catalog" deleted\n',
    );
    await limen.until('its subset is gone', async () => (await subsets()).join() === '-');
  });

  it('1. the control plane logs each push: kind, node, resources, size', () => {
    for (const kind of ['CDS', 'EDS', 'LDS', 'RDS']) {
      const line = limen.output.split('\n').find((text) => text.includes('push') && text.includes(kind));
      expect(line, `a push of ${kind}`).toBeDefined();
      expect(line).toMatch(/istio-ingressgateway/);
      expect(line).toMatch(/resources/);
      expect(line).toMatch(/bytes|size/);
    }
  });

  it('2. HTTPS with the Secret webapp-credential', async () => {
    expect(await createCredential('webapp')).toBe('secret/webapp-credential created\n');
    await applyGateway('https');
    const answer = await limen.untilStatus(
      ...([200, '-H', 'Host: webapp.istioinaction.io', WEBAPP, '--cacert', pem('ca.crt')] as const),
      ...['--resolve', 'webapp.istioinaction.io:443:127.0.0.1'],
    );
    expect(answer.statusLine).toBe('HTTP/2 200');
    expect(answer.body).toContain('Elinor Glasses');
  });

  it('2. the 200 is over HTTP/2 by ALPN', async () => {
    const answer = await limen.curl(WEBAPP, '--http2', '-v', '--cacert', pem('ca.crt'));
    expect(answer.stderr).toMatch(/ALPN: server accepted h2/);
    expect(answer.statusLine).toBe('HTTP/2 200');
    expect(answer.headers.server).toBe('istio-envoy');
  });

  it('2. a client that offers HTTP/1.1 alone gets that', async () => {
    const answer = await limen.curl(WEBAPP, '--http1.1', '--cacert', pem('ca.crt'));
    expect(answer.statusLine).toBe('HTTP/1.1 200 OK');
  });

  it('2. over HTTP a client that knows may begin with HTTP/2', async () => {
    const answer = await limen.curl(
      ...['--http2-prior-knowledge', '-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/nothing'],
    );
    expect(answer.statusLine).toMatch(/^HTTP\/2 \d{3}$/);
    expect(answer.headers.server).toBe('istio-envoy');
  });

  it('2. the Secret is shown as an active certificate chain with serial number and dates', async () => {
    const outcome = await limen.type(`openssl x509 -in ${pem('webapp.crt')} -noout -serial`);
    const serial = outcome.stdout.trim().replace('serial=', '').toLowerCase();
    const rows = await limen.table('secret');
    expect(rows).toEqual([
      {
        'RESOURCE NAME': 'kubernetes://webapp-credential',
        TYPE: 'Cert Chain',
        STATUS: 'ACTIVE',
        'VALID CERT': 'true',
        'SERIAL NUMBER': expect.any(String),
        'NOT AFTER': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        'NOT BEFORE': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      },
    ]);
    expect(rows[0]?.['SERIAL NUMBER']?.toLowerCase().replace(/^0+/, '')).toBe(serial.replace(/^0+/, ''));
  });

  it('2. no private key is in any dump or log', async () => {
    const secret = await limen.limen(
      'proxy-config',
      'all',
      'deploy/istio-ingressgateway',
      '-n',
      'istio-system',
      '-o',
      'json',
    );
    const key = (files['webapp.key'] as string).split('\n')[3] as string;
    expect(secret.stdout).toContain('webapp-credential');
    for (const text of [secret.stdout, limen.output]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain(Buffer.from(key).toString('base64').slice(4, -4));
    }
  });

  it('2. without a server name the connection is closed', async () => {
    const answer = await limen.curl('-k', '-H', 'Host: webapp.istioinaction.io', 'https://127.0.0.1/api/catalog');
    expect(answer.code).toBe(35);
  });

  it('3. httpsRedirect answers 301 with the same authority and path', async () => {
    await applyGateway('redirect');
    const answer = await limen.untilStatus(
      301,
      ...['-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/api/catalog?a=1'],
    );
    expect(answer.statusLine).toBe('HTTP/1.1 301 Moved Permanently');
    expect(answer.headers).toMatchObject({
      location: 'https://webapp.istioinaction.io/api/catalog?a=1',
      server: 'istio-envoy',
      'content-length': '0',
    });
    expect((await limen.curl(WEBAPP, '--cacert', pem('ca.crt'))).status).toBe(200);
  });

  it('4. mode MUTUAL wants a client certificate: without one, TLS 1.3 alert certificate required', async () => {
    await applyGateway('mutual');
    const remedy =
      'make it with: kubectl create -n istio-system secret generic webapp-credential-mtls --from-file=tls.crt=FILE --from-file=tls.key=FILE --from-file=ca.crt=FILE;';
    await limen.until('the log says what Secret is missing', () => limen.output.includes(remedy));
    expect(limen.output.split(remedy)).toHaveLength(2);
    expect(
      await limen.kubectl(
        `create -n istio-system secret generic webapp-credential-mtls --from-file=tls.key=${pem('webapp.key')} --from-file=tls.crt=${pem('webapp.crt')} --from-file=ca.crt=${pem('ca.crt')}`,
      ),
    ).toBe('secret/webapp-credential-mtls created\n');
    await limen.until('a client without certificate is refused', async () => {
      const answer = await limen.curl(WEBAPP, '--cacert', pem('ca.crt'));
      return answer.code !== 0 && /certificate required/.test(answer.stderr);
    });
    const outcome = await limen.type(
      `openssl s_client -connect 127.0.0.1:${limen.port(443)} -servername webapp.istioinaction.io -tls1_3 -ign_eof -CAfile ${pem('ca.crt')}`,
      'GET /api/catalog HTTP/1.1\r\nHost: webapp.istioinaction.io\r\nConnection: close\r\n\r\n',
    );
    expect(outcome.stderr).toMatch(/alert certificate required/);
    expect(outcome.stdout).not.toContain('HTTP/1.1');
  });

  it('4. with one it is 200', async () => {
    const args = [WEBAPP, '--cacert', pem('ca.crt'), '--cert', pem('client.crt'), '--key', pem('client.key')];
    const answer = await limen.untilStatus(200, ...args);
    expect(answer.statusLine).toBe('HTTP/2 200');
    expect(answer.body).toContain('Atlas Shirt');
  });

  it('4. a client certificate of another CA is refused', async () => {
    const other = limen.scratch(
      Object.fromEntries(
        Object.entries((await CERTIFICATES['coolstore-https']?.()) ?? {}).map(([name, text]) => [
          `other-${name}`,
          text,
        ]),
      ),
    );
    const certificate = ['--cert', join(other, 'other-client.crt'), '--key', join(other, 'other-client.key')];
    const answer = await limen.curl(WEBAPP, '--cacert', pem('ca.crt'), ...certificate);
    expect(answer.code).not.toBe(0);
    expect(answer.status).toBe(0);
  });

  it('5. two hosts on port 443: each its certificate by server name, each its VirtualService', async () => {
    expect(await createCredential('catalog')).toBe('secret/catalog-credential created\n');
    await applyGateway('two-hosts');
    expect(await limen.kubectlTable('get vs -n istioinaction')).toMatchObject([
      { NAME: 'catalog-vs-from-gw', HOSTS: '["catalog.istioinaction.io"]' },
      { NAME: 'webapp-vs-from-gw', HOSTS: '["webapp.istioinaction.io"]' },
    ]);
    const items = await limen.untilStatus(200, 'https://catalog.istioinaction.io/items', '--cacert', pem('ca.crt'));
    expect(items.statusLine).toBe('HTTP/2 200');
    expect(JSON.parse(items.body)).toHaveLength(4);
    expect((await limen.untilStatus(200, WEBAPP, '--cacert', pem('ca.crt'))).body).toContain('Red Dragon Watch');
    for (const host of ['webapp', 'catalog']) {
      const outcome = await limen.type(
        `openssl s_client -connect 127.0.0.1:${limen.port(443)} -servername ${host}.istioinaction.io -CAfile ${pem('ca.crt')} -verify_return_error`,
      );
      expect(outcome.stdout).toMatch(new RegExp(`subject=CN ?= ?${host}\\.istioinaction\\.io`));
    }
    expect((await limen.table('listener', '--port', '8443')).map((row) => [row.MATCH, row.DESTINATION]).sort()).toEqual(
      [
        ['SNI: catalog.istioinaction.io', 'Route: https.443.https-catalog.coolstore-gateway.istioinaction'],
        ['SNI: webapp.istioinaction.io', 'Route: https.443.https-webapp.coolstore-gateway.istioinaction'],
      ],
    );
    const names = (await limen.table('secret')).map((row) => row['RESOURCE NAME']);
    // Envoy keeps the secrets of a listener that was replaced for as long as that may drain.
    const draining = DATA_PLANE === 'envoy' ? /-mtls(-cacert)?$/ : undefined;
    expect(names.filter((name) => !draining?.test(name ?? '')).sort()).toEqual([
      'kubernetes://catalog-credential',
      'kubernetes://webapp-credential',
    ]);
  });

  it('5. the upstream’s headers pass through untouched', async () => {
    const { headers } = await limen.curl('https://catalog.istioinaction.io/items', '--cacert', pem('ca.crt'));
    expect(headers).toEqual({
      'x-powered-by': 'Express',
      vary: 'Origin, Accept-Encoding',
      'access-control-allow-credentials': 'true',
      'cache-control': 'no-cache',
      pragma: 'no-cache',
      expires: '-1',
      'x-content-type-options': 'nosniff',
      'content-type': 'application/json; charset=utf-8',
      'content-length': '502',
      etag: 'W/"1f6-ih2h+hDQ0yLLcKIlBvwkWbyQGK4"',
      date: expect.any(String),
      server: 'istio-envoy',
      'x-envoy-upstream-service-time': expect.stringMatching(/^\d+$/),
    });
  });

  it('5. a request for one host on a connection for the other finds no route', async () => {
    const answer = await limen.curl(
      ...['-H', 'Host: catalog.istioinaction.io', 'https://webapp.istioinaction.io/items', '--cacert', pem('ca.crt')],
    );
    expect(answer.status).toBe(404);
  });

  it('6. TCP on port 31400: a greeting, then every line back', async () => {
    expect((await limen.kubectl('apply -f examples/tcp-echo')).split('\n')).toEqual([
      'namespace/istioinaction unchanged',
      'service/tcp-echo-service created',
      'deployment.apps/tcp-echo-deployment created',
      'gateway.networking.istio.io/echo-tcp-gateway created',
      'virtualservice.networking.istio.io/tcp-echo-vs-from-gw created',
      '',
    ]);
    await limen.untilRow(['listener'], {
      PORT: '31400',
      MATCH: 'ALL',
      DESTINATION: 'Cluster: outbound|2701||tcp-echo-service.istioinaction.svc.cluster.local',
    });
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|2701||tcp-echo-service.istioinaction.svc.cluster.local' });
    const [pod] = await limen.kubectlTable('get po -n istioinaction -l app=tcp-echo -o wide');
    const greeting = [
      'Welcome, you are connected to node limen.',
      `Running on Pod ${pod?.NAME}.`,
      'In namespace istioinaction.',
      `With IP address ${pod?.IP}.`,
      'Service default.\n',
    ].join('\n');
    expect(pod?.NAME).toMatch(/^tcp-echo-deployment-\w{10}-\w{5}$/);
    const telnet = await greeted();
    // telnet itself says first whom it has reached.
    const said = (await telnet.hear(/Service default\.\n/)).replace(/^Trying .*?'\^]'\.\n/s, '');
    expect(said).toBe(greeting);
    telnet.say('hello there\r\n');
    expect(await telnet.hear(/hello there\r\n/)).toMatch(/Service default\.\nhello there\r\n$/);
    telnet.say('by now\r\n');
    expect(await telnet.hear(/by now\r\n/)).toMatch(/Service default\.\nhello there\r\nby now\r\n$/);
    telnet.hangUp();
  });

  it('7. a gateway of one’s own is installed, and listed', async () => {
    const { code, stdout, stderr } = await limen.type(
      'limen install -y -n istioinaction -f examples/user-gateway/install.yaml',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('✔ Installation complete\n');
    expect(await limen.kubectlTable('get IstioOperator -A')).toMatchObject([
      { NAMESPACE: 'istioinaction', NAME: 'installed-state-my-user-gateway-install' },
    ]);
    expect(await limen.kubectlTable('get deploy my-user-gateway -n istioinaction')).toMatchObject([{ READY: '1/1' }]);
    expect(await limen.kubectlTable('get svc my-user-gateway -n istioinaction')).toMatchObject([
      {
        TYPE: 'LoadBalancer',
        'EXTERNAL-IP': '127.0.0.1',
        'PORT(S)': expect.stringMatching(/^30007:\d+\/TCP$/),
      },
    ]);
    expect(await limen.kubectl('get po -n istioinaction -l istio=my-user-gateway -o name')).toMatch(
      /^pod\/my-user-gateway-\w{10}-\w{5}\n$/,
    );
  });

  it('7. a Gateway with its selector lands on it and on no other', async () => {
    const before = await limen.table('listener');
    expect(
      await limen.kubectl('apply -f examples/user-gateway/gateway.yaml -f examples/user-gateway/virtual-service.yaml'),
    ).toBe(
      'gateway.networking.istio.io/user-tcp-gateway created\nvirtualservice.networking.istio.io/tcp-echo-vs-from-user-gateway created\n',
    );
    const telnet = await greeted(30007, 'my-user-gateway');
    telnet.say('by the other door\r\n');
    expect(await telnet.hear(/door\r\n/)).toMatch(/Service default\.\nby the other door\r\n$/);
    telnet.hangUp();
    const { stdout } = await limen.type('limen proxy-config listener deploy/my-user-gateway -n istioinaction');
    expect(parseTable(stdout).filter((row) => Number(row.PORT) > 16000)).toEqual([
      {
        ADDRESSES: '0.0.0.0',
        PORT: '31400',
        MATCH: 'ALL',
        DESTINATION: 'Cluster: outbound|2701||tcp-echo-service.istioinaction.svc.cluster.local',
      },
    ]);
    expect(await limen.table('listener')).toEqual(before);
  });

  it('8. the access log is asked for at installation, and read with kubectl', async () => {
    const { code, stderr } = await limen.type('limen install -y --set meshConfig.accessLogFile=/dev/stdout');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const address = '127\\.\\d+\\.\\d+\\.\\d+';
    const line = [
      ...['^\\[\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\]', '"GET /items HTTP/2"', '200', '-', 'via_upstream', '-', '"-"'],
      ...['0', '502', '\\d+', '\\d+', '"[\\d.]+"', '"curl/[\\d.]+"', '"[\\da-f-]{36}"', '"catalog.istioinaction.io"'],
      ...[`"${address}:3000"`, 'outbound\\|80\\|\\|catalog.istioinaction.svc.cluster.local;?', `${address}:\\d+`],
      ...[`${address}:\\d+`, '127.0.0.1:\\d+', 'catalog.istioinaction.io', '-$'],
    ];
    await limen.until('a request is logged in the text format', async () => {
      await limen.curl('https://catalog.istioinaction.io/items', '--cacert', pem('ca.crt'));
      const log = await limen.kubectl('logs -n istio-system deploy/istio-ingressgateway');
      return new RegExp(line.join(' '), 'm').test(log);
    });
  });

  /** telnet, once the greeting has come. */
  async function greeted(servicePort = 31400, workload?: string): Promise<Conversation> {
    let telnet: Conversation | undefined;
    await limen.until('the greeting comes', async () => {
      telnet = limen.telnet(servicePort, workload);
      await telnet.hear(/Service default\.\n/).catch((error) => {
        telnet?.hangUp();
        throw error;
      });
      return true;
    });
    return telnet as Conversation;
  }
});
