import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPki } from './pki/pki.ts';
import { TestServer } from './test-support.ts';

let api: TestServer;
beforeAll(async () => {
  api = await TestServer.start();
});
afterAll(() => api.stop());

/** Sends bytes as they are over a connection of its own; returns what comes back until the end. */
async function raw(text: string, certificate?: { cert: string; key: string }): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.pki.ca, ...certificate });
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  socket.on('error', () => undefined); // 'close' follows
  socket.write(text);
  await new Promise((resolve) => socket.on('close', resolve));
  return received;
}

const PODS = '/api/v1/namespaces/default/pods';

describe('authentication', () => {
  it('answers nobody but those with credentials', async () => {
    for (const path of [PODS, '/api', '/apis', '/openapi/v2', '/', '/nowhere']) {
      const { status, body } = await api.get(path, { authenticated: false });
      expect({ path, status, reason: body.reason }).toEqual({ path, status: 401, reason: 'Unauthorized' });
    }
  });

  it('lets anyone ask for health and version', async () => {
    for (const path of ['/healthz', '/livez', '/readyz', '/readyz?verbose', '/version'])
      expect((await api.get(path, { authenticated: false })).status).toBe(200);
  });

  it('refuses a wrong token, a longer one, and one of another scheme', async () => {
    for (const authorization of ['Bearer wrong', `Bearer ${api.pki.token}x`, `Basic ${api.pki.token}`, 'Bearer', ''])
      expect((await api.get(PODS, { authenticated: false, headers: { authorization } })).status).toBe(401);
  });

  it('takes the bearer token', async () => {
    expect((await api.get(PODS)).status).toBe(200);
  });

  it('takes a client certificate of its own CA, and its subject is the user', async () => {
    const { certificate: cert, key } = api.pki.client;
    const text = await raw(
      'POST /apis/authentication.k8s.io/v1/selfsubjectreviews HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      { cert, key },
    );
    expect(text).toContain('HTTP/1.1 201');
    expect(text).toContain('"username":"kubernetes-admin","groups":["system:masters","system:authenticated"]');
  });

  it('does not take a client certificate of another CA, nor its own serving certificate', async () => {
    const stranger = await createPki(new Date());
    for (const { certificate: cert, key } of [stranger.client, api.pki.server]) {
      const text = await raw(`GET ${PODS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, { cert, key });
      expect(text).toMatch(/^HTTP\/1\.1 401|^$/);
    }
  });
});

describe('requests from web pages', () => {
  it.each(['evil.example', 'evil.example:6443', '192.0.2.1', '127.0.0.1.evil.example', 'localhost.evil.example'])(
    'refuses the Host %j, which a page may have pointed here (DNS rebinding)',
    async (host) => {
      expect((await api.get('/version', { headers: { host } })).status).toBe(403);
    },
  );

  it.each(['127.0.0.1:1234', 'localhost', '[::1]:6443', 'kubernetes.default.svc'])(
    'takes the Host %s',
    async (host) => {
      expect((await api.get('/version', { headers: { host } })).status).toBe(200);
    },
  );

  it.each(['https://evil.example', 'http://localhost:3000', 'null'])('refuses the Origin %s', async (origin) => {
    const { status, body } = await api.get('/version', { headers: { origin } });
    expect([status, body.reason]).toEqual([403, 'Forbidden']);
  });
});

describe('paths', () => {
  it.each([
    '/api/v1/namespaces/../pods',
    '/api/v1/namespaces/%2e%2e/pods',
    '/api/v1/namespaces/default/pods/a%2Fb',
    '/api/v1/namespaces/default/pods/%00',
    '/api/v1/namespaces/default/pods/%zz',
  ])('refuses %s', async (path) => {
    const { status, body } = await api.get(path);
    expect([status, body.reason]).toEqual([400, 'BadRequest']);
  });

  it.each([
    '/api/v2/pods',
    '/apis/nope.example/v1/things',
    '/apis/networking.istio.io/v9/gateways',
    '/api/v1/constructor',
    '/api/v1/__proto__',
    '/api/v1/namespaces/default/pods/x/nope',
    '/nowhere',
    '/apis/apps/v1/deployments/x/y/z/w',
  ])('has nothing at %s', async (path) => {
    const { status, body } = await api.get(path);
    expect([status, body.reason]).toEqual([404, 'NotFound']);
  });

  it('does not allow a method that means nothing there', async () => {
    for (const [method, path] of [
      ['POST', '/version'],
      ['POST', `${PODS}/x`],
      ['PUT', PODS],
      ['DELETE', '/api/v1/namespaces'],
      ['GET', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
      ['OPTIONS', PODS],
    ] as const)
      expect({ method, path, status: (await api.send(method, path)).status }).toEqual({ method, path, status: 405 });
  });
});

describe('bodies', () => {
  const MAPS = '/api/v1/namespaces/default/configmaps';
  const reply = (body: unknown, headers: Record<string, string> = {}) => api.post(MAPS, body, { headers });

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a number', '5'],
    ['null', 'null'],
    ['nested too deep', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['with a prototype', '{"metadata":{"name":"x"},"data":{"__proto__":{"polluted":"yes"}}}'],
    ['metadata of a wrong type', '{"metadata":5}'],
    ['a name of a wrong type', '{"metadata":{"name":5}}'],
    ['of another kind', '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}'],
    ['of another version', '{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"x"}}'],
    ['of another namespace', '{"metadata":{"name":"x","namespace":"kube-system"}}'],
    ['with a resourceVersion', '{"metadata":{"name":"x","resourceVersion":"7"}}'],
  ])('refuses one that is %s', async (_, body) => {
    const { status, body: answer } = await reply(body);
    expect([status, answer.reason]).toEqual([400, 'BadRequest']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('refuses one that is longer than the limit, said or not', async () => {
    const long = JSON.stringify({ metadata: { name: 'x' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } });
    expect((await reply(long)).status).toBe(413);
    const text = await raw(
      `POST ${MAPS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${api.pki.token}\r\nContent-Length: 99999999999\r\n\r\n{`,
    );
    expect(text).toContain('HTTP/1.1 413');
  });

  it('refuses a media type it does not know', async () => {
    expect((await reply('<a/>', { 'content-type': 'application/xml' })).status).toBe(415);
  });

  it('takes YAML', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata: {a: b}\n';
    expect((await reply(yaml, { 'content-type': 'application/yaml' })).status).toBe(201);
    expect((await reply('a: [', { 'content-type': 'application/yaml' })).status).toBe(400);
  });

  it('refuses bytes that are no protobuf', async () => {
    const type = { 'content-type': 'application/vnd.kubernetes.protobuf' };
    for (const bytes of [
      Buffer.from('k8s\0\xff\xff\xff\xff', 'latin1'),
      Buffer.from('{}'),
      Buffer.from([0x6b, 0x38, 0x73, 0, 0x0a, 0x7f]),
      Buffer.alloc(0),
    ])
      expect((await reply(bytes, type)).status).toBeOneOf([400, 415]);
  });
});

describe('what a client accepts', () => {
  it('is JSON, YAML, or nothing it knows', async () => {
    const accept = (value: string) => api.get(PODS, { headers: { accept: value } });
    expect((await accept('application/vnd.kubernetes.protobuf,application/json')).body.kind).toBe('PodList');
    expect((await accept('application/yaml')).text).toContain('kind: PodList');
    expect((await accept('text/html')).status).toBe(406);
    expect((await accept('application/vnd.kubernetes.protobuf')).status).toBe(406);
    expect((await accept('application/json;as=Table;g=meta.k8s.io;v=v1beta1')).status).toBe(406);
  });
});
