// Header operations of routes and destinations, and the headers that the gateway itself adds, keeps and removes.

import { routes, TO_A, virtualService } from '../objects.ts';
import { answer, get, post, request } from '../row.ts';
import { section } from '../section.ts';

section(import.meta.url, [
  {
    name: 'headers of route and destination',
    yaml: virtualService(`  http:
    - match: [{ uri: { prefix: /authority } }]
      headers: { request: { set: { ":authority": inner.example } } }
      route: [{ destination: { host: a } }]
    - match: [{ uri: { prefix: /host } }]
      headers: { request: { set: { Host: inner.example } } }
      route: [{ destination: { host: a } }]
    - match: [{ uri: { prefix: /dynamic } }]
      headers: { request: { set: { x-proto: "%PROTOCOL%", x-percent: "100%%" } }, response: { set: { x-code: "%RESPONSE_CODE%" } } }
      route: [{ destination: { host: a } }]
    - headers:
        request: { set: { x-set: route }, add: { x-add: route }, remove: [x-remove] }
        response: { set: { x-set: route, server: shop }, add: { x-add: route }, remove: [x-powered-by] }
      route:
        - destination: { host: a }
          headers:
            request: { set: { x-dest: "1" }, add: { x-add: destination }, remove: [x-remove-too] }
            response: { add: { x-add: destination } }`),
    rows: [
      { name: 'set, add and remove on a request without them', send: get('/'), gives: '200' },
      {
        name: 'set, add and remove on a request with them',
        send: get('/', { 'X-Set': 'client', 'X-Add': 'client', 'X-Remove': '1', 'X-Remove-Too': '1' }),
        gives: '200',
      },
      {
        name: 'set, add and remove on a response with them',
        send: get('/'),
        upstream: [
          answer('200 OK', 'x', { 'X-Set': 'upstream', 'x-add': 'upstream', 'X-Powered-By': 'Node', server: 'node' }),
        ],
        gives: '200',
      },
      { name: 'set :authority', send: get('/authority'), gives: '200' },
      { name: 'set Host', send: get('/host'), gives: '200' },
      { name: 'values of the request', send: get('/dynamic'), gives: '200' },
    ],
  },
  {
    name: 'what the gateway does to requests',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      { name: 'x-forwarded-for, -proto and x-request-id are there', send: get('/'), gives: '200' },
      { name: 'x-forwarded-for is appended to', send: get('/', { 'X-Forwarded-For': '1.2.3.4' }), gives: '200' },
      {
        name: 'x-forwarded-proto of a client is replaced',
        send: get('/', { 'X-Forwarded-Proto': 'https' }),
        gives: '200',
      },
      {
        name: 'x-forwarded-host and -port go through',
        send: get('/', { 'X-Forwarded-Host': 'h', 'X-Forwarded-Port': '1' }),
        gives: '200',
      },
      { name: "a client's x-request-id", send: get('/', { 'X-Request-Id': 'mine' }), gives: '200' },
      {
        name: 'x-envoy headers of a client',
        send: get('/', {
          'x-envoy-internal': 'false',
          'x-envoy-original-path': '/o',
          'x-envoy-expected-rq-timeout-ms': '5',
        }),
        gives: '200',
      },
      {
        name: 'x-envoy retry headers of a client',
        send: get('/', {
          'x-envoy-retry-on': '5xx',
          'x-envoy-max-retries': '1',
          'x-envoy-upstream-rq-timeout-ms': '9000',
        }),
        gives: '200',
      },
      {
        name: 'x-forwarded-client-cert of a client is removed',
        send: get('/', { 'X-Forwarded-Client-Cert': 'By=spiffe://x' }),
        gives: '200',
      },
      {
        name: 'hop-by-hop headers',
        send: get('/', {
          Connection: 'keep-alive, x-hop',
          'X-Hop': '1',
          'Keep-Alive': 'timeout=5',
          'Proxy-Connection': 'keep-alive',
        }),
        gives: '200',
      },
      { name: 'te', send: get('/', { TE: 'trailers, deflate', Connection: 'te' }), gives: '200' },
      {
        name: 'two cookies',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n',
        gives: '200',
      },
      {
        name: 'two lines of one header',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-a: 1\r\nx-a: 2\r\n\r\n',
        gives: '200',
      },
      { name: 'names in capitals become lower case', send: get('/', { 'X-CUSTOM-Name': 'V' }), gives: '200' },
      {
        name: 'spaces around a value',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-a: \t  v  w \t\r\n\r\n',
        gives: '200',
      },
      { name: 'bytes above 127 in a value', send: get('/', { 'x-a': 'caf\xe9' }), gives: '200' },
      { name: 'an empty value', send: get('/', { 'x-a': '' }), gives: '200' },
      { name: 'underscores in a name', send: get('/', { x_under_score: '1' }), gives: '200' },
      {
        name: 'user-agent and accept go through',
        send: get('/', { 'User-Agent': 'curl/8', Accept: '*/*' }),
        gives: '200',
      },
      {
        name: 'x-forwarded-for of several hops',
        send: get('/', { 'X-Forwarded-For': '1.2.3.4, 10.0.0.1' }),
        gives: '200',
      },
      { name: 'grpc-timeout without grpc', send: get('/', { 'grpc-timeout': '1S' }), gives: '200' },
    ],
  },
  {
    name: 'headers of a route on responses of its own',
    yaml: routes(
      '{ match: [{ uri: { prefix: /nowhere } }], headers: { response: { set: { x-set: route, content-language: en, x-code: "%RESPONSE_CODE%", content-type: text/html, server: shop }, add: { x-add: route } } }, route: [{ destination: { host: nowhere }, headers: { response: { add: { x-add: destination } } } }] }',
      '{ match: [{ uri: { prefix: /refused } }], retries: { attempts: 0 }, headers: { response: { set: { x-flags: "%RESPONSE_FLAGS%", content-length: "3" }, remove: [content-type] } }, route: [{ destination: { host: refused } }] }',
      '{ match: [{ uri: { prefix: /html } }], retries: { attempts: 0 }, headers: { response: { set: { content-type: text/html } } }, route: [{ destination: { host: refused } }] }',
      '{ match: [{ uri: { prefix: /weighted } }], route: [{ destination: { host: empty }, weight: 100, headers: { response: { set: { x-dest: "1" } } } }, { destination: { host: a }, weight: 0 }] }',
      '{ timeout: 0.05s, headers: { response: { set: { x-set: route } } }, route: [{ destination: { host: a } }] }',
    ),
    rows: [
      { name: 'no such cluster', send: get('/nowhere'), gives: '503' },
      {
        name: 'no such cluster, for gRPC',
        send: get('/nowhere', { 'Content-Type': 'application/grpc' }),
        gives: '200',
      },
      { name: 'an upstream that refuses', send: get('/refused'), gives: '503' },
      { name: 'an upstream that refuses, and a type of its body', send: get('/html'), gives: '503' },
      { name: 'no endpoints behind a weight', send: get('/weighted'), gives: '503' },
      { name: 'a timeout', send: get('/'), upstream: [{}], gives: '504' },
      {
        name: 'a bad chunk',
        send: [request('POST /', { 'Transfer-Encoding': 'chunked' }), { attempts: 1 }, 'no chunk\r\n'],
        upstream: [{}],
        gives: '400 closed',
      },
    ],
  },
  {
    name: 'what the gateway does to responses',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      {
        name: "the upstream's server and date",
        send: get('/'),
        upstream: [answer('200 OK', 'x', { server: 'nginx', date: 'Thu, 01 Jan 1970 00:00:00 GMT' })],
        gives: '200',
      },
      {
        name: 'hop-by-hop headers',
        send: get('/'),
        upstream: [answer('200 OK', 'x', { connection: 'keep-alive', 'keep-alive': 'timeout=5' })],
        gives: '200',
      },
      {
        name: 'several set-cookie',
        send: get('/'),
        upstream: ['HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n'],
        gives: '200',
      },
      {
        name: 'names in capitals',
        send: get('/'),
        upstream: [answer('200 OK', 'x', { 'X-Custom-Name': 'V' })],
        gives: '200',
      },
      {
        name: 'x-envoy headers of an upstream',
        send: get('/'),
        upstream: [
          answer('200 OK', 'x', { 'x-envoy-upstream-service-time': '5', 'x-envoy-decorator-operation': 'op' }),
        ],
        gives: '200',
      },
      {
        name: 'a reason phrase of its own',
        send: get('/'),
        upstream: ['HTTP/1.1 200 Fine by me\r\ncontent-length: 0\r\n\r\n'],
        gives: '200',
      },
      {
        name: 'no reason phrase',
        send: get('/'),
        upstream: ['HTTP/1.1 404\r\ncontent-length: 0\r\n\r\n'],
        gives: '404',
      },
      { name: 'a status without a name', send: get('/'), upstream: [answer('299 Odd', 'x')], gives: '299' },
      { name: 'a status above 599', send: get('/'), upstream: [answer('799 Odd', 'x')], gives: '799' },
      {
        name: 'content-encoding goes through',
        send: get('/'),
        upstream: [answer('200 OK', '\x1f\x8b', { 'content-encoding': 'gzip' })],
        gives: '200',
      },
      {
        name: 'bytes above 127 in a value',
        send: get('/'),
        upstream: [answer('200 OK', '', { 'x-a': 'caf\xe9' })],
        gives: '200',
      },
      {
        name: 'a redirect of the upstream',
        send: get('/'),
        upstream: [answer('302 Found', '', { location: 'http://shop.example/next' })],
        gives: '302',
      },
      {
        name: 'an answer to POST',
        send: post('/', 'a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }),
        upstream: [answer('201 Created', '', { location: '/1' })],
        gives: '201',
      },
      {
        name: 'an answer to HEAD with a length',
        send: request('HEAD /'),
        upstream: [answer('200 OK', 'four', { etag: '"1"' })],
        gives: '200',
      },
    ],
  },
]);
