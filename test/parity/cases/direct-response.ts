// HTTPDirectResponse: answers of the gateway itself.

import { virtualService } from '../objects.ts';
import { chunked, get, post, request } from '../row.ts';
import { section } from '../section.ts';

section(import.meta.url, [
  {
    name: 'a status and a body',
    yaml: virtualService(`  http:
    - match: [{ uri: { exact: /teapot } }]
      directResponse: { status: 418, body: { string: "short and stout" } }
    - match: [{ uri: { exact: /bytes } }]
      directResponse: { status: 200, body: { bytes: aGVsbG8= } }
    - match: [{ uri: { exact: /bad } }]
      directResponse: { status: 400 }
    - match: [{ uri: { exact: /headers } }]
      directResponse: { status: 200, body: { string: "with headers" } }
      headers: { response: { set: { content-type: application/json, x-set: one }, add: { x-add: two } } }
    - directResponse: { status: 503 }`),
    rows: [
      { name: 'a string', send: get('/teapot'), gives: '418' },
      { name: 'bytes', send: get('/bytes'), gives: '200' },
      { name: 'status 400', send: get('/bad'), gives: '400 closed' },
      { name: 'no body', send: get('/none'), gives: '503' },
      { name: 'HEAD has the length and no body', send: request('HEAD /teapot'), gives: '418' },
      { name: 'the request has a body', send: post('/teapot', 'some body'), gives: '418 closed' },
      {
        name: 'the request has a body in chunks',
        send: request('POST /teapot', { 'Transfer-Encoding': 'chunked' }, chunked(['some body'])),
        gives: '418 closed',
      },
      { name: 'the request has an empty body', send: post('/teapot', ''), gives: '418' },
      {
        name: 'the client waits for 100 before its body',
        send: request('POST /teapot', { 'Content-Length': '4', Expect: '100-continue' }),
        gives: '418 closed',
      },
      {
        name: 'a body and another request behind it',
        send: post('/teapot', 'some body') + get('/bytes'),
        responses: 1,
        gives: '418 closed',
      },
      {
        name: 'HEAD with a body',
        send: request('HEAD /none', { 'Content-Length': '4' }, 'body'),
        gives: '503 closed',
      },
      { name: 'response headers are set and added', send: get('/headers'), gives: '200' },
    ],
  },
]);
