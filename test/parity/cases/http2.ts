// HTTP/2 between client and gateway, by prior knowledge and by ALPN: what requests of HTTP/1.1 ask in http1.ts, routing.ts and their like.

import { all, gateway, virtualService } from '../objects.ts';
import { answer, chunked, get, type Headers, post, type Row, request } from '../row.ts';
import { section } from '../section.ts';

const ROUTES = virtualService(`  http:
    - match: [{ uri: { exact: /teapot } }]
      directResponse: { status: 418, body: { string: "short and stout\\n" } }
    - match: [{ uri: { exact: /empty } }]
      directResponse: { status: 200 }
    - match: [{ uri: { exact: /moved } }]
      redirect: { uri: /else, authority: else.example }
    - match: [{ uri: { prefix: /old } }]
      rewrite: { uri: /new, authority: inner.example }
      route: [{ destination: { host: a } }]
    - match: [{ headers: { x-to: { exact: b } } }]
      route: [{ destination: { host: b } }]
      headers: { request: { add: { x-added: one } }, response: { set: { x-set: two } } }
    - match: [{ uri: { exact: /refused } }]
      route: [{ destination: { host: refused } }]
    - match: [{ uri: { exact: /no-endpoints } }]
      route: [{ destination: { host: empty } }]
    - match: [{ uri: { exact: /nowhere } }]
      route: [{ destination: { host: nowhere } }]
    - match: [{ uri: { exact: /slow } }]
      timeout: 0.2s
      route: [{ destination: { host: a } }]
    - route: [{ destination: { host: a } }]`);

const CHUNKED: Headers = { 'Transfer-Encoding': 'chunked' };
const RESPONSE = 'HTTP/1.1 200 OK\r\n';

const ROWS: readonly Row[] = [
  { name: 'GET', send: get('/path?query=1', { 'User-Agent': 'parity', 'X-Own': 'one' }), gives: '200' },
  { name: 'HEAD', send: request('HEAD /'), gives: '200' },
  { name: 'OPTIONS', send: request('OPTIONS /'), gives: '200' },
  { name: 'POST with a content-length', send: post('/', 'hello'), gives: '200' },
  {
    name: 'a redirect says the scheme that the client said: http',
    send: get('http://shop.example/moved'),
    gives: '301',
  },
  { name: 'or https', send: get('https://shop.example/moved'), gives: '301' },
  { name: 'or in capitals', send: get('HTTPS://shop.example/moved'), gives: '301' },
  { name: 'another scheme', send: get('ftp://shop.example/moved'), gives: '301' },
  { name: 'an upstream does not hear of it', send: get('http://shop.example/path'), gives: '200' },
  { name: 'POST of nothing', send: post('/', ''), gives: '200' },
  {
    name: 'POST without a length',
    send: request('POST /', CHUNKED, chunked(['hello ', 'world'])),
    gives: '200',
  },
  { name: 'a body of 200 kB', send: post('/', 'x'.repeat(200_000)), gives: '200' },
  {
    name: 'an answer of 200 kB',
    send: get('/'),
    upstream: [answer('200 OK', 'y'.repeat(200_000))],
    gives: '200',
  },
  {
    name: 'an answer in chunks',
    send: get('/'),
    upstream: [`${RESPONSE}transfer-encoding: chunked\r\n\r\n${chunked(['one', 'two'])}`],
    gives: '200',
  },
  {
    name: 'an answer that ends with its connection',
    send: get('/'),
    upstream: [{ bytes: `${RESPONSE}\r\nto the end`, ending: 'close' }],
    gives: '200',
  },
  { name: 'an answer without a body', send: get('/'), upstream: ['HTTP/1.1 204 No Content\r\n\r\n'], gives: '204' },
  {
    name: 'an answer with headers of a connection',
    send: get('/'),
    upstream: [answer('200 OK', '', { Connection: 'keep-alive', 'Keep-Alive': 'timeout=5', 'X-Own': 'one' })],
    gives: '200',
  },
  {
    name: 'two cookies',
    send: get('/'),
    upstream: [`${RESPONSE}set-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n`],
    gives: '200',
  },
  { name: 'a direct response', send: get('/teapot'), gives: '418' },
  { name: 'HEAD of a direct response', send: request('HEAD /teapot'), gives: '418' },
  { name: 'a direct response without a body', send: get('/empty'), gives: '200' },
  { name: 'a redirect', send: get('/moved'), gives: '301' },
  { name: 'a rewrite', send: get('/old/path?x=1'), gives: '200' },
  { name: 'a match of a header, and headers of the route', send: get('/', { 'X-To': 'b' }), gives: '200' },
  { name: 'no route for the host', send: get('/', { Host: 'other.example' }), gives: '404' },
  { name: 'a host with a port', send: get('/', { Host: 'shop.example:8080' }), gives: '200' },
  { name: 'a path that is normalized', send: get('/a/../b//c'), gives: '200' },
  { name: 'a path that is refused', send: get('/a%00'), gives: '400' },
  { name: 'an endpoint that refuses', send: get('/refused'), gives: '503' },
  { name: 'no endpoints', send: get('/no-endpoints'), gives: '503' },
  { name: 'no service', send: get('/nowhere'), gives: '503' },
  { name: 'an upstream that is too slow', send: get('/slow'), upstream: [{ delay: 2000 }], gives: '504' },
  {
    name: 'an upstream that is retried',
    send: get('/'),
    upstream: [answer('503 No'), answer('200 OK', 'second')],
    gives: '200',
  },
  { name: 'an upstream that closes', send: get('/'), upstream: [{ ending: 'close' }], gives: '503' },
  {
    name: 'headers of a neighbour',
    send: get('/', { 'X-Forwarded-For': '192.0.2.1', 'X-Envoy-Max-Retries': '3', 'X-Forwarded-Proto': 'https' }),
    gives: '200',
  },
  {
    name: 'a trace context',
    send: get('/', { b3: '463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1' }),
    gives: '200',
  },
  { name: 'three requests', send: [get('/1'), post('/2', 'two'), get('/teapot')], gives: '200 200 418' },
  {
    name: 'gRPC, no route',
    send: request(
      'POST /',
      { Host: 'other.example', 'Content-Type': 'application/grpc', TE: 'trailers' },
      '\0\0\0\0\0',
    ),
    gives: '200',
  },
];

const GATEWAY = all(
  gateway(
    '{ port: { number: 443, name: https, protocol: HTTPS }, hosts: ["*"], tls: { mode: SIMPLE, credentialName: shop } }',
  ),
  `apiVersion: v1
kind: Secret
metadata: { name: shop, namespace: istio-system }
type: Opaque
data: { tls.crt: "{{certificate shop.example}}", tls.key: "{{key shop.example}}" }`,
);

const TO_HTTPS = gateway(
  '{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"], tls: { httpsRedirect: true } }',
);

section(import.meta.url, [
  { name: 'prior knowledge', yaml: ROUTES, rows: ROWS.map((row) => ({ ...row, http2: true })) },
  {
    name: 'ALPN',
    yaml: all(GATEWAY, ROUTES),
    rows: ROWS.map((row) => ({ ...row, http2: true, to: 8443, tls: { servername: 'shop.example', alpn: ['h2'] } })),
  },
  {
    name: 'httpsRedirect',
    yaml: all(TO_HTTPS, ROUTES),
    rows: [
      { name: 'who says https in plain text is sent there', send: get('https://shop.example/path'), gives: '301' },
    ].map((row) => ({ ...row, http2: true as const })),
  },
  {
    name: 'the scheme of a target in absolute form over TLS and HTTP/1.1',
    yaml: all(GATEWAY, ROUTES),
    rows: ['http', 'https'].map((scheme) => ({
      name: scheme,
      ...{ to: 8443, tls: { servername: 'shop.example' } },
      send: get(`${scheme}://shop.example/moved`),
      gives: '301',
    })),
  },
]);
