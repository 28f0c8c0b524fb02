// Gateway `servers.hosts` and VirtualService `hosts`: which virtual host a request belongs to.

import { all, gateway, HTTP_GATEWAY, routes } from '../objects.ts';
import { get, request } from '../row.ts';
import { section } from '../section.ts';

const direct = (name: string, hosts: string, text: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: ${hosts}
  gateways: [gateway]
  http: [{ directResponse: { status: 200, body: { string: "${text}" } } }]`;

section(import.meta.url, [
  {
    name: 'exact hosts, wildcards and the catch-all',
    yaml: [
      direct('exact', '[shop.example]', 'exact'),
      direct('wildcard', '["*.shop.example"]', 'wildcard'),
      direct('longer-wildcard', '["*.eu.shop.example"]', 'longer wildcard'),
      direct('all', '["*"]', 'catch-all'),
    ].join('\n---'),
    rows: [
      { name: 'the exact host', send: get('/'), gives: '200' },
      { name: 'the host with a port', send: get('/', { Host: 'shop.example:8080' }), gives: '200' },
      { name: 'the host with another port', send: get('/', { Host: 'shop.example:1234' }), gives: '200' },
      { name: 'the host in capitals', send: get('/', { Host: 'SHOP.Example' }), gives: '200' },
      { name: 'a host below', send: get('/', { Host: 'www.shop.example' }), gives: '200' },
      { name: 'two labels below', send: get('/', { Host: 'a.b.shop.example' }), gives: '200' },
      { name: 'the longer suffix goes first', send: get('/', { Host: 'www.eu.shop.example' }), gives: '200' },
      { name: 'any other host', send: get('/', { Host: 'other.example' }), gives: '200' },
      { name: 'an address as host', send: get('/', { Host: '127.0.0.1' }), gives: '200' },
      { name: 'an IPv6 address as host', send: get('/', { Host: '[::1]:8080' }), gives: '200' },
      { name: 'a host with a final dot', send: get('/', { Host: 'shop.example.' }), gives: '200' },
      { name: 'an empty host', send: get('/', { Host: '' }), gives: '200' },
      {
        name: 'a target in absolute form names the host',
        send: request('GET http://shop.example/x', { Host: 'other.example' }),
        gives: '200',
      },
    ],
  },
  {
    name: 'hosts that no VirtualService serves',
    yaml: direct('exact', '[shop.example]', 'exact'),
    rows: [
      { name: 'is not found', send: get('/', { Host: 'other.example' }), gives: '404' },
      { name: 'HEAD is not found', send: request('HEAD /', { Host: 'other.example' }), gives: '404' },
      {
        name: 'POST with a body is not found',
        send: request('POST /', { Host: 'other.example', 'Content-Length': '4' }, 'body'),
        gives: '404 closed',
      },
    ],
  },
  {
    name: 'a Gateway that serves some hosts only',
    yaml: `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 80, name: http, protocol: HTTP }
      hosts: ["*.example", exact.test]
---
${direct('wide', '["*"]', 'wide')}
---
${direct('exact', '[exact.test, elsewhere.test]', 'exact')}
---
${direct('narrow', '[narrow.example]', 'narrow')}`,
    rows: [
      { name: 'a wide VirtualService is cut to the server', send: get('/', { Host: 'any.example' }), gives: '200' },
      { name: 'nothing beyond it', send: get('/', { Host: 'any.test' }), gives: '404' },
      { name: 'the exact host', send: get('/', { Host: 'exact.test' }), gives: '200' },
      { name: 'a host that the Gateway does not have', send: get('/', { Host: 'elsewhere.test' }), gives: '404' },
      { name: 'a host within the wildcard', send: get('/', { Host: 'narrow.example' }), gives: '200' },
    ],
  },
  {
    name: 'two VirtualServices for one host',
    yaml: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: first, namespace: default, creationTimestamp: "2024-01-01T00:00:00Z" }
spec:
  hosts: [shop.example]
  gateways: [gateway]
  http:
    - match: [{ uri: { prefix: /one } }]
      directResponse: { status: 200, body: { string: one } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: second, namespace: default, creationTimestamp: "2024-01-02T00:00:00Z" }
spec:
  hosts: [shop.example]
  gateways: [gateway]
  http:
    - match: [{ uri: { prefix: /one } }]
      directResponse: { status: 200, body: { string: never } }
    - match: [{ uri: { prefix: /two } }]
      directResponse: { status: 200, body: { string: two } }`,
    rows: [
      { name: 'the older one counts', send: get('/one'), gives: '200' },
      { name: 'the younger adds to it', send: get('/two'), gives: '200' },
      { name: 'neither has it', send: get('/three'), gives: '404' },
    ],
  },
  {
    name: 'two HTTP servers on ports of their own',
    yaml: all(
      gateway(
        '{ port: { number: 80, name: http, protocol: HTTP }, hosts: [shop.example] }',
        '{ port: { number: 9090, name: http-other, protocol: HTTP }, hosts: [shop.example] }',
      ),
      routes(
        '{ match: [{ port: 80 }], directResponse: { status: 200, body: { string: eighty } } }',
        '{ match: [{ port: 9090 }], directResponse: { status: 200, body: { string: ninety } } }',
      ),
    ),
    rows: [
      { name: 'port 80', send: get('/'), gives: '200' },
      { name: 'port 9090', to: 9090, send: get('/'), gives: '200' },
    ],
  },
  {
    name: 'a Gateway without any VirtualService',
    yaml: HTTP_GATEWAY,
    rows: [{ name: 'everything is not found', send: get('/anything'), gives: '404' }],
  },
  {
    name: 'httpsRedirect',
    yaml: `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 80, name: http, protocol: HTTP }
      hosts: [shop.example]
      tls: { httpsRedirect: true }
---
${direct('routes', '[shop.example]', 'never in plain text')}`,
    rows: [
      { name: 'a request is sent to https', send: get('/path?query=1'), gives: '301' },
      { name: 'the port of the host is dropped', send: get('/', { Host: 'shop.example:80' }), gives: '301' },
      { name: 'another port stays', send: get('/', { Host: 'shop.example:8080' }), gives: '301' },
      { name: 'POST as well', send: request('POST /', { 'Content-Length': '0' }), gives: '301' },
      { name: 'another host is not found', send: get('/', { Host: 'other.example' }), gives: '404' },
    ],
  },
]);
