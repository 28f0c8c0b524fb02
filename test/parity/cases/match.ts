// HTTPMatchRequest: every condition of the reference.

import { virtualService } from '../objects.ts';
import { get, request } from '../row.ts';
import { section } from '../section.ts';

/** Routes that answer with their own name. */
const routes = (matches: Record<string, string>) =>
  virtualService(
    `  http:
${Object.entries(matches)
  .map(
    ([name, match]) =>
      `    - { name: ${name}, match: ${match}, directResponse: { status: 200, body: { string: ${name} } } }`,
  )
  .join('\n')}`,
    '[shop.example, www.shop.example]',
  );

section(import.meta.url, [
  {
    name: 'uri',
    yaml: routes({
      exact: '[{ uri: { exact: /exact } }]',
      prefix: '[{ uri: { prefix: /prefix } }]',
      'prefix-with-slash': '[{ uri: { prefix: /folder/ } }]',
      regex: '[{ uri: { regex: "/regex/[0-9]+" } }]',
      'ignoring-case': '[{ uri: { prefix: /Case }, ignoreUriCase: true }]',
      'exact-ignoring-case': '[{ uri: { exact: /Whole }, ignoreUriCase: true }]',
      either: '[{ uri: { exact: /this } }, { uri: { exact: /that } }]',
    }),
    rows: [
      { name: 'exact', send: get('/exact'), gives: '200' },
      { name: 'exact with a query', send: get('/exact?a=b'), gives: '200' },
      { name: 'exact and more is no match', send: get('/exactly'), gives: '404' },
      { name: 'exact in capitals is no match', send: get('/EXACT'), gives: '404' },
      { name: 'prefix', send: get('/prefix/below'), gives: '200' },
      { name: 'prefix inside a segment', send: get('/prefixed'), gives: '200' },
      { name: 'a prefix with a slash wants it', send: get('/folder'), gives: '404' },
      { name: 'a prefix with a slash', send: get('/folder/'), gives: '200' },
      { name: 'regex', send: get('/regex/42'), gives: '200' },
      { name: 'regex without the query', send: get('/regex/42?x=y'), gives: '200' },
      { name: 'regex holds for all of the path', send: get('/regex/42/more'), gives: '404' },
      { name: 'prefix ignoring case', send: get('/CASE/x'), gives: '200' },
      { name: 'exact ignoring case', send: get('/wHOLE'), gives: '200' },
      { name: 'the second of two matches', send: get('/that'), gives: '200' },
      { name: 'dot segments are resolved before', send: get('/other/../exact'), gives: '200' },
      { name: 'escaped unreserved characters are decoded before', send: get('/e%78act'), gives: '200' },
      { name: 'an escaped slash stays as it is', send: get('/folder%2Fx'), gives: '404' },
      { name: 'a fragment is cut off', send: get('/exact#fragment'), gives: '200' },
    ],
  },
  {
    name: 'method, authority and scheme',
    yaml: routes({
      post: '[{ method: { exact: POST } }]',
      'method-regex': '[{ method: { regex: "PUT|PATCH" } }]',
      www: '[{ authority: { exact: www.shop.example } }]',
      https: '[{ scheme: { exact: https } }]',
      http: '[{ scheme: { exact: http }, method: { prefix: G } }]',
    }),
    rows: [
      { name: 'method', send: request('POST /', { 'Content-Length': '0' }), gives: '200' },
      { name: 'method by regex', send: request('PATCH /', { 'Content-Length': '0' }), gives: '200' },
      { name: 'authority', send: request('DELETE /', { Host: 'www.shop.example' }), gives: '200' },
      { name: 'scheme', send: get('/'), gives: '200' },
      { name: 'no condition holds', send: request('DELETE /'), gives: '404' },
      {
        name: 'x-forwarded-proto of a stranger is no scheme',
        send: request('DELETE /', { 'X-Forwarded-Proto': 'https' }),
        gives: '404',
      },
    ],
  },
  {
    name: 'headers',
    yaml: routes({
      exact: '[{ headers: { x-exact: { exact: one } } }]',
      prefix: '[{ headers: { x-prefix: { prefix: one } } }]',
      regex: '[{ headers: { x-regex: { regex: "o.e" } } }]',
      joined: '[{ headers: { x-joined: { exact: "one,two" } } }]',
      present: '[{ headers: { x-present: {} } }]',
      cookie: '[{ headers: { cookie: { regex: "^(.*?;)?(user=jason)(;.*)?$" } } }]',
      two: '[{ headers: { x-first: { exact: a }, x-second: { exact: b } } }]',
      without: '[{ uri: { prefix: /without }, withoutHeaders: { x-blocked: { exact: "yes" }, x-internal: {} } }]',
    }),
    rows: [
      { name: 'exact', send: get('/', { 'X-Exact': 'one' }), gives: '200' },
      { name: 'exact is all of the value', send: get('/', { 'X-Exact': 'one two' }), gives: '404' },
      { name: 'prefix', send: get('/', { 'x-prefix': 'one two' }), gives: '200' },
      { name: 'regex', send: get('/', { 'x-regex': 'ore' }), gives: '200' },
      { name: 'regex holds for all of the value', send: get('/', { 'x-regex': 'more' }), gives: '404' },
      { name: 'present', send: get('/', { 'x-present': 'whatever' }), gives: '200' },
      { name: 'present though empty', send: get('/', { 'x-present': '' }), gives: '200' },
      { name: 'cookie', send: get('/', { Cookie: 'a=b;user=jason;c=d' }), gives: '200' },
      { name: 'both of two', send: get('/', { 'x-first': 'a', 'x-second': 'b' }), gives: '200' },
      { name: 'one of two', send: get('/', { 'x-first': 'a' }), gives: '404' },
      {
        name: 'one of two lines of a header',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-exact: one\r\nx-exact: two\r\n\r\n',
        gives: '200',
      },
      {
        name: 'two lines of a header, joined',
        send: 'GET / HTTP/1.1\r\nHost: shop.example\r\nx-joined: one\r\nx-joined: two\r\n\r\n',
        gives: '404',
      },
      {
        name: 'two values in one line',
        send: get('/', { 'x-exact': 'one,two' }),
        gives: '404',
      },
      {
        name: 'without, and one of two lines has it',
        send: 'GET /without HTTP/1.1\r\nHost: shop.example\r\nx-blocked: no\r\nx-blocked: yes\r\n\r\n',
        gives: '404',
      },
      { name: 'without', send: get('/without'), gives: '200' },
      { name: 'without, and it has another value', send: get('/without', { 'x-blocked': 'no' }), gives: '200' },
      { name: 'without, and it is there', send: get('/without', { 'x-blocked': 'yes' }), gives: '404' },
      { name: 'without, and it is there at all', send: get('/without', { 'x-internal': '1' }), gives: '404' },
    ],
  },
  {
    name: 'queryParams',
    yaml: routes({
      exact: '[{ queryParams: { version: { exact: v1 } } }]',
      prefix: '[{ queryParams: { user: { prefix: j } } }]',
      regex: '[{ queryParams: { id: { regex: "[0-9]+" } } }]',
      'present-empty': '[{ queryParams: { flag: { exact: "" } } }]',
    }),
    rows: [
      { name: 'exact', send: get('/?version=v1'), gives: '200' },
      { name: 'exact among others', send: get('/?a=b&version=v1&c'), gives: '200' },
      { name: 'exact of another value', send: get('/?version=v12'), gives: '404' },
      { name: 'the first of two counts', send: get('/?version=v2&version=v1'), gives: '404' },
      { name: 'prefix', send: get('/?user=jason'), gives: '200' },
      { name: 'regex', send: get('/?id=42'), gives: '200' },
      { name: 'regex holds for all of the value', send: get('/?id=42x'), gives: '404' },
      { name: 'escaped', send: get('/?version=%761'), gives: '404' },
      { name: 'empty', send: get('/?flag='), gives: '200' },
      { name: 'without a value', send: get('/?flag'), gives: '200' },
      { name: 'no query', send: get('/'), gives: '404' },
    ],
  },
  {
    name: 'gateways, sourceLabels and several conditions at once',
    yaml: routes({
      'other-gateway': '[{ uri: { prefix: /gw }, gateways: [other] }]',
      'this-gateway': '[{ uri: { prefix: /gw }, gateways: [gateway] }]',
      labels: '[{ uri: { prefix: /labels }, sourceLabels: { istio: ingressgateway } }]',
      all: '[{ uri: { prefix: /all }, method: { exact: GET }, headers: { x-a: { exact: "1" } }, queryParams: { q: { exact: "1" } } }]',
    }),
    rows: [
      { name: 'the gateway', send: get('/gw'), gives: '200' },
      { name: 'labels of the gateway', send: get('/labels'), gives: '200' },
      { name: 'all hold', send: get('/all?q=1', { 'x-a': '1' }), gives: '200' },
      { name: 'all but one', send: get('/all?q=2', { 'x-a': '1' }), gives: '404' },
    ],
  },
  {
    name: 'delegation',
    yaml: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: root, namespace: default }
spec:
  hosts: [shop.example]
  gateways: [gateway]
  http:
    - match: [{ uri: { prefix: /catalog } }]
      delegate: { name: catalog }
    - directResponse: { status: 200, body: { string: root } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: catalog, namespace: default }
spec:
  http:
    - match: [{ uri: { prefix: /catalog/items } }]
      directResponse: { status: 200, body: { string: items } }
    - match: [{ uri: { prefix: /elsewhere } }]
      directResponse: { status: 200, body: { string: never } }`,
    rows: [
      { name: 'what the delegate has', send: get('/catalog/items/1'), gives: '200' },
      { name: 'what the delegate has not', send: get('/catalog/other'), gives: '200' },
      { name: 'a path that the root does not delegate', send: get('/elsewhere'), gives: '200' },
    ],
  },
]);
