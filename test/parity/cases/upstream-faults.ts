// HTTPRetry, timeout, and upstreams that misbehave.

import { answer, get, post, request } from '../row.ts';
import { section } from '../section.ts';

const routes = (...http: string[]) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: routes, namespace: default }
spec:
  hosts: [shop.example]
  gateways: [gateway]
  http:
${http.map((each) => `    - ${each}`).join('\n')}`;

const TO_A = 'route: [{ destination: { host: a } }]';
const BUSY = answer('503 Service Unavailable', 'busy');
const OK = answer('200 OK', 'at last');

section(import.meta.url, [
  {
    name: "Istio's default retries",
    yaml: routes(
      `{ match: [{ uri: { prefix: /refused } }], route: [{ destination: { host: refused } }] }`,
      `{ ${TO_A} }`,
    ),
    rows: [
      { name: 'one 503', send: get('/'), upstream: [BUSY, OK], gives: '200' },
      { name: 'two 503', send: get('/'), upstream: [BUSY, BUSY, OK], gives: '200' },
      { name: 'only 503', send: get('/'), upstream: [BUSY], gives: '503' },
      { name: 'a 503 for a POST', send: post('/', 'the body'), upstream: [BUSY, OK], gives: '200' },
      { name: 'a 503 for a HEAD', send: request('HEAD /'), upstream: [BUSY, OK], gives: '200' },
      {
        name: '500 is not retried',
        send: get('/'),
        upstream: [answer('500 Internal Server Error', 'broken')],
        gives: '500',
      },
      { name: '502 is not retried', send: get('/'), upstream: [answer('502 Bad Gateway', 'broken')], gives: '502' },
      { name: 'a connection that is refused', send: get('/refused'), gives: '503' },
    ],
  },
  {
    name: 'retries of a route',
    yaml: routes(
      `{ match: [{ uri: { prefix: /none } }], retries: { attempts: 0 }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /three } }], retries: { attempts: 3, retryOn: 5xx }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /gateway-error } }], retries: { attempts: 1, retryOn: gateway-error }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /codes } }], retries: { attempts: 2, retryOn: "409,429" }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /4xx } }], retries: { attempts: 1, retryOn: retriable-4xx }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /reset } }], retries: { attempts: 2, retryOn: reset }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /before } }], retries: { attempts: 2, retryOn: reset-before-request }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /connect } }], retries: { attempts: 2, retryOn: connect-failure }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /per-try } }], retries: { attempts: 1, perTryTimeout: 300ms, retryOn: 5xx }, ${TO_A} }`,
    ),
    rows: [
      { name: 'attempts 0', send: get('/none'), upstream: [BUSY, OK], gives: '503' },
      {
        name: '5xx three times',
        send: get('/three'),
        upstream: [answer('500 Oh'), answer('502 Oh'), answer('599 Oh'), OK],
        gives: '200',
      },
      { name: '5xx four times', send: get('/three'), upstream: [answer('500 Oh', 'the last')], gives: '500' },
      { name: 'gateway-error', send: get('/gateway-error'), upstream: [answer('504 Oh'), OK], gives: '200' },
      { name: 'gateway-error is not 500', send: get('/gateway-error'), upstream: [answer('500 Oh'), OK], gives: '500' },
      { name: 'codes', send: get('/codes'), upstream: [answer('429 Oh'), answer('409 Oh'), OK], gives: '200' },
      { name: 'codes are no others', send: get('/codes'), upstream: [BUSY, OK], gives: '503' },
      { name: 'retriable-4xx is 409', send: get('/4xx'), upstream: [answer('409 Oh'), OK], gives: '200' },
      { name: 'retriable-4xx is not 404', send: get('/4xx'), upstream: [answer('404 Oh'), OK], gives: '404' },
      { name: 'reset', send: get('/reset'), upstream: [{ ending: 'reset' }, OK], gives: '200' },
      { name: 'reset is not 503', send: get('/reset'), upstream: [BUSY, OK], gives: '503' },
      {
        name: 'reset-before-request, after the request',
        send: get('/before'),
        upstream: [{ ending: 'reset' }, OK],
        gives: '503',
      },
      { name: 'connect-failure is no reset', send: get('/connect'), upstream: [{ ending: 'close' }, OK], gives: '503' },
      { name: 'perTryTimeout', send: get('/per-try'), upstream: [{}, OK], gives: '200' },
      { name: 'perTryTimeout twice', send: get('/per-try'), upstream: [{}], gives: '504' },
    ],
  },
  {
    name: 'timeout',
    yaml: routes(
      `{ match: [{ uri: { prefix: /short } }], timeout: 300ms, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /retries } }], timeout: 500ms, retries: { attempts: 5, perTryTimeout: 300ms, retryOn: 5xx }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /long } }], timeout: 20s, ${TO_A} }`,
      `{ ${TO_A} }`,
    ),
    rows: [
      { name: 'no answer in time', send: get('/short'), upstream: [{}], gives: '504' },
      { name: 'no answer to a POST in time', send: post('/short', 'body'), upstream: [{}], gives: '504' },
      { name: 'an answer in time', send: get('/short'), gives: '200' },
      {
        name: 'half an answer in time',
        send: get('/short'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf' }],
        gives: '200 closed',
      },
      { name: 'the timeout covers retries', send: get('/retries'), upstream: [{}], gives: '504' },
      { name: 'a slow answer', send: get('/long'), upstream: [{ bytes: OK, delay: 100 }], gives: '200' },
      {
        name: 'the client may not shorten it',
        send: get('/', { 'x-envoy-upstream-rq-timeout-alt-response': '1' }),
        gives: '200',
      },
    ],
  },
  {
    name: 'connections that end too early',
    yaml: routes(`{ retries: { attempts: 0 }, ${TO_A} }`),
    rows: [
      { name: 'a close before the response', send: get('/'), upstream: [{ ending: 'close' }], gives: '503' },
      { name: 'a reset before the response', send: get('/'), upstream: [{ ending: 'reset' }], gives: '503' },
      {
        name: 'a close before the response to a POST',
        send: post('/', 'body'),
        upstream: [{ ending: 'close' }],
        gives: '503',
      },
      {
        name: 'a close amid the head',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-', ending: 'close' }],
        gives: '502',
      },
      {
        name: 'a reset amid the head',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-', ending: 'reset' }],
        gives: '502',
      },
      {
        name: 'a close amid the second head',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n', ending: 'close' }],
        gives: '103 502',
      },
      {
        name: 'a close after 103',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n', ending: 'close' }],
        gives: '103 503',
      },
      {
        name: 'a close after an empty line',
        send: get('/'),
        upstream: [{ bytes: '\r\n', ending: 'close' }],
        gives: '502',
      },
      {
        name: 'a reset amid chunks',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', ending: 'reset' }],
        gives: '200 closed',
      },
      {
        name: "a reset amid a body up to the connection's end",
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\n\r\nhalf', ending: 'reset' }],
        gives: '200',
      },
      {
        name: 'a close amid a body with a length',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', ending: 'close' }],
        gives: '200 closed',
      },
      {
        name: 'a reset amid a body with a length',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', ending: 'reset' }],
        gives: '200 closed',
      },
      {
        name: 'a close amid chunks',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', ending: 'close' }],
        gives: '200 closed',
      },
      {
        name: 'a response before the whole request',
        send: [request('POST /', { 'Content-Length': '10' }, 'half'), { responses: 1 }],
        upstream: [{ bytes: answer('413 Payload Too Large', 'no'), after: 'head' }],
        gives: '413 closed',
      },
      {
        name: 'a retriable response before the whole request',
        send: [
          request('POST /', { 'Content-Length': '10', 'x-envoy-retry-on': '5xx' }, 'half'),
          { attempts: 2 },
          'whole.',
        ],
        upstream: [{ bytes: BUSY, after: 'head' }, OK],
        gives: '200',
      },
      {
        name: 'a response after 103 is not retried',
        send: get('/', { 'x-envoy-retry-on': '5xx' }),
        upstream: [`HTTP/1.1 103 Early Hints\r\n\r\n${BUSY}`, OK],
        gives: '103 503',
      },
      {
        name: 'the client goes away',
        send: [get('/'), { attempts: 1 }, 'reset'],
        responses: 0,
        upstream: [{}],
        gives: 'closed',
      },
      {
        name: 'the client ends amid its body',
        send: [request('POST /', { 'Content-Length': '10' }, 'half'), { attempts: 1 }, 'end'],
        responses: 0,
        gives: 'closed',
      },
    ],
  },
  {
    name: 'framing of responses',
    yaml: routes(`{ retries: { attempts: 0 }, ${TO_A} }`),
    rows: [
      {
        name: 'chunks',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
        gives: '200',
      },
      {
        name: 'chunks with trailers',
        send: get('/'),
        upstream: [
          'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n',
        ],
        gives: '200',
      },
      {
        name: "up to the connection's end",
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\n\r\nhello', ending: 'close' }],
        gives: '200',
      },
      {
        name: 'HTTP/1.0',
        send: get('/'),
        upstream: [{ bytes: 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello', ending: 'close' }],
        gives: '200',
      },
      { name: '204', send: get('/'), upstream: ['HTTP/1.1 204 No Content\r\n\r\n'], gives: '204' },
      {
        name: '204 with a length',
        send: get('/'),
        upstream: ['HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n'],
        gives: '204',
      },
      {
        name: '304 with a length',
        send: get('/'),
        upstream: ['HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "1"\r\n\r\n'],
        gives: '304',
      },
      {
        name: '103 before the response',
        send: get('/'),
        upstream: [`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}`],
        gives: '103 200',
      },
      {
        name: '102 before the response',
        send: get('/'),
        upstream: [`HTTP/1.1 102 Processing\r\nserver: a\r\nconnection: close\r\nkeep-alive: 5\r\n\r\n${OK}`],
        gives: '102 200',
      },
      {
        name: '104 before the response',
        send: get('/'),
        upstream: [`HTTP/1.1 104 Upload Resumption Supported\r\nx-a: 1\r\n\r\n${OK}`],
        gives: '104 200',
      },
      {
        name: '110 before the response',
        send: get('/'),
        upstream: [`HTTP/1.1 110 Odd\r\nx-a: 1\r\n\r\n${OK}`],
        gives: '200',
      },
      {
        name: 'two 103 and a 100 before the response',
        send: get('/'),
        upstream: [
          `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </y>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}`,
        ],
        gives: '103 200',
      },
      {
        name: '103 with a length',
        send: get('/'),
        upstream: [`HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\n${OK}`],
        gives: '502',
      },
      {
        name: '204 with a length that is not 0',
        send: get('/'),
        upstream: ['HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n'],
        gives: '502',
      },
      {
        name: '204 in chunks',
        send: get('/'),
        upstream: ['HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
        gives: '502',
      },
      {
        name: '100 without being asked',
        send: get('/'),
        upstream: [`HTTP/1.1 100 Continue\r\n\r\n${OK}`],
        gives: '100 200',
      },
      {
        name: 'a body of 100,000 bytes',
        send: get('/'),
        upstream: [answer('200 OK', 'y'.repeat(100_000))],
        gives: '200',
      },
      { name: 'no HTTP', send: get('/'), upstream: ['hello\r\n\r\n'], gives: '502' },
      {
        name: 'a header without a colon',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n'],
        gives: '502',
      },
      {
        name: 'two different content-lengths',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'],
        gives: '502',
      },
      {
        name: 'content-length and chunked',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
        gives: '502',
      },
      {
        name: 'a content-length that is no number',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello'],
        gives: '502',
      },
      {
        name: 'a bad chunk size',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'],
        gives: '200 closed',
      },
      {
        name: 'more bytes than its length',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello, world'],
        gives: '200',
      },
      {
        name: 'a head of 70,000 bytes',
        send: get('/'),
        upstream: [answer('200 OK', '', { 'x-big': 'y'.repeat(70_000) })],
        gives: '200',
      },
      {
        name: 'a head of 81,000 bytes',
        send: get('/'),
        upstream: [answer('200 OK', '', { 'x-big': 'y'.repeat(81_000) })],
        gives: '200',
      },
      {
        name: 'a head of 83,000 bytes',
        send: get('/'),
        upstream: [answer('200 OK', '', { 'x-big': 'y'.repeat(83_000) })],
        gives: '502',
      },
      {
        name: '100 headers',
        send: get('/'),
        upstream: [answer('200 OK', '', Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`x-${i}`, '1'])))],
        gives: '200',
      },
      {
        name: '101 headers',
        send: get('/'),
        upstream: [answer('200 OK', '', Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, '1'])))],
        gives: '502',
      },
      {
        name: '150 headers',
        send: get('/'),
        upstream: [answer('200 OK', '', Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, '1'])))],
        gives: '502',
      },
      {
        name: '101 without being asked',
        send: get('/'),
        upstream: ['HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n'],
        gives: '101',
      },
    ],
  },
]);
