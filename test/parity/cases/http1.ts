// HTTP/1.1 between client and gateway: methods, bodies, connections, upgrades, and requests that are none.

import { routes, TO_A } from '../objects.ts';
import { answer, chunked, get, post, request } from '../row.ts';
import { section } from '../section.ts';

const big = (size: number) => 'x'.repeat(size);

section(import.meta.url, [
  {
    name: 'methods and bodies',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      { name: 'GET', send: get('/path?query=1'), gives: '200' },
      { name: 'HEAD', send: request('HEAD /'), gives: '200' },
      { name: 'OPTIONS', send: request('OPTIONS /'), gives: '200' },
      { name: 'OPTIONS *', send: request('OPTIONS *'), gives: '404' },
      { name: 'DELETE with a body', send: request('DELETE /', { 'Content-Length': '4' }, 'gone'), gives: '200' },
      { name: 'PUT', send: request('PUT /', { 'Content-Length': '3' }, 'put'), gives: '200' },
      { name: 'a GET with a body', send: request('GET /', { 'Content-Length': '3' }, 'get'), gives: '200' },
      { name: 'a method that nobody knows', send: request('BREW /'), gives: '400 closed' },
      { name: 'TRACE', send: request('TRACE /'), gives: '200' },
      { name: 'CONNECT', send: request('CONNECT shop.example:80'), gives: '404 closed' },
      { name: 'CONNECT to a path', send: request('CONNECT /path'), gives: '400 closed' },
      { name: 'CONNECT without a port', send: request('CONNECT shop.example'), gives: '400 closed' },
      { name: 'CONNECT to a URL', send: request('CONNECT http://shop.example/path'), gives: '400 closed' },
      {
        name: 'CONNECT with a body',
        send: request('CONNECT shop.example:80', { 'Content-Length': '4' }, 'body'),
        gives: '400 closed',
      },
      {
        name: 'CONNECT with chunks',
        send: request('CONNECT shop.example:80', { 'Transfer-Encoding': 'chunked' }, chunked(['body'])),
        gives: '501 closed',
      },
      { name: 'POST with a content-length', send: post('/', 'hello'), gives: '200' },
      { name: 'POST without any length', send: request('POST /'), gives: '200' },
      { name: 'POST of nothing', send: post('/', ''), gives: '200' },
      {
        name: 'POST in chunks',
        send: request('POST /', { 'Transfer-Encoding': 'chunked' }, chunked(['hello ', 'world'])),
        gives: '200',
      },
      {
        name: 'POST in chunks with an extension',
        send: request('POST /', { 'Transfer-Encoding': 'chunked' }, '5;name=value\r\nhello\r\n0\r\n\r\n'),
        gives: '200',
      },
      {
        name: 'POST in chunks with trailers',
        send: request(
          'POST /',
          { 'Transfer-Encoding': 'chunked', Trailer: 'x-sum' },
          chunked(['hello'], { 'x-sum': '1' }),
        ),
        gives: '200',
      },
      { name: 'a body of 200,000 bytes', send: post('/', big(200_000)), gives: '200' },
      {
        name: 'Expect: 100-continue',
        send: [request('POST /', { 'Content-Length': '5', Expect: '100-continue' }), 'hello'],
        gives: '200',
      },
      {
        name: 'Expect: 100-continue, and the upstream says so',
        send: [
          request('POST /', { 'Content-Length': '5', Expect: '100-continue' }),
          { until: '100 Continue' },
          'hello',
        ],
        upstream: [{ first: 'HTTP/1.1 100 Continue\r\n\r\n', bytes: answer('200 OK', 'continued') }],
        gives: '100 200',
      },
      {
        name: 'an Expect that nobody knows',
        send: request('POST /', { 'Content-Length': '2', Expect: 'the unexpected' }, 'hi'),
        gives: '200',
      },
      {
        name: 'multipart goes through',
        send: post('/', '--b\r\n\r\nx\r\n--b--', { 'Content-Type': 'multipart/form-data; boundary=b' }),
        gives: '200',
      },
    ],
  },
  {
    name: 'targets',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      { name: 'absolute form', send: request('GET http://shop.example/path?q=1'), gives: '200' },
      { name: 'absolute form with a port', send: request('GET http://shop.example:8080/path'), gives: '200' },
      { name: 'absolute form without a path', send: request('GET http://shop.example'), gives: '200' },
      { name: 'absolute form with https', send: request('GET https://shop.example/path'), gives: '403 closed' },
      { name: 'absolute form with a fragment', send: request('GET http://shop.example/path#here'), gives: '200' },
      {
        name: 'absolute form with a fragment and no path',
        send: request('GET http://shop.example#here'),
        gives: '400 closed',
      },
      { name: 'a fragment behind a query', send: get('/path?q=1#here'), gives: '200' },
      { name: 'a fragment with a question mark', send: get('/path#here?q=1'), gives: '200' },
      { name: 'a fragment with dots', send: get('/a/../b#/../c'), gives: '200' },
      { name: 'a long path', send: get(`/${big(8000)}`), gives: '200' },
      { name: 'only a query', send: get('/?'), gives: '200' },
      { name: 'a colon in the path', send: get('/a:b;c=d,e'), gives: '200' },
      { name: 'escapes stay as they are', send: get('/%41%7e%2F%5C%c3%a9'), gives: '200' },
      { name: 'escaped dots are resolved', send: get('/a/%2e%2E/b'), gives: '200' },
      { name: 'dots beyond the root', send: get('/../../b'), gives: '200' },
      { name: 'characters that need an escape', send: get('/"<>^`{|}'), gives: '200' },
      { name: 'bytes above 127', send: get('/caf\xe9'), gives: '400 closed' },
      { name: 'an escaped NUL', send: get('/a%00b'), gives: '400 closed' },
      { name: 'no slash at the beginning', send: get('path'), gives: '400 closed' },
      { name: 'a bad escape', send: get('/%zz%'), gives: '200' },
    ],
  },
  {
    name: 'connections',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      { name: 'is kept open', send: [get('/1'), { responses: 1 }, get('/2')], gives: '200 200' },
      { name: 'three requests at once', send: get('/1') + get('/2') + get('/3'), gives: '200 200 200' },
      { name: 'a POST and a GET at once', send: post('/1', 'body') + get('/2'), gives: '200 200' },
      {
        name: 'a chunked POST and a GET at once',
        send: request('POST /1', { 'Transfer-Encoding': 'chunked' }, chunked(['a'])) + get('/2'),
        gives: '200 200',
      },
      { name: 'HEAD and GET at once', send: request('HEAD /1') + get('/2'), gives: '200 200' },
      { name: 'Connection: close', send: get('/', { Connection: 'close' }), gives: '200 closed' },
      {
        name: 'Connection: close of the first of two',
        send: get('/1', { Connection: 'close' }) + get('/2'),
        responses: 1,
        gives: '200 closed',
      },
      {
        name: 'the upstream says Connection: close',
        send: [get('/1'), { responses: 1 }, get('/2')],
        upstream: [{ bytes: answer('200 OK', 'x', { connection: 'close' }), ending: 'close' }],
        gives: '200 200',
      },
      { name: 'HTTP/1.0 is closed', send: request('GET / HTTP/1.0'), gives: '426 closed' },
      {
        name: 'HTTP/1.0 with keep-alive',
        send: request('GET / HTTP/1.0', { Connection: 'keep-alive' }),
        gives: '426 closed',
      },
      { name: 'HTTP/1.0 without a host', send: 'GET / HTTP/1.0\r\n\r\n', gives: '426 closed' },
      {
        name: 'the client sends no more while it waits',
        send: [get('/'), { attempts: 1 }, 'end'],
        upstream: [{}],
        gives: 'closed',
      },
      {
        name: 'a request in pieces',
        send: ['GET / HT', 'TP/1.1\r\nHo', 'st: shop.example\r\n', '\r\n'],
        responses: 1,
        gives: '200',
      },
      { name: 'empty lines before a request', send: `\r\n\r\n${get('/')}`, gives: '200' },
      {
        name: 'an empty line before a request, cut in two',
        send: [`${get('/1')}\r`, { responses: 1 }, `\n${get('/2')}`],
        gives: '200 200',
      },
      { name: 'nothing but a close', send: ['end'], raw: true, gives: 'closed' },
    ],
  },
  {
    name: 'upgrades',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      {
        name: 'websocket',
        send: [
          get('/ws', {
            Connection: 'Upgrade',
            Upgrade: 'websocket',
            'Sec-WebSocket-Key': 'abc',
            'Sec-WebSocket-Version': '13',
          }),
          { until: '101' },
          'frames',
          { until: 'frames' },
        ],
        upstream: [
          {
            bytes:
              'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: def\r\n\r\n',
            ending: 'echo',
          },
        ],
        gives: '101',
      },
      {
        name: 'websocket ended by the client',
        send: [
          get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
          { until: '101' },
          'bye',
          { until: 'bye' },
          'end',
        ],
        upstream: [
          {
            bytes: 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
            ending: 'echo',
          },
        ],
        gives: '101 closed',
      },
      {
        name: 'websocket refused by the upstream',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [answer('403 Forbidden', 'no')],
        gives: '403 closed',
      },
      {
        name: 'websocket with a body in chunks',
        send: [
          request(
            'POST /ws',
            { Connection: 'Upgrade', Upgrade: 'websocket', 'Transfer-Encoding': 'chunked' },
            chunked(['hello']),
          ),
          { until: 'hello' },
          'frames',
          { until: 'frames' },
        ],
        upstream: [
          {
            bytes: 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
            ending: 'echo',
          },
        ],
        gives: '101',
      },
      {
        name: 'websocket refused with headers, in chunks and slowly',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [
          {
            first: 'HTTP/1.1 400 Bad Request\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n',
            bytes: '3\r\n, t\r\n0\r\n\r\n',
            delay: 50,
          },
        ],
        gives: '400 closed',
      },
      {
        name: 'websocket refused for another protocol',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [answer('426 Upgrade Required', 'no', { upgrade: 'other', connection: 'upgrade' })],
        gives: '426 silent',
      },
      {
        name: 'websocket refused without a body',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: ['HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n'],
        gives: '204 closed',
      },
      {
        name: 'websocket refused with a length of 0',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [answer('403 Forbidden', '', { 'x-a': '1' })],
        gives: '403 closed',
      },
      {
        name: 'websocket answered with 200',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [answer('200 OK', 'a page', { 'content-type': 'text/html', 'x-a': '1' })],
        gives: '200 closed',
      },
      {
        name: 'websocket redirected',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket' }),
        upstream: [
          'HTTP/1.1 302 Found\r\nlocation: /other\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n\r\n',
        ],
        gives: '302 closed',
      },
      {
        name: 'websocket refused and retried',
        send: get('/ws', { Connection: 'Upgrade', Upgrade: 'websocket', 'x-envoy-retry-on': '5xx' }),
        upstream: [
          answer('500 Internal Server Error', 'broken'),
          {
            bytes: 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
            ending: 'echo',
          },
        ],
        gives: '101',
      },
      {
        name: 'another upgrade with a body in chunks',
        send: request(
          'POST /',
          { Connection: 'Upgrade', Upgrade: 'other', 'Transfer-Encoding': 'chunked' },
          chunked(['hello']),
        ),
        gives: '403 closed',
      },
      {
        name: 'no route for an upgrade, and a request behind it',
        send: get('/ws', { Host: 'other.example', Connection: 'Upgrade', Upgrade: 'websocket' }) + get('/'),
        responses: 1,
        gives: '404 closed',
      },
      {
        name: 'no route for h2c, and a request behind it',
        send:
          get('/', {
            Host: 'other.example',
            Connection: 'Upgrade, HTTP2-Settings',
            Upgrade: 'h2c',
            'HTTP2-Settings': 'AAMAAABkAAQAAP__',
          }) + get('/'),
        gives: '404 200',
      },
      { name: 'another upgrade', send: get('/', { Connection: 'Upgrade', Upgrade: 'other' }), gives: '403 closed' },
      {
        name: 'h2c',
        send: get('/', { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }),
        gives: '200',
      },
    ],
  },
  {
    name: 'malformed requests',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      { name: 'no HTTP', send: 'hello\r\n\r\n', gives: '400 closed' },
      { name: 'a TLS handshake', send: '\x16\x03\x01\x00\x05hello', gives: '400 closed' },
      { name: 'no version', send: 'GET /\r\nHost: shop.example\r\n\r\n', gives: '426 closed' },
      { name: 'a version of its own', send: request('GET / HTTP/3.7'), gives: '426 closed' },
      { name: 'no host', send: 'GET / HTTP/1.1\r\n\r\n', gives: '400 closed' },
      {
        name: 'two hosts',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nHost: other.example\r\n\r\n',
        gives: '404',
      },
      { name: 'a host with forbidden characters', send: get('/', { Host: 'shop example' }), gives: '400 closed' },
      {
        name: 'a space before the colon',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-a : b\r\n\r\n',
        gives: '400 closed',
      },
      {
        name: 'a header without a colon',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nnonsense\r\n\r\n',
        gives: '400 closed',
      },
      {
        name: 'a header without a name',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\n: value\r\n\r\n',
        gives: '400 closed',
      },
      {
        name: 'a folded header',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-a: b\r\n c\r\n\r\n',
        gives: '200',
      },
      { name: 'NUL in a value', send: get('/', { 'x-a': 'a\0b' }), gives: '400 closed' },
      { name: 'a control character in a value', send: get('/', { 'x-a': 'a\x01b' }), gives: '400 closed' },
      { name: 'a bare CR', send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-a: a\rb\r\n\r\n', gives: '200' },
      { name: 'bare LFs', send: 'GET / HTTP/1.1\nHost: shop.example\n\n', responses: 1, gives: '200' },
      {
        name: 'content-length and chunked',
        send: request('POST /', { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }, chunked(['hello'])),
        gives: '400 closed',
      },
      {
        name: 'two content-lengths',
        send: 'POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
        gives: '400 closed',
      },
      {
        name: 'two equal content-lengths',
        send: 'POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
        gives: '400 closed',
      },
      {
        name: 'a content-length that is no number',
        send: request('POST /', { 'Content-Length': 'five' }, 'hello'),
        gives: '400 closed',
      },
      {
        name: 'a negative content-length',
        send: request('POST /', { 'Content-Length': '-5' }, 'hello'),
        gives: '400 closed',
      },
      {
        name: 'a content-length with a sign',
        send: request('POST /', { 'Content-Length': '+5' }, 'hello'),
        gives: '400 closed',
      },
      {
        name: 'another transfer-encoding',
        send: request('POST /', { 'Transfer-Encoding': 'gzip' }, 'x'),
        gives: '501 closed',
      },
      {
        name: 'gzip and chunked',
        send: request('POST /', { 'Transfer-Encoding': 'gzip, chunked' }, chunked(['x'])),
        gives: '501 closed',
      },
      {
        name: 'a chunk size that is no number',
        send: [request('POST /', { 'Transfer-Encoding': 'chunked' }, 'zz\r\nhello\r\n0\r\n\r\n')],
        gives: '400 closed',
      },
      {
        name: 'a chunk longer than it says',
        send: [request('POST /', { 'Transfer-Encoding': 'chunked' }, '2\r\nhello\r\n0\r\n\r\n')],
        gives: '200',
      },
      { name: 'a header of 70,000 bytes', send: get('/', { 'x-big': big(70_000) }), gives: '431 closed' },
      { name: 'a header of 50,000 bytes', send: get('/', { 'x-big': big(50_000) }), gives: '200' },
      {
        name: '150 headers',
        send: request('GET /', Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, '1']))),
        gives: '431 closed',
      },
      {
        name: '90 headers',
        send: request('GET /', Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`x-${i}`, '1']))),
        gives: '200',
      },
      {
        name: 'a good request and a bad one',
        send: `${get('/')}nonsense\r\n\r\n`,
        responses: 2,
        gives: '200 400 closed',
      },
      { name: 'the end after one byte', send: ['G', 'end'], raw: true, gives: 'closed' },
      { name: 'the end after an empty line', send: ['\r\n', 'end'], raw: true, gives: 'closed' },
      {
        // Both heads in one segment. Envoy looks at the second one after it has answered the first, a turn of its loop later.
        name: 'a reset amid the second head',
        send: [`${get('/')}GET / HTTP/1.1\r\nHost:`, { responses: 1 }, { pause: 100 }, 'reset'],
        responses: 1,
        gives: '200 closed',
      },
      {
        name: 'the end amid the second head',
        send: [get('/'), { responses: 1 }, 'GET / HTTP/1.1\r\nHost: shop.example\r\n', 'end'],
        responses: 1,
        gives: '200 closed',
      },
      { name: 'the end amid a head', send: ['GET / HTTP/1.1\r\nHost:', 'end'], raw: true, gives: 'closed' },
    ],
  },
]);
