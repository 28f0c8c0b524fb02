// Mirrors of a VirtualService: copies of requests for other destinations.

import { routes } from '../objects.ts';
import { chunked, get, post, request } from '../row.ts';
import { section } from '../section.ts';

const on = (prefix: string, rest: string) =>
  `{ match: [{ uri: { prefix: ${prefix} } }], route: [{ destination: { host: a } }], ${rest} }`;

const both = { attempts: 2 } as const;

section(import.meta.url, [
  {
    name: 'a mirror',
    yaml: routes(
      on('/all', 'mirror: { host: b }'),
      on('/percentage', 'mirror: { host: b }, mirrorPercentage: { value: 100 }'),
      on('/deprecated', 'mirror: { host: b }, mirrorPercent: 100'),
      on('/none', 'mirror: { host: b }, mirrorPercentage: { value: 0 }'),
      on('/list', 'mirrors: [{ destination: { host: b } }, { destination: { host: b }, percentage: { value: 0 } }]'),
      on('/nowhere', 'mirror: { host: nowhere }'),
      on('/empty', 'mirror: { host: empty }'),
      on('/refused', 'mirror: { host: refused }'),
      on(
        '/changed',
        'mirror: { host: b }, rewrite: { uri: /new, authority: inner.example }, headers: { request: { set: { x-set: route }, add: { x-add: route }, remove: [x-remove] } }, timeout: 5s',
      ),
      on('/abort', 'mirror: { host: b }, fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }'),
      `{ match: [{ uri: { prefix: /unserved } }], retries: { attempts: 0 }, route: [{ destination: { host: refused } }], mirror: { host: b } }`,
      `{ match: [{ uri: { prefix: /gone } }], route: [{ destination: { host: nowhere } }], mirror: { host: b } }`,
    ),
    rows: [
      { name: 'gets each request', send: [get('/all'), both], sideBySide: true, gives: '200' },
      { name: 'gets all by percentage', send: [get('/percentage'), both], sideBySide: true, gives: '200' },
      { name: 'gets all by the deprecated percent', send: [get('/deprecated'), both], sideBySide: true, gives: '200' },
      { name: 'gets none', send: get('/none'), gives: '200' },
      { name: 'may be one of several', send: [get('/list'), both], sideBySide: true, gives: '200' },
      { name: 'may not exist', send: get('/nowhere'), gives: '200' },
      { name: 'may have no endpoints', send: get('/empty'), gives: '200' },
      { name: 'may refuse', send: get('/refused'), gives: '200' },
      {
        name: 'gets what the route makes of the request',
        send: [get('/changed/x?y', { 'X-Add': 'client', 'X-Remove': '1' }), both],
        sideBySide: true,
        gives: '200',
      },
      { name: 'gets bodies', send: [post('/all', 'the body'), both], sideBySide: true, gives: '200' },
      {
        name: 'gets chunked bodies and trailers',
        send: [
          request('POST /all', { 'Transfer-Encoding': 'chunked' }),
          { attempts: 1 },
          chunked(['one', 'two'], { 'X-Trailer': 'end' }),
          both,
        ],
        sideBySide: true,
        gives: '200',
      },
      { name: 'gets HEAD', send: [request('HEAD /all'), both], sideBySide: true, gives: '200' },
      {
        name: 'gets the port of a host',
        send: [get('/all', { Host: 'shop.example:80' }), both],
        sideBySide: true,
        gives: '200',
      },
      {
        name: 'gets the addresses of all proxies',
        send: [get('/all', { 'X-Forwarded-For': '192.0.2.1' }), both],
        sideBySide: true,
        gives: '200',
      },
      { name: 'gets nothing that is aborted', send: get('/abort'), gives: '503' },
      { name: 'gets what the destination refuses', send: [get('/unserved'), { attempts: 1 }], gives: '503' },
      { name: 'gets nothing where the destination does not exist', send: get('/gone'), gives: '503' },
      {
        name: 'need not answer',
        send: [get('/all'), both],
        sideBySide: true,
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n' }],
        gives: '200',
      },
    ],
  },
]);
