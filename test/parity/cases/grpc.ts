// Answers of the gateway itself to clients that speak gRPC.

import { virtualService } from '../objects.ts';
import { get, type Headers, request } from '../row.ts';
import { section } from '../section.ts';

const GRPC = { 'Content-Type': 'application/grpc', TE: 'trailers' } as const;

/** An empty message. */
const call = (path: string, headers: Headers = {}) =>
  request(`POST ${path}`, { ...GRPC, 'Content-Length': '5', ...headers }, '\0\0\0\0\0');

section(import.meta.url, [
  {
    name: 'local replies',
    yaml: virtualService(`  http:
    - match: [{ uri: { exact: /teapot } }]
      directResponse: { status: 418, body: { string: "short & stout, 100% ~ té\\n" } }
      headers: { response: { set: { content-type: application/json, x-set: one } } }
    - match: [{ uri: { exact: /status } }]
      directResponse: { status: 200 }
      headers: { response: { set: { grpc-status: "5" } } }
    - match: [{ uri: { exact: /moved } }]
      redirect: { uri: /else }
    - match: [{ uri: { exact: /refused } }]
      route: [{ destination: { host: refused } }]
    - match: [{ uri: { exact: /empty } }]
      route: [{ destination: { host: empty } }]
    - match: [{ uri: { exact: /nowhere } }]
      route: [{ destination: { host: nowhere } }]
    - match: [{ uri: { exact: /a } }]
      route: [{ destination: { host: a } }]
${[400, 401, 403, 404, 413, 429, 500, 501, 502, 503, 504]
  .map((status) => `    - match: [{ uri: { exact: /${status} } }]\n      directResponse: { status: ${status} }`)
  .join('\n')}`),
    rows: [
      { name: 'a direct response with a body', send: call('/teapot'), gives: '200 closed' },
      { name: 'a route that sets grpc-status', send: get('/status', GRPC), gives: '200' },
      { name: 'a redirect', send: call('/moved'), gives: '200 closed' },
      { name: 'an endpoint that refuses', send: call('/refused'), gives: '200' },
      { name: 'HEAD, an endpoint that refuses', send: request('HEAD /refused', GRPC), gives: '200' },
      { name: 'no endpoints', send: call('/empty'), gives: '200 closed' },
      { name: 'no service', send: call('/nowhere'), gives: '200 closed' },
      { name: 'no route', send: call('/none'), gives: '200 closed' },
      { name: 'no host', send: 'GET / HTTP/1.1\r\ncontent-type: application/grpc\r\n\r\n', gives: '200 closed' },
      { name: 'a path that is refused', send: get('/a%00', GRPC), gives: '200 closed' },
      {
        name: 'an upgrade that is refused',
        send: get('/a', { ...GRPC, Connection: 'Upgrade', Upgrade: 'other' }),
        gives: '200 closed',
      },
      {
        name: 'a body that is malformed',
        send: request('POST /a', { ...GRPC, 'Transfer-Encoding': 'chunked' }, 'zz\r\n'),
        gives: '200 closed',
      },
      {
        name: 'a head that is malformed',
        send: request('POST /a', { ...GRPC, 'Transfer-Encoding': 'gzip' }, 'zz\r\n'),
        gives: '501 closed',
      },
      {
        name: 'application/grpc+proto',
        send: get('/none', { 'Content-Type': 'application/grpc+proto' }),
        gives: '200',
      },
      { name: 'application/grpc;x=y', send: get('/none', { 'Content-Type': 'application/grpc;x=y' }), gives: '404' },
      { name: 'application/grpc-web', send: get('/none', { 'Content-Type': 'application/grpc-web' }), gives: '404' },
      { name: 'another case', send: get('/none', { 'Content-Type': 'Application/gRPC' }), gives: '404' },
      ...[400, 401, 403, 404, 413, 429, 500, 501, 502, 503, 504].map((status) => ({
        name: `status ${status}`,
        send: get(`/${status}`, GRPC),
        gives: status === 400 ? '200 closed' : '200',
      })),
    ],
  },
]);
