// x-envoy headers by which an internal client steers the router: what they do, and that the upstream does not see them.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#http-headers-consumed-from-downstream-clients

import { routes, TO_A } from '../objects.ts';
import { answer, get, type Headers, post, request } from '../row.ts';
import { section } from '../section.ts';

const BUSY = answer('503 Service Unavailable', 'busy');
const SLOWLY_BUSY = { bytes: BUSY, delay: 60 };
const BROKEN = answer('500 Internal Server Error', 'broken');
const OK = answer('200 OK', 'at last');
/** Forwarded by another proxy: an external client. */
const EXTERNAL = { 'X-Forwarded-For': '1.2.3.4' };

const EVERY: Headers = {
  'x-envoy-retry-on': 'no-such-condition',
  'x-envoy-retry-grpc-on': 'no-such-condition',
  'x-envoy-max-retries': 'many',
  'x-envoy-retriable-status-codes': 'none',
  'x-envoy-retriable-header-names': 'x-none',
  'x-envoy-hedge-on-per-try-timeout': 'maybe',
  'x-envoy-upstream-rq-timeout-ms': 'soon',
  'x-envoy-upstream-rq-per-try-timeout-ms': 'soon',
  'x-envoy-upstream-rq-timeout-alt-response': 'yes',
  'x-envoy-upstream-stream-duration-ms': 'long',
  'x-envoy-upstream-alt-stat-name': 'name',
};

/** A second try beside the first after 200 ms. */
const HEDGED: Headers = {
  'x-envoy-hedge-on-per-try-timeout': 'true',
  'x-envoy-upstream-rq-per-try-timeout-ms': '200',
  'x-envoy-retry-on': '5xx',
};

section(import.meta.url, [
  {
    name: 'who is heard',
    yaml: routes(
      `{ match: [{ uri: { prefix: /retries } }], retries: { attempts: 1, retryOn: 5xx }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /set } }], headers: { request: { set: { x-envoy-retry-on: 5xx, x-envoy-max-retries: "2", x-envoy-upstream-rq-timeout-ms: "200" } } }, retries: { attempts: 0 }, ${TO_A} }`,
      `{ retries: { attempts: 0 }, ${TO_A} }`,
    ),
    rows: [
      { name: 'all of them, none with sense', send: get('/', EVERY), gives: '200' },
      { name: 'all of them, none with sense, where the route retries', send: get('/retries', EVERY), gives: '200' },
      { name: 'all of them from outside', send: get('/', { ...EVERY, ...EXTERNAL }), gives: '200' },
      {
        name: 'x-envoy-retry-on from outside',
        send: get('/', { 'x-envoy-retry-on': '5xx', ...EXTERNAL }),
        upstream: [BUSY, OK],
        gives: '503',
      },
      { name: 'headers that the route sets', send: get('/set'), upstream: [BROKEN, BROKEN, OK], gives: '200' },
      {
        name: 'headers that the route sets, from outside',
        send: get('/set', EXTERNAL),
        upstream: [BROKEN, BROKEN, OK],
        gives: '200',
      },
    ],
  },
  {
    name: 'retries',
    yaml: routes(
      `{ match: [{ uri: { prefix: /retries } }], retries: { attempts: 3, retryOn: gateway-error }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /refused } }], retries: { attempts: 0 }, route: [{ destination: { host: refused } }] }`,
      `{ retries: { attempts: 0 }, ${TO_A} }`,
    ),
    rows: [
      {
        name: '5xx is tried once more',
        send: get('/', { 'x-envoy-retry-on': '5xx' }),
        upstream: [BROKEN],
        gives: '500',
      },
      {
        name: '5xx, and max-retries 3',
        send: get('/', { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '3' }),
        upstream: [BROKEN, BUSY, BROKEN, OK],
        gives: '200',
      },
      {
        name: 'max-retries 0 of the client stands above the route',
        send: get('/retries', { 'x-envoy-max-retries': '0' }),
        upstream: [BUSY, OK],
        gives: '503',
      },
      {
        name: "the client's condition is beside the route's",
        send: get('/retries', { 'x-envoy-retry-on': 'retriable-4xx' }),
        upstream: [BUSY, answer('409 Conflict'), OK],
        gives: '200',
      },
      {
        name: 'max-retries with spaces',
        send: get('/', { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': ' +2 ' }),
        upstream: [BROKEN, BROKEN, OK],
        gives: '200',
      },
      {
        name: 'max-retries below zero',
        send: get('/', { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '-1' }),
        upstream: [BROKEN, OK],
        gives: '200',
      },
      {
        name: 'max-retries without a condition',
        send: get('/', { 'x-envoy-max-retries': '3' }),
        upstream: [BROKEN, OK],
        gives: '500',
      },
      {
        name: 'two lines, and spaces between conditions',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-envoy-retry-on: reset , nonsense\r\nx-envoy-retry-on: retriable-4xx\r\n\r\n',
        upstream: [answer('409 Conflict'), OK],
        gives: '200',
      },
      {
        name: 'a POST is sent again with its body',
        send: post('/', 'the body', { 'x-envoy-retry-on': '5xx' }),
        upstream: [BROKEN, OK],
        gives: '200',
      },
      {
        name: 'retriable-status-codes',
        send: get('/', {
          'x-envoy-retry-on': 'retriable-status-codes',
          'x-envoy-retriable-status-codes': '404, 410,no,',
          'x-envoy-max-retries': '2',
        }),
        upstream: [answer('404 Not Found'), answer('410 Gone'), OK],
        gives: '200',
      },
      {
        name: 'retriable-status-codes without the condition',
        send: get('/', { 'x-envoy-retry-on': '5xx', 'x-envoy-retriable-status-codes': '404' }),
        upstream: [answer('404 Not Found'), OK],
        gives: '404',
      },
      {
        name: 'retriable-headers',
        send: get('/', {
          'x-envoy-retry-on': 'retriable-headers',
          'x-envoy-retriable-header-names': 'x-other, X-Try-Again',
        }),
        upstream: [answer('200 OK', 'not yet', { 'x-try-again': '' }), OK],
        gives: '200',
      },
      {
        name: 'retriable-headers that are not there',
        send: get('/', { 'x-envoy-retry-on': 'retriable-headers', 'x-envoy-retriable-header-names': 'x-try-again' }),
        upstream: [BROKEN, OK],
        gives: '500',
      },
      {
        name: 'x-envoy-ratelimited is retried where asked for',
        send: get('/', { 'x-envoy-retry-on': 'envoy-ratelimited' }),
        upstream: [answer('429 Too Many Requests', '', { 'x-envoy-ratelimited': '1' }), OK],
        gives: '200',
      },
      {
        name: 'x-envoy-ratelimited is nothing else',
        send: get('/', { 'x-envoy-retry-on': '5xx' }),
        upstream: [answer('503 Service Unavailable', '', { 'x-envoy-ratelimited': '1' }), OK],
        gives: '503',
      },
      {
        name: 'a connection that is refused',
        send: get('/refused', { 'x-envoy-retry-on': 'connect-failure', 'x-envoy-max-retries': '2' }),
        gives: '503',
      },
      {
        name: 'a reset',
        send: get('/', { 'x-envoy-retry-on': 'reset' }),
        upstream: [{ ending: 'reset' }, OK],
        gives: '200',
      },
      {
        name: 'retry-grpc-on',
        send: get('/', { 'x-envoy-retry-grpc-on': 'unavailable,internal', 'x-envoy-max-retries': '2' }),
        upstream: [
          answer('200 OK', '', { 'grpc-status': '14' }),
          answer('200 OK', '', { 'grpc-status': '13' }),
          answer('200 OK', '', { 'grpc-status': '8' }),
        ],
        gives: '200',
      },
      {
        name: 'conditions of gRPC in retry-on, and of HTTP in retry-grpc-on',
        send: get('/', { 'x-envoy-retry-on': 'unavailable', 'x-envoy-retry-grpc-on': '5xx' }),
        upstream: [answer('503 Service Unavailable', '', { 'grpc-status': '14' }), OK],
        gives: '503',
      },
      {
        name: 'no retry for a HEAD that is fine',
        send: request('HEAD /', { 'x-envoy-retry-on': '5xx' }),
        gives: '200',
      },
    ],
  },
  {
    name: 'timeouts',
    yaml: routes(
      `{ match: [{ uri: { prefix: /second } }], timeout: 1s, retries: { attempts: 0 }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /per-try } }], timeout: 5s, retries: { attempts: 1, perTryTimeout: 300ms, retryOn: 5xx }, ${TO_A} }`,
      `{ match: [{ uri: { prefix: /pointless } }], timeout: 300ms, retries: { attempts: 1, perTryTimeout: 400ms, retryOn: 5xx }, ${TO_A} }`,
      `{ retries: { attempts: 0 }, ${TO_A} }`,
    ),
    rows: [
      {
        name: 'a shorter one',
        send: get('/second', { 'x-envoy-upstream-rq-timeout-ms': '200' }),
        upstream: [{}],
        gives: '504',
      },
      {
        name: 'a longer one',
        send: get('/second', { 'x-envoy-upstream-rq-timeout-ms': '9000' }),
        upstream: [{ bytes: OK, delay: 1300 }],
        gives: '200',
      },
      {
        name: 'none',
        send: get('/second', { 'x-envoy-upstream-rq-timeout-ms': '0' }),
        upstream: [{ bytes: OK, delay: 1300 }],
        gives: '200',
      },
      {
        name: 'one where the route has none',
        send: get('/', { 'x-envoy-upstream-rq-timeout-ms': '200' }),
        upstream: [{}],
        gives: '504',
      },
      { name: 'no number', send: get('/second', { 'x-envoy-upstream-rq-timeout-ms': '1s' }), gives: '200' },
      { name: 'an empty one', send: get('/second', { 'x-envoy-upstream-rq-timeout-ms': '' }), gives: '200' },
      {
        name: 'an alternative response',
        send: get('/', { 'x-envoy-upstream-rq-timeout-ms': '200', 'x-envoy-upstream-rq-timeout-alt-response': '' }),
        upstream: [{}],
        gives: '204',
      },
      {
        name: 'an alternative response for one try',
        send: get('/', {
          'x-envoy-upstream-rq-per-try-timeout-ms': '200',
          'x-envoy-upstream-rq-timeout-alt-response': '1',
        }),
        upstream: [{}],
        gives: '204',
      },
      {
        name: 'one for each try',
        send: get('/', {
          'x-envoy-upstream-rq-timeout-ms': '5000',
          'x-envoy-upstream-rq-per-try-timeout-ms': '200',
          'x-envoy-retry-on': '5xx',
        }),
        upstream: [{}, OK],
        gives: '200',
      },
      {
        name: 'one for each try, without retries',
        send: get('/', { 'x-envoy-upstream-rq-per-try-timeout-ms': '200' }),
        upstream: [{}],
        gives: '504',
      },
      {
        name: "one for each try in place of the route's",
        send: get('/per-try', { 'x-envoy-upstream-rq-per-try-timeout-ms': '2000' }),
        upstream: [{ bytes: OK, delay: 600 }],
        gives: '200',
      },
      {
        name: 'one for each try that is longer than the whole is none',
        send: get('/second', { 'x-envoy-upstream-rq-per-try-timeout-ms': '1500', 'x-envoy-retry-on': '5xx' }),
        upstream: [{}],
        gives: '504',
      },
      {
        name: "the route's own that is longer than the whole is none",
        send: get('/pointless'),
        upstream: [{}],
        gives: '504',
      },
      {
        name: 'a longer whole brings it back',
        send: get('/pointless', { 'x-envoy-upstream-rq-timeout-ms': '5000' }),
        upstream: [{}, OK],
        gives: '200',
      },
      {
        name: 'the time that is left for a retry',
        send: get('/', { 'x-envoy-upstream-rq-timeout-ms': '5000', 'x-envoy-retry-on': '5xx' }),
        upstream: [SLOWLY_BUSY, OK],
        gives: '200',
      },
      {
        name: 'the time that is left for a retry is at most that of a try',
        send: get('/', {
          'x-envoy-upstream-rq-timeout-ms': '5000',
          'x-envoy-upstream-rq-per-try-timeout-ms': '1000',
          'x-envoy-retry-on': '5xx',
        }),
        upstream: [SLOWLY_BUSY, OK],
        gives: '200',
      },
      {
        name: 'the time of a stream',
        send: get('/', { 'x-envoy-upstream-stream-duration-ms': '200' }),
        upstream: [{}],
        gives: '504',
      },
      {
        name: 'the time of a stream amid a response',
        send: get('/', { 'x-envoy-upstream-stream-duration-ms': '200' }),
        upstream: [{ bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf' }],
        gives: '200 closed',
      },
      {
        name: 'the time of a stream, and a retry',
        send: get('/', { 'x-envoy-upstream-stream-duration-ms': '200', 'x-envoy-retry-on': 'reset' }),
        upstream: [{}, OK],
        gives: '200',
      },
    ],
  },
  {
    name: 'hedging',
    yaml: routes(`{ retries: { attempts: 0 }, ${TO_A} }`),
    rows: [
      {
        name: 'the second try answers first',
        send: get('/', { ...HEDGED, 'x-envoy-upstream-rq-timeout-ms': '5000' }),
        upstream: [{ bytes: answer('200 OK', 'late'), delay: 1500 }, OK],
        gives: '200',
      },
      {
        name: 'the first try answers first after all',
        send: get('/', HEDGED),
        upstream: [
          { bytes: answer('200 OK', 'first'), delay: 700 },
          { bytes: OK, delay: 3000 },
        ],
        gives: '200',
      },
      {
        name: 'a bad answer to one waits for the other',
        send: get('/', HEDGED),
        upstream: [
          { bytes: BROKEN, delay: 500 },
          { bytes: OK, delay: 1000 },
        ],
        gives: '200',
      },
      {
        name: 'neither answers',
        send: get('/', { ...HEDGED, 'x-envoy-upstream-rq-timeout-ms': '1000' }),
        upstream: [{}],
        gives: '504',
      },
    ],
  },
]);
