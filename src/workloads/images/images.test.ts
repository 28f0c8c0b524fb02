import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { type AddressInfo, connect, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { delayOf } from './fake-service.ts';
import type { ContainerContext } from './image.ts';
import { findImage, imageNames, repositoryOf, samplePath } from './registry.ts';

const servers: Server[] = [];
/** Authority of the service → endpoint: what the pod's proxy knows. */
const services = new Map<string, string>();
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  services.clear();
});

/** An HTTP proxy in front of the services, 503 for all others; returns its URL. */
async function proxy(): Promise<string> {
  const server = createServer((request, response) => {
    const { host, pathname, search } = new URL(request.url ?? '');
    const [hostname, port] = services.get(host)?.split(':') ?? [];
    if (hostname === undefined) {
      response.writeHead(503).end('no healthy upstream');
      return;
    }
    const { headers } = request;
    get({ host: hostname, port, path: pathname + search, headers, agent: false }, (answer) => {
      answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts an image; returns `ip:port`. */
async function start(
  image: string,
  env: Record<string, string> = {},
  more: Partial<ContainerContext> = {},
): Promise<string> {
  const server = findImage(image)?.createServer({
    repository: repositoryOf(image),
    ip: '127.0.0.1',
    port: 0,
    podName: 'pod-1',
    namespace: 'default',
    serviceAccount: 'default',
    nodeName: 'limen',
    env: { http_proxy: await proxy(), ...env },
    args: [],
    log: () => {},
    ...more,
  }) as Server;
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Every fetch here closes its connection, so that closing the server does not wait for it. */
const call = (address: string, path: string, init: RequestInit = {}) =>
  fetch(`http://${address}${path}`, { redirect: 'manual', ...init, headers: { connection: 'close', ...init.headers } });
const json = async (address: string, path: string, init?: RequestInit) =>
  (await (await call(address, path, init)).json()) as Record<string, unknown>;

describe('the name of an image', () => {
  it.each([
    ['istioinaction/catalog', 'istioinaction/catalog'],
    ['istioinaction/catalog:latest', 'istioinaction/catalog'],
    ['docker.io/istioinaction/catalog:1.0', 'istioinaction/catalog'],
    ['localhost:5000/istioinaction/catalog', 'istioinaction/catalog'],
    ['registry.example.com:5000/mirror/istioinaction/catalog@sha256:abc', 'mirror/istioinaction/catalog'],
    ['nginx:1.27', 'nginx'],
    ['docker.io/library/nginx', 'nginx'],
  ])('%s is the repository %s', (reference, repository) => {
    expect(repositoryOf(reference)).toBe(repository);
  });

  it('leads to the same sample from any registry, mirror and tag', () => {
    const image = findImage('istioinaction/catalog');
    expect(image).toBeDefined();
    expect(findImage('docker.io/istioinaction/catalog:v2')).toBe(image);
    expect(findImage('registry.example.com/mirror/istioinaction/catalog')).toBe(image);
    expect(findImage('registry.istio.io/release/examples-bookinfo-details-v1:1.20.3')).toBe(
      findImage('docker.io/istio/examples-bookinfo-details-v1:1.20.3'),
    );
    expect(findImage('example.com/someone/catalog')).toBeUndefined();
    expect(findImage('catalog')).toBeUndefined();
    expect(findImage('')).toBeUndefined();
  });

  it('is there for each walkthrough', () => {
    expect(imageNames()).toEqual(
      expect.arrayContaining([
        'cjimti/go-echo',
        'istio/examples-bookinfo-productpage-v1',
        'istio/examples-bookinfo-reviews-v3',
        'istioinaction/catalog',
        'istioinaction/webapp',
        'kennethreitz/httpbin',
        'limen/echo',
        'limen/test-server',
      ]),
    );
    expect(samplePath('istioinaction/webapp:latest')).toBe('/api/catalog');
    expect(samplePath('cjimti/go-echo')).toBeUndefined();
  });
});

describe('catalog', () => {
  it('lists its items with the headers of an Express server', async () => {
    const answer = await call(await start('istioinaction/catalog'), '/items');
    expect(await answer.json()).toEqual([
      { id: 1, color: 'amber', department: 'Eyewear', name: 'Elinor Glasses', price: '282.00' },
      { id: 2, color: 'cyan', department: 'Clothing', name: 'Atlas Shirt', price: '127.00' },
      { id: 3, color: 'teal', department: 'Clothing', name: 'Small Metal Shoes', price: '232.00' },
      { id: 4, color: 'red', department: 'Watches', name: 'Red Dragon Watch', price: '232.00' },
    ]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
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
    });
  });

  it('has single items, and 404 for others', async () => {
    const address = await start('istioinaction/catalog');
    expect(await json(address, '/items/2')).toMatchObject({ name: 'Atlas Shirt' });
    expect((await call(address, '/items/9')).status).toBe(404);
    expect((await call(address, '/other')).status).toBe(404);
  });

  it('takes a new item', async () => {
    const address = await start('istioinaction/catalog');
    expect((await call(address, '/items', { method: 'POST', body: '{"name":"Hat"}' })).status).toBe(201);
    expect(await json(address, '/items/5')).toMatchObject({ id: 5, name: 'Hat' });
  });
});

describe('webapp', () => {
  const env = { CATALOG_SERVICE_HOST: 'catalog.istioinaction', CATALOG_SERVICE_PORT: '80' };

  it('asks the catalog service for the items', async () => {
    services.set('catalog.istioinaction', await start('istioinaction/catalog'));
    const answer = await call(await start('istioinaction/webapp', env), '/api/catalog');
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await answer.text()).toMatch(/^\[\{"id":1,"color":"amber","department":"Eyewear","name":"Elinor Glasses",/);
  });

  it('shows them on a page', async () => {
    services.set('catalog.istioinaction', await start('istioinaction/catalog'));
    const answer = await call(await start('istioinaction/webapp', env), '/');
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await answer.text()).toContain('<td>Red Dragon Watch</td>');
  });

  it('hands the trace headers on', async () => {
    const seen: unknown[] = [];
    const address = await start('limen/echo', {}, {});
    services.set('catalog.istioinaction', address);
    servers.at(-1)?.on('request', (request: { headers: unknown }) => seen.push(request.headers));
    const trace = { 'x-request-id': 'r1', 'x-b3-traceid': 't1', 'x-b3-spanid': 's1', 'x-other': 'no' };
    await call(await start('istioinaction/webapp', env), '/api/catalog', { headers: trace });
    expect(seen[0]).toMatchObject({ 'x-request-id': 'r1', 'x-b3-traceid': 't1', host: 'catalog.istioinaction' });
    expect(seen[0]).not.toHaveProperty('x-other');
  });

  it('answers 500 and says why when nobody is behind the service', async () => {
    const answer = await call(await start('istioinaction/webapp', env), '/api/catalog');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('error calling Catalog service: it answered 503: no healthy upstream\n');
  });

  it('answers 500 and says why when nobody answers', async () => {
    const direct = { ...env, CATALOG_SERVICE_HOST: 'localhost', CATALOG_SERVICE_PORT: '1', no_proxy: 'localhost' };
    const answer = await call(await start('istioinaction/webapp', direct), '/api/catalog');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toMatch(
      /^error calling Catalog service: the service localhost:1 does not answer: .*ECONNREFUSED/,
    );
  });
});

describe('httpbin', () => {
  it('shows the request headers in title case', async () => {
    const address = await start('kennethreitz/httpbin');
    const { headers } = await json(address, '/headers', {
      headers: { 'x-envoy-internal': 'true', 'x-b3-traceid': '1' },
    });
    expect(headers).toMatchObject({ 'X-Envoy-Internal': 'true', 'X-B3-Traceid': '1', Host: address });
  });

  it('shows them as lists in the Go version', async () => {
    const { headers } = await json(await start('ghcr.io/mccutchen/go-httpbin:v2'), '/headers');
    expect(headers).toMatchObject({ Connection: ['close'] });
  });

  it('describes the request', async () => {
    const address = await start('kong/httpbin');
    expect(await json(address, '/get?a=1&b=2&b=3')).toMatchObject({
      args: { a: '1', b: ['2', '3'] },
      origin: '127.0.0.1',
      url: `http://${address}/get?a=1&b=2&b=3`,
    });
    expect(await json(address, '/post', { method: 'POST', body: '{"a":1}' })).toMatchObject({
      data: '{"a":1}',
      json: { a: 1 },
    });
    expect(await json(address, '/anything/x', { method: 'PUT', body: new URLSearchParams({ a: '1' }) })).toMatchObject({
      method: 'PUT',
      form: { a: '1' },
    });
    expect(await json(address, '/ip', { headers: { 'x-forwarded-for': '10.1.1.1' } })).toEqual({ origin: '10.1.1.1' });
    expect(await json(address, '/user-agent', { headers: { 'user-agent': 'me' } })).toEqual({ 'user-agent': 'me' });
  });

  it('answers as it is told to', async () => {
    const address = await start('kennethreitz/httpbin');
    expect((await call(address, '/status/418')).status).toBe(418);
    expect((await call(address, '/status/204')).status).toBe(204);
    expect((await call(address, '/status/x')).status).toBe(400);
    expect((await call(address, '/delay/0')).status).toBe(200);
    expect((await (await call(address, '/bytes/100')).arrayBuffer()).byteLength).toBe(100);
    expect((await (await call(address, '/stream/3')).text()).trim().split('\n')).toHaveLength(3);
    expect((await call(address, '/response-headers?x-a=1')).headers.get('x-a')).toBe('1');
    expect((await call(address, '/redirect-to?url=/get')).headers.get('location')).toBe('/get');
    expect((await call(address, '/get', { method: 'POST' })).status).toBe(405);
    expect((await call(address, '/nothing')).status).toBe(404);
    expect((await call(address, '/')).headers.get('content-type')).toBe('text/html; charset=utf-8');
  });
});

describe('tcp-echo', () => {
  /** Everything the server says until it has said `length` bytes, after `text` was sent. */
  async function talk(address: string, text: string, length: number): Promise<string> {
    const [host, port] = address.split(':');
    const socket = connect(Number(port), host);
    socket.write(text);
    let received = '';
    for await (const chunk of socket) {
      received += String(chunk);
      if (received.length >= length) break;
    }
    return received;
  }

  it('greets with where it runs, then sends every line back', async () => {
    const greeting =
      'Welcome, you are connected to node limen.\nRunning on Pod tcp-echo-1.\nIn namespace istioinaction.\n' +
      'With IP address 127.1.2.3.\nService default.\n';
    const address = await start('cjimti/go-echo', {
      TCP_PORT: '2701',
      NODE_NAME: 'limen',
      POD_NAME: 'tcp-echo-1',
      POD_NAMESPACE: 'istioinaction',
      POD_IP: '127.1.2.3',
      SERVICE_ACCOUNT: 'default',
    });
    expect(await talk(address, 'hello there\n', greeting.length + 12)).toBe(`${greeting}hello there\n`);
  });

  it('listens on TCP_PORT where the Deployment declares no port', () => {
    expect(findImage('cjimti/go-echo')?.defaultPort({ TCP_PORT: '2701' })).toBe(2701);
    expect(findImage('cjimti/go-echo')?.defaultPort({})).toBe(1025);
  });

  it('puts a prefix before each line in Istio’s version', async () => {
    const address = await start('docker.io/istio/tcp-echo-server:1.3', {}, { args: ['9000,9001', 'one'] });
    expect(await talk(address, 'world\n', 10)).toBe('one world\n');
  });
});

describe('test-server', () => {
  it('answers test on /api/test', async () => {
    const address = await start('limen/test-server');
    expect(await (await call(address, '/api/test')).text()).toBe('test');
    expect((await call(address, '/')).status).toBe(404);
  });
});

describe('bookinfo', () => {
  async function startAll(version: string): Promise<string> {
    services.set('details:9080', await start('docker.io/istio/examples-bookinfo-details-v1:1.20.3'));
    services.set('ratings:9080', await start('docker.io/istio/examples-bookinfo-ratings-v1:1.20.3'));
    services.set('reviews:9080', await start(`docker.io/istio/examples-bookinfo-reviews-${version}:1.20.3`));
    return start('docker.io/istio/examples-bookinfo-productpage-v1:1.20.3');
  }

  it.each([
    ['v1', undefined],
    ['v2', 'black'],
    ['v3', 'red'],
  ])('reviews %s have stars of color %s', async (version, color) => {
    const { reviews } = await json(await startAll(version), '/api/v1/products/0/reviews');
    const [first] = reviews as { rating?: { stars: number; color: string } }[];
    expect(first?.rating).toEqual(color === undefined ? undefined : { stars: 5, color });
  });

  it('the product page shows details and reviews', async () => {
    const page = await (await call(await startAll('v3'), '/productpage')).text();
    expect(page).toContain('<title>Simple Bookstore App</title>');
    expect(page).toContain('William Shakespeare');
    expect(page).toContain('<p class="red">★★★★★</p>');
  });

  it('the product page says what it can not get', async () => {
    const address = await startAll('v1');
    services.delete('details:9080');
    const page = await (await call(address, '/productpage')).text();
    expect(page).toContain('Error fetching product details: the service details answers 503');
    expect((await call(address, '/api/v1/products/0')).status).toBe(503);
  });

  it('knows its products, and who is signed in', async () => {
    const address = await startAll('v1');
    expect(await json(address, '/api/v1/products')).toMatchObject([{ id: 0, title: 'The Comedy of Errors' }]);
    expect(await json(address, '/api/v1/products/0')).toMatchObject({ id: 0, pages: 200 });
    expect(await json(address, '/api/v1/products/0/ratings')).toMatchObject({ ratings: { Reviewer1: 5 } });
    const login = await call(address, '/login', { method: 'POST', body: new URLSearchParams({ username: '<jane>' }) });
    expect(login.status).toBe(302);
    const cookie = String(login.headers.get('set-cookie')).split(';')[0] as string;
    const page = await (await call(address, '/productpage', { headers: { cookie } })).text();
    expect(page).toContain('Signed in as &#60;jane&#62;');
    expect((await call(address, '/logout')).headers.get('location')).toBe('/productpage');
    expect((await call(address, '/static/bookinfo.css')).headers.get('content-type')).toBe('text/css; charset=utf-8');
  });
});

describe('echo', () => {
  it('answers with what it received', async () => {
    const address = await start('limen/echo');
    const headers = { 'X-One': '1' };
    const answer = await json(address, '/a%20b/c?x=1&x=2', { method: 'PUT', body: 'text', headers });
    expect(answer).toMatchObject({
      method: 'PUT',
      target: '/a%20b/c?x=1&x=2',
      path: '/a%20b/c',
      query: '?x=1&x=2',
      httpVersion: '1.1',
      headers: { 'x-one': '1', host: address },
      body: 'text',
      bodyBytes: 4,
      remoteAddress: '127.0.0.1',
      tls: false,
    });
    expect(answer.rawHeaders).toEqual(expect.arrayContaining(['X-One', '1']));
  });

  it('answers with the status, size and headers it is told to', async () => {
    const address = await start('limen/echo', { ECHO_STATUS: '503' });
    expect((await call(address, '/')).status).toBe(503);
    const answer = await call(address, '/?status=201&size=1000&header=X-A:%201&header=X-B:2&delay=1');
    expect(answer.status).toBe(201);
    expect([answer.headers.get('x-a'), answer.headers.get('x-b')]).toEqual(['1', '2']);
    expect((await answer.arrayBuffer()).byteLength).toBe(1000);
    expect((await call(address, '/?framing=chunked&status=200')).headers.get('content-length')).toBeNull();
  });

  it('sends its body in pieces when it is told to be slow', async () => {
    const address = await start('limen/echo');
    expect((await (await call(address, '/?size=100&slow=1')).arrayBuffer()).byteLength).toBe(100);
  });

  it.each(['before', 'reset'])('closes the connection without a response: %s', async (how) => {
    await expect(call(await start('limen/echo'), `/?close=${how}`)).rejects.toThrow();
  });

  it('closes in the middle of the body', async () => {
    const answer = await call(await start('limen/echo'), '/?close=middle&size=100');
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  it('fails as often as it is told to, for each request id', async () => {
    const address = await start('limen/echo');
    const statuses: number[] = [];
    for (const id of ['a', 'a', 'a', 'b'])
      statuses.push((await call(address, '/?status=503&failures=2', { headers: { 'x-request-id': id } })).status);
    expect(statuses).toEqual([503, 503, 200, 503]);
  });

  it('survives a request it can not parse', async () => {
    const address = await start('limen/echo');
    const [host, port] = address.split(':');
    const socket = connect(Number(port), host);
    socket.end('GET http://[broken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect((await call(address, '/')).status).toBe(200);
  });
});

describe('nicholasjackson/fake-service', () => {
  it('answers with its name and message, from any registry', async () => {
    const address = await start('ghcr.io/nicholasjackson/fake-service:v0.26.2', { NAME: 'web', MESSAGE: '{"a":1}' });
    expect(await json(address, '/x')).toMatchObject({
      name: 'web',
      uri: '/x',
      type: 'HTTP',
      ip_addresses: ['127.0.0.1'],
      body: { a: 1 },
      code: 200,
    });
    expect((await call(address, '/health')).status).toBe(200);
  });

  it('calls its upstreams and tells what they said', async () => {
    services.set('api', await start('nicholasjackson/fake-service', { NAME: 'api' }));
    services.set('broken:9090', await start('nicholasjackson/fake-service', { ERROR_RATE: '1', ERROR_CODE: '503' }));
    const both = 'http://api, http://broken:9090/deep,grpc://other';
    const good = await start('nicholasjackson/fake-service', { UPSTREAM_URIS: 'http://api' });
    const bad = await start('nicholasjackson/fake-service', { UPSTREAM_URIS: both, UPSTREAM_WORKERS: '2' });
    expect(await json(good, '/')).toMatchObject({ upstream_calls: { 'http://api': { name: 'api', code: 200 } } });
    expect((await call(bad, '/')).status).toBe(500);
    expect(await json(bad, '/')).toMatchObject({
      code: 500,
      upstream_calls: {
        'http://api': { code: 200 },
        'http://broken:9090/deep': { code: 503, error: 'Service error automatically injected' },
        'grpc://other': { code: -1 },
      },
    });
  });

  it('listens where LISTEN_ADDR says, and takes as long as its timings say', () => {
    expect(findImage('nicholasjackson/fake-service')?.defaultPort({ LISTEN_ADDR: '0.0.0.0:9091' })).toBe(9091);
    expect(findImage('nicholasjackson/fake-service')?.defaultPort({})).toBe(9090);
    const env = { TIMING_50_PERCENTILE: '1s', TIMING_99_PERCENTILE: '1m0.5s', TIMING_VARIANCE: '10' };
    expect(delayOf(env, 0.2, 0.5)).toBe(1000);
    expect(delayOf(env, 0.2, 1)).toBe(1100);
    expect(delayOf(env, 0.995, 0.5)).toBe(60_500);
    expect(delayOf({}, 0.2, 1)).toBe(0);
  });
});
