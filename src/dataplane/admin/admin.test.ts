import { request } from 'node:http';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { DownstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { parseConfigDump } from '../../xds/json.ts';
import { TypeUrl } from '../../xds/resources.ts';
import { prometheusText } from '../stats/prometheus.ts';
import { type AdminOptions, startAdmin } from './admin-server.ts';
import { any, exampleView, keyPair, STARTED, secretResource, type Told, WEB } from './example-view.ts';
import type { RunningEndpoint } from './http-endpoint.ts';
import { isLoopbackHost } from './loopback-only.ts';
import { type StatusView, startPrometheusServer, startStatusServer } from './status-server.ts';
import type { DataplaneView } from './view.ts';

const log = pino({ level: 'silent' });
const now = () => STARTED + 10_500;

const running: RunningEndpoint[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((endpoint) => endpoint.close()));
});

async function keep(endpoint: Promise<RunningEndpoint>): Promise<RunningEndpoint> {
  const started = await endpoint;
  running.push(started);
  return started;
}

const admin = (view: DataplaneView = exampleView(), options: Partial<AdminOptions> = {}) =>
  keep(startAdmin(view, { host: '127.0.0.1', port: 0, log, now, ...options }));

interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

function ask(
  { port }: { port: number },
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const golden = (name: string) => `../../../test/golden/admin/${name}`;

describe('the admin interface', () => {
  test.each([
    ['/config_dump?include_eds', 'config-dump.json'],
    ['/config_dump?resource=dynamic_listeners&mask=name,active_state.version_info', 'config-dump-resource-mask.json'],
    ['/config_dump?name_regex=webapp&mask=dynamic_active_clusters', 'config-dump-name-regex.json'],
    ['/clusters', 'clusters.txt'],
    ['/clusters?format=json', 'clusters.json'],
    ['/listeners', 'listeners.txt'],
    ['/listeners?format=json', 'listeners.json'],
    ['/server_info', 'server-info.json'],
    ['/stats', 'stats.txt'],
    ['/stats?format=json', 'stats.json'],
    ['/stats/prometheus', 'prometheus.txt'],
    ['/help', 'help.txt'],
  ])('%s answers in the shape of Envoy', async (path, file) => {
    const reply = await ask(await admin(), path);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe(
      file.endsWith('.json') ? 'application/json' : 'text/plain; charset=UTF-8',
    );
    expect(reply.headers['x-content-type-options']).toBe('nosniff');
    expect(reply.headers['cache-control']).toBe('no-cache, max-age=0');
    await expect(reply.body).toMatchFileSnapshot(golden(file));
  });

  test('a dump reads back as envoy.admin.v3.ConfigDump, sections in order', async () => {
    const dump = parseConfigDump((await ask(await admin(), '/config_dump')).body);
    expect(dump.configs.map(({ typeUrl }) => typeUrl.replace(/.*\./, ''))).toEqual([
      'BootstrapConfigDump',
      'ClustersConfigDump',
      'ListenersConfigDump',
      'ScopedRoutesConfigDump',
      'RoutesConfigDump',
      'SecretsConfigDump',
    ]);
  });

  test.each([
    ['/config_dump?resource=nope', 404, 'nope not found in config dump'],
    ['/config_dump?resource=bootstrap', 400, 'Use ?mask=bootstrap to get only this field'],
    ['/config_dump?mask=nope', 400, 'FieldMask nope could not be successfully applied to any configs.'],
    ['/config_dump?name_regex=(', 400, 'Invalid re2 regex'],
    ['/stats?filter=(', 400, 'Invalid re2 regex'],
    ['/clusters?filter=[', 400, 'Invalid re2 regex'],
    ['/stats?format=xml', 400, 'usage: /stats?format=(json|prometheus|text)'],
    ['/stats?type=Few', 400, 'usage: /stats?type='],
    ['/stats?histogram_buckets=few', 400, 'usage: /stats?histogram_buckets='],
    ['/nope', 404, 'invalid path. admin commands are:'],
    ['/stats/nope', 404, 'invalid path.'],
    ['//', 404, 'invalid path.'],
    ['/%00', 404, 'invalid path.'],
    ['/__proto__', 404, 'invalid path.'],
    ['/config_dump?resource=__proto__', 404, '__proto__ not found'],
  ])('%s is %i', async (path, status, message) => {
    const reply = await ask(await admin(), path);
    expect(reply.status).toBe(status);
    expect(reply.body).toContain(message);
  });

  test('/stats selects by RE2 filter, by use and by type', async () => {
    const server = await admin();
    expect((await ask(server, '/stats?filter=rq_200')).body).toBe(`cluster.${WEB}.upstream_rq_200: 2\n`);
    expect((await ask(server, '/stats?usedonly')).body).not.toContain('xds-grpc');
    expect((await ask(server, '/stats?type=Gauges')).body).toBe('server.live: 1\n');
    expect((await ask(server, '/clusters?filter=^xds')).body).toMatch(/^xds-grpc::observability_name::xds-grpc\n/);
  });

  test('/ready is 503 while the server drains, and /healthcheck/ok brings it back', async () => {
    const server = await admin();
    expect(await ask(server, '/ready')).toMatchObject({ status: 200, body: 'LIVE\n' });
    await ask(server, '/healthcheck/fail', 'POST');
    expect(await ask(server, '/ready')).toMatchObject({ status: 503, body: 'DRAINING\n' });
    await ask(server, '/healthcheck/ok', 'POST');
    expect(await ask(server, '/ready')).toMatchObject({ status: 200 });
  });

  test.each([
    ['/logging', 'log '],
    ['/quitquitquit', 'quit'],
    ['/drain_listeners', 'drain'],
    ['/healthcheck/fail', 'fail'],
    ['/healthcheck/ok', 'ok'],
    ['/reopen_logs', 'reopen'],
  ])('%s takes POST only', async (path, effect) => {
    const told: Told = [];
    const server = await admin(exampleView({ told }));
    const query = path === '/logging' ? '?level=debug' : '';
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'])
      expect((await ask(server, path + query, method)).status, method).toBe(405);
    expect(told).toEqual([]);
    expect((await ask(server, path + query, 'POST')).status).toBe(200);
    // `quit` comes after the answer.
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([expect.stringContaining(effect)]);
  });

  test('reads take GET, HEAD and, like Envoy, POST, and nothing else', async () => {
    const server = await admin();
    expect((await ask(server, '/stats', 'POST')).status).toBe(200);
    expect(await ask(server, '/stats', 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect((await ask(server, '/stats', 'DELETE')).status).toBe(405);
  });

  test('/logging shows and sets the level, and refuses a level or logger that is not there', async () => {
    const server = await admin();
    expect((await ask(server, '/logging', 'POST')).body).toBe('active loggers:\n  limen: info\n\n');
    expect((await ask(server, '/logging?level=debug', 'POST')).body).toContain('limen: debug');
    expect((await ask(server, '/logging?limen=error', 'POST')).body).toContain('limen: error');
    const unknown = await ask(server, '/logging?level=loud', 'POST');
    expect(unknown).toMatchObject({ status: 400, body: expect.stringContaining('error: unknown logger level') });
    expect((await ask(server, '/logging?http=debug', 'POST')).status).toBe(400);
    expect((await ask(server, '/logging', 'POST')).body).toContain('limen: error');
  });

  test('/certs tells serial number, names and days left of each certificate in use', async () => {
    const pair = keyPair();
    const broken = { ...secretResource('broken', { key: '', certificate: 'no certificate' }) };
    const server = await admin(exampleView({ secrets: [secretResource('kubernetes://test', pair), broken] }));
    expect(JSON.parse((await ask(server, '/certs')).body)).toEqual({
      certificates: [
        {
          ca_cert: [],
          cert_chain: [
            {
              path: '<inline>',
              serial_number: '0a1b2c',
              subject_alt_names: [
                { dns: 'test.io' },
                { uri: 'spiffe://cluster.local/ns/a/sa/b' },
                { ip_address: '127.0.0.1' },
              ],
              days_until_expiration: '30',
              valid_from: '2026-11-20T14:45:32Z',
              expiration_time: '2026-12-20T14:45:32Z',
            },
          ],
        },
      ],
    });
  });

  test('private keys are in no answer, wherever the configuration holds them', async () => {
    const pair = keyPair();
    const rsa = keyPair('pkcs1').key;
    const inlined = anyPack(
      ListenerSchema,
      create(ListenerSchema, {
        name: 'inlined',
        filterChains: [
          {
            transportSocket: {
              name: 'envoy.transport_sockets.tls',
              configType: {
                case: 'typedConfig',
                value: anyPack(
                  DownstreamTlsContextSchema,
                  create(DownstreamTlsContextSchema, {
                    commonTlsContext: {
                      tlsCertificates: [{ privateKey: { specifier: { case: 'inlineString', value: rsa } } }],
                    },
                  }),
                ),
              },
            },
          },
          // A type that is not known is shown as its bytes.
          {
            transportSocket: {
              name: 'x',
              configType: {
                case: 'typedConfig',
                value: { typeUrl: 'type.googleapis.com/not.Known', value: Buffer.from(`\n\u0007${pair.key}`) },
              },
            },
          },
        ],
      }),
    );
    const secret = secretResource('kubernetes://test', pair);
    const refused = {
      ...secretResource('refused', pair),
      resource: undefined,
      errorState: {
        details: 'key does not fit',
        lastUpdateAttempt: STARTED,
        versionInfo: '9',
        failedConfiguration: secret.resource!,
      },
    };
    const notASecret = {
      name: 'odd',
      versionInfo: '1',
      lastUpdated: STARTED,
      resource: any({ '@type': TypeUrl.Cluster, name: pair.key }),
    };
    const example = exampleView();
    const server = await admin(
      exampleView({
        resources: (type) =>
          type === TypeUrl.Secret
            ? [secret, refused, notASecret]
            : type === TypeUrl.Listener
              ? [
                  {
                    name: 'inlined',
                    versionInfo: '1',
                    lastUpdated: STARTED,
                    resource: inlined,
                    errorState: { ...refused.errorState, failedConfiguration: inlined },
                  },
                ]
              : example.resources(type),
      }),
    );
    const bodies = await Promise.all(
      [
        '/config_dump',
        '/config_dump?include_eds',
        '/config_dump?resource=dynamic_active_secrets',
        '/config_dump?resource=dynamic_warming_secrets',
        '/config_dump?resource=dynamic_active_secrets&mask=secret.tls_certificate.private_key',
        '/config_dump?resource=dynamic_listeners',
        '/certs',
        '/clusters?format=json',
        '/listeners?format=json',
        '/server_info',
        '/stats',
      ].map(async (path) => (await ask(server, path)).body),
    );
    const secretLines = [pair.key, rsa].flatMap((key) =>
      key.split('\n').filter((line) => line.length > 20 && !line.startsWith('-')),
    );
    const forms = secretLines.flatMap((line) => [line, Buffer.from(line).toString('base64').slice(4, -4)]);
    for (const body of bodies) {
      expect(body).not.toContain('PRIVATE KEY');
      for (const form of forms) expect(body).not.toContain(form);
      // Base64 of the whole key at each of its three alignments.
      for (const text of body.match(/[A-Za-z0-9+/]{64,}={0,2}/g) ?? [])
        expect(Buffer.from(text, 'base64').includes('PRIVATE KEY')).toBe(false);
    }
    const dump = JSON.parse(bodies[2]!) as {
      configs: {
        name: string;
        secret?: {
          tls_certificate: { private_key: { inline_bytes: string }; certificate_chain: { inline_bytes: string } };
        };
      }[];
    };
    const shown = dump.configs.find(({ name }) => name === 'kubernetes://test')!.secret!.tls_certificate;
    expect(Buffer.from(shown.private_key.inline_bytes, 'base64').toString()).toBe('[redacted]');
    expect(Buffer.from(shown.certificate_chain.inline_bytes, 'base64').toString(), 'certificates are no secret').toBe(
      pair.certificate,
    );
  });

  test('answers to names and addresses of this machine only (DNS rebinding)', async () => {
    const server = await admin();
    for (const host of [
      '127.0.0.1',
      'localhost:15000',
      '[::1]:15000',
      'LocalHost',
      'gateway.localhost:1',
      '127.10.0.2',
    ])
      expect((await ask(server, '/ready', 'GET', { host })).status, host).toBe(200);
    for (const host of [
      'evil.example',
      'evil.example:15000',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '10.0.0.1',
      '[2001:db8::1]',
      '0.0.0.0',
    ])
      expect((await ask(server, '/ready', 'GET', { host })).status, host).toBe(403);
  });

  test("a web page of another origin cannot make a reader's browser change anything", async () => {
    const told: Told = [];
    const server = await admin(exampleView({ told }));
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1.evil.example'])
      expect((await ask(server, '/quitquitquit', 'POST', { origin })).status, origin).toBe(403);
    expect(told).toEqual([]);
    expect((await ask(server, '/drain_listeners', 'POST', { origin: `http://127.0.0.1:${server.port}` })).status).toBe(
      200,
    );
  });

  test.each(['0.0.0.0', '::', '10.0.0.1', 'example.com', ''])('does not listen on %j', async (host) => {
    await expect(startAdmin(exampleView(), { host, port: 0, log })).rejects.toThrow('not a loopback address');
  });

  test('listens wider where that is asked for, and then answers to any name', async () => {
    const server = await admin(exampleView(), { host: '0.0.0.0', allowRemote: true });
    expect((await ask(server, '/ready', 'GET', { host: 'gateway.example' })).status).toBe(200);
  });

  test('a taken port is an error of the caller, not the end of the process', async () => {
    const { port } = await admin();
    await expect(startAdmin(exampleView(), { host: '127.0.0.1', port, log })).rejects.toThrow('EADDRINUSE');
  });

  test('a view that fails is a 500, and the next request is answered', async () => {
    const server = await admin(exampleView({ stats: () => Promise.reject(new Error('a worker left')) }));
    expect((await ask(server, '/stats')).status).toBe(500);
    expect((await ask(server, '/ready')).status).toBe(200);
  });

  test('the index page links every command', async () => {
    const { body, headers } = await ask(await admin(), '/');
    expect(headers['content-type']).toBe('text/html; charset=UTF-8');
    for (const path of [
      '/config_dump',
      '/clusters',
      '/listeners',
      '/certs',
      '/server_info',
      '/stats',
      '/stats/prometheus',
    ])
      expect(body).toContain(`<a href="${path}">`);
    expect(body).toContain('<form action="quitquitquit" method="post">');
  });
});

const statusView = ({ ready, stats }: DataplaneView): StatusView => ({
  ready,
  metrics: async () => prometheusText(await stats()),
});

describe('the status port', () => {
  test('/healthz/ready tells whether the gateway serves; other paths are 404', async () => {
    const view = exampleView();
    const server = await keep(startStatusServer(statusView(view), { host: '127.0.0.1', port: 0, log }));
    expect(await ask(server, '/healthz/ready')).toMatchObject({ status: 200, headers: { server: 'envoy' } });
    view.setHealthy(false);
    expect((await ask(server, '/healthz/ready?x')).status).toBe(503);
    for (const path of ['/', '/config_dump', '/stats', '/quitquitquit', '/healthz'])
      expect((await ask(server, path, 'POST')).status, path).toBe(404);
  });
});

describe('the Prometheus port', () => {
  test('/stats/prometheus is the exposition; other paths are 404', async () => {
    const server = await keep(startPrometheusServer(statusView(exampleView()), { host: '127.0.0.1', port: 0, log }));
    const reply = await ask(server, '/stats/prometheus');
    expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(reply.body).toContain(`envoy_cluster_upstream_rq{response_code="200",cluster_name="${WEB}"} 2\n`);
    expect((await ask(server, '/config_dump')).status).toBe(404);
  });
});

test('loopback hosts are told from others', () => {
  for (const host of ['localhost', '127.0.0.1', '127.255.0.9', '::1', '[::1]', 'a.localhost'])
    expect(isLoopbackHost(host), host).toBe(true);
  for (const host of ['', '0.0.0.0', '::', '128.0.0.1', 'localhost.', 'xlocalhost', '127.0.0.1.nip.io', '127.1'])
    expect(isLoopbackHost(host), host).toBe(false);
});
