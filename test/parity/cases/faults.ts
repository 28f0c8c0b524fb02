// Fault injection of a VirtualService: delays and aborts, to clients of HTTP and of gRPC.

import { routes } from '../objects.ts';
import { chunked, get, post, request } from '../row.ts';
import { section } from '../section.ts';

const ALL = 'percentage: { value: 100 }';

/** A route of requests whose path begins so. */
const on = (prefix: string, rest: string) =>
  `{ match: [{ uri: { prefix: ${prefix} } }], route: [{ destination: { host: a } }], ${rest} }`;

const GRPC = { 'Content-Type': 'application/grpc', TE: 'trailers' };

section(import.meta.url, [
  {
    name: 'an abort',
    yaml: routes(
      on('/503', `fault: { abort: { httpStatus: 503, ${ALL} } }`),
      on('/400', `fault: { abort: { httpStatus: 400, ${ALL} } }`),
      on('/200', `fault: { abort: { httpStatus: 200, ${ALL} } }`),
      on('/none', 'fault: { abort: { httpStatus: 503, percentage: { value: 0 } } }'),
      on('/without-percentage', 'fault: { abort: { httpStatus: 503 } }'),
      on(
        '/headers',
        `fault: { abort: { httpStatus: 503, ${ALL} } }, headers: { response: { set: { x-route: "yes" } }, request: { set: { x-to: a } } }`,
      ),
      on('/retried', `fault: { abort: { httpStatus: 503, ${ALL} } }, retries: { attempts: 3, retryOn: 5xx }`),
      `{ match: [{ uri: { prefix: /nowhere } }], route: [{ destination: { host: nowhere } }], fault: { abort: { httpStatus: 418, ${ALL} } } }`,
      `{ match: [{ uri: { prefix: /weighted } }], route: [{ destination: { host: a }, weight: 50 }, { destination: { host: a }, weight: 50 }], fault: { abort: { httpStatus: 418, ${ALL} } } }`,
      on('/', 'timeout: 5s'),
    ),
    rows: [
      { name: 'answers in place of the upstream', send: get('/503'), gives: '503' },
      { name: 'closes after a 400', send: get('/400'), gives: '400 closed' },
      { name: 'may be a success', send: get('/200'), gives: '200' },
      { name: 'of no requests', send: get('/none'), gives: '200' },
      { name: 'without percentage is of no requests', send: get('/without-percentage'), gives: '200' },
      { name: 'has no body for HEAD', send: request('HEAD /503'), gives: '503' },
      {
        name: 'and the next request on its connection',
        send: [get('/503'), { responses: 1 }, get('/')],
        gives: '503 200',
      },
      { name: 'and a pipelined request', send: get('/503') + get('/'), gives: '503 200' },
      { name: 'of a request with a body', send: post('/503', 'body'), gives: '503 closed' },
      {
        name: 'of a request whose body has not come',
        send: request('POST /503', { 'Content-Length': '10' }),
        gives: '503 closed',
      },
      { name: 'on a route that changes headers', send: get('/headers'), gives: '503' },
      { name: 'is not retried', send: get('/retried'), gives: '503' },
      { name: 'before a destination that does not exist', send: get('/nowhere'), gives: '418' },
      { name: 'before weights', send: get('/weighted'), gives: '418' },
      {
        name: 'of an upgrade',
        send: get('/503', { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'x' }),
        gives: '503 closed',
      },
      { name: 'is not for clients to ask for', send: get('/', { 'X-Envoy-Fault-Abort-Request': '503' }), gives: '200' },
    ],
  },
  {
    name: 'an abort for gRPC',
    yaml: routes(
      on('/grpc', `fault: { abort: { grpcStatus: NOT_FOUND, ${ALL} } }`),
      on('/http', `fault: { abort: { httpStatus: 404, ${ALL} } }`),
      on('/ok', `fault: { abort: { grpcStatus: OK, ${ALL} } }`),
    ),
    rows: [
      { name: 'with a status of gRPC', send: request('POST /grpc/Get', GRPC), gives: '200' },
      { name: 'with a status of gRPC, of a plain request', send: get('/grpc'), gives: '200' },
      { name: 'with a status of HTTP', send: request('POST /http/Get', GRPC), gives: '200' },
      { name: 'with OK', send: request('POST /ok/Get', GRPC), gives: '200' },
    ],
  },
  {
    name: 'a delay',
    yaml: routes(
      on('/delay', `fault: { delay: { fixedDelay: 50ms, ${ALL} } }`),
      on('/percent', 'fault: { delay: { fixedDelay: 50ms, percent: 100 } }'),
      on('/never', 'fault: { delay: { fixedDelay: 1h, percentage: { value: 0 } } }'),
      on('/timeout', `fault: { delay: { fixedDelay: 400ms, ${ALL} } }, timeout: 0.3s`),
      on('/long', `fault: { delay: { fixedDelay: 1h, ${ALL} } }`),
      on('/aborted', `fault: { delay: { fixedDelay: 50ms, ${ALL} }, abort: { httpStatus: 503, ${ALL} } }`),
      on(
        '/spared',
        `fault: { delay: { fixedDelay: 50ms, ${ALL} }, abort: { httpStatus: 503, percentage: { value: 0 } } }`,
      ),
      `{ match: [{ uri: { prefix: /nowhere } }], route: [{ destination: { host: nowhere } }], fault: { delay: { fixedDelay: 50ms, ${ALL} } } }`,
    ),
    rows: [
      { name: 'before the upstream is asked', send: get('/delay'), gives: '200' },
      { name: 'by the deprecated percent', send: get('/percent'), gives: '200' },
      { name: 'of no requests', send: get('/never'), gives: '200' },
      { name: 'with a body', send: post('/delay', 'body'), gives: '200' },
      {
        name: 'with a body that comes meanwhile',
        send: [
          request('POST /delay', { 'Transfer-Encoding': 'chunked' }),
          chunked(['one', 'two'], { 'X-Trailer': 'end' }),
        ],
        gives: '200',
      },
      {
        name: 'with a body that comes after it',
        send: [request('POST /delay', { 'Content-Length': '4' }), { attempts: 1 }, 'body'],
        gives: '200',
      },
      {
        name: 'with a body larger than what is held',
        send: post('/delay', 'x'.repeat(3_000_000)),
        gives: '200',
      },
      { name: 'holds the next request back too', send: get('/delay') + get('/never'), gives: '200 200' },
      { name: 'is not counted by the timeout of the route', send: get('/timeout'), gives: '200' },
      { name: 'and then an abort', send: get('/aborted'), gives: '503' },
      { name: 'and then an abort, of a request with a body', send: post('/aborted', 'body'), gives: '503' },
      { name: 'and then no abort', send: get('/spared'), gives: '200' },
      { name: 'before a destination that does not exist', send: get('/nowhere'), gives: '503' },
      { name: 'in which the client goes', send: [get('/long'), 'end'], responses: 0, gives: 'closed' },
      { name: 'of a gRPC request', send: request('POST /delay/Get', GRPC), gives: '200' },
    ],
  },
]);
