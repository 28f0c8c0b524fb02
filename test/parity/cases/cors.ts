// The CORS policy of a VirtualService: preflights, and responses to requests of other origins.

import { routes } from '../objects.ts';
import { answer, get, request } from '../row.ts';
import { section } from '../section.ts';

const on = (prefix: string, policy: string, rest = 'route: [{ destination: { host: a } }]') =>
  `{ match: [{ uri: { prefix: ${prefix} } }], corsPolicy: ${policy}, ${rest} }`;

const preflight = (path: string, origin: string, more: Record<string, string> = {}) =>
  request(`OPTIONS ${path}`, { Origin: origin, 'Access-Control-Request-Method': 'PUT', ...more });

const FULL =
  '{ allowOrigins: [{ exact: "https://a.example" }, { prefix: "https://b" }, { regex: "https://c[0-9]+[.]example" }], allowMethods: [GET, PUT], allowHeaders: [x-one, x-two], exposeHeaders: [x-three, x-four], maxAge: 24h, allowCredentials: true }';

section(import.meta.url, [
  {
    name: 'a policy',
    yaml: routes(
      on('/full', FULL),
      on('/any', '{ allowOrigins: [{ exact: "*" }], allowMethods: ["*"], allowHeaders: ["*"] }'),
      on('/regex', '{ allowOrigins: [{ regex: ".*" }] }'),
      on(
        '/ignore',
        '{ allowOrigins: [{ exact: "https://a.example" }], allowMethods: [GET], maxAge: 1s, unmatchedPreflights: IGNORE }',
      ),
      on('/nobody', '{ allowMethods: [GET] }'),
      on(
        '/headers',
        FULL,
        'headers: { response: { set: { x-route: "yes", access-control-allow-origin: mine } } }, route: [{ destination: { host: a } }]',
      ),
      on('/nowhere', FULL, 'route: [{ destination: { host: nowhere } }]'),
      on('/redirect', FULL, 'redirect: { uri: /elsewhere }'),
      on('/direct', FULL, 'directResponse: { status: 200, body: { string: direct } }'),
      on(
        '/fault',
        FULL,
        'fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }, route: [{ destination: { host: a } }]',
      ),
      on(
        '/delay',
        FULL,
        'fault: { delay: { fixedDelay: 20ms, percentage: { value: 100 } } }, route: [{ destination: { host: a } }]',
      ),
      on('/', '{}'),
    ),
    rows: [
      { name: 'a preflight', send: preflight('/full', 'https://a.example'), gives: '200' },
      { name: 'a preflight of an origin by prefix', send: preflight('/full', 'https://b.example'), gives: '200' },
      { name: 'a preflight of an origin by regex', send: preflight('/full', 'https://c12.example'), gives: '200' },
      { name: 'a preflight of another origin', send: preflight('/full', 'https://d.example'), gives: '200' },
      {
        name: 'a preflight of another origin that is not forwarded',
        send: preflight('/ignore', 'https://d.example'),
        gives: '200',
      },
      {
        name: 'a preflight of its origin where others are not forwarded',
        send: preflight('/ignore', 'https://a.example'),
        gives: '200',
      },
      {
        name: 'a preflight for any origin',
        send: preflight('/any', 'https://d.example', { 'Access-Control-Request-Headers': 'x-a,x-b' }),
        gives: '200',
      },
      { name: 'a preflight for any origin that asks for no headers', send: preflight('/any', 'null'), gives: '200' },
      { name: 'a preflight for any origin by regex', send: preflight('/regex', 'https://d.example'), gives: '200' },
      { name: 'a preflight where no origin is named', send: preflight('/nobody', 'https://a.example'), gives: '200' },
      { name: 'a preflight by an empty policy', send: preflight('/', 'https://a.example'), gives: '200' },
      {
        name: 'a preflight on a route that sets headers',
        send: preflight('/headers', 'https://a.example'),
        gives: '200',
      },
      { name: 'a preflight to nowhere', send: preflight('/nowhere', 'https://a.example'), gives: '200' },
      { name: 'a preflight of a redirect', send: preflight('/redirect', 'https://a.example'), gives: '301' },
      { name: 'a preflight of a direct response', send: preflight('/direct', 'https://a.example'), gives: '200' },
      { name: 'a preflight and a fault', send: preflight('/fault', 'https://a.example'), gives: '503' },
      { name: 'a preflight and a delay', send: preflight('/delay', 'https://a.example'), gives: '200' },
      {
        name: 'a preflight with a body',
        send: `${request('OPTIONS /full', { Origin: 'https://a.example', 'Access-Control-Request-Method': 'PUT', 'Content-Length': '4' })}body`,
        gives: '200 closed',
      },
      {
        name: 'a preflight by a gRPC client',
        send: preflight('/full', 'https://a.example', { 'Content-Type': 'application/grpc' }),
        gives: '200',
      },
      {
        name: 'a preflight from a private network',
        send: preflight('/full', 'https://a.example', { 'Access-Control-Request-Private-Network': 'true' }),
        gives: '200',
      },
      {
        name: 'OPTIONS without a method',
        send: request('OPTIONS /full', { Origin: 'https://a.example' }),
        gives: '200',
      },
      {
        name: 'OPTIONS without an origin',
        send: request('OPTIONS /full', { 'Access-Control-Request-Method': 'PUT' }),
        gives: '200',
      },
      {
        name: 'two origins',
        send: request('GET /full', { Origin: 'https://a.example', origin: 'https://d.example' }),
        gives: '200',
      },
      { name: 'an empty origin', send: get('/any', { Origin: '' }), gives: '200' },
      { name: 'a request of its origin', send: get('/full', { Origin: 'https://a.example' }), gives: '200' },
      { name: 'a request of another origin', send: get('/full', { Origin: 'https://d.example' }), gives: '200' },
      { name: 'a request without origin', send: get('/full'), gives: '200' },
      {
        name: 'a response that has such headers',
        send: get('/full', { Origin: 'https://a.example' }),
        upstream: [
          answer('200 OK', 'x', {
            'Access-Control-Allow-Origin': '*',
            'Access-Control-Expose-Headers': 'x-upstream',
            Vary: 'Accept',
          }),
        ],
        gives: '200',
      },
      {
        name: 'a request on a route that sets headers',
        send: get('/headers', { Origin: 'https://a.example' }),
        gives: '200',
      },
      { name: 'a request to nowhere', send: get('/nowhere', { Origin: 'https://a.example' }), gives: '503' },
      { name: 'a request and a redirect', send: get('/redirect', { Origin: 'https://a.example' }), gives: '301' },
      { name: 'a request and a fault', send: get('/fault', { Origin: 'https://a.example' }), gives: '503' },
      { name: 'a request and a delay', send: get('/delay', { Origin: 'https://a.example' }), gives: '200' },
    ],
  },
]);
