// HTTPDirectResponse: answers of the gateway itself.

import { get, post, request } from '../row.ts';
import { section } from '../section.ts';

section(import.meta.url, [
  {
    name: 'a status and a body',
    yaml: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: routes, namespace: default }
spec:
  hosts: [shop.example]
  gateways: [gateway]
  http:
    - match: [{ uri: { exact: /teapot } }]
      directResponse: { status: 418, body: { string: "short and stout" } }
    - match: [{ uri: { exact: /bytes } }]
      directResponse: { status: 200, body: { bytes: aGVsbG8= } }
    - match: [{ uri: { exact: /headers } }]
      directResponse: { status: 200, body: { string: "with headers" } }
      headers: { response: { set: { content-type: application/json, x-set: one }, add: { x-add: two } } }
    - directResponse: { status: 503 }
`,
    rows: [
      { name: 'a string', send: get('/teapot'), gives: '418' },
      { name: 'bytes', send: get('/bytes'), gives: '200' },
      { name: 'no body', send: get('/none'), gives: '503' },
      { name: 'HEAD has the length and no body', send: request('HEAD /teapot'), gives: '418' },
      { name: 'the request has a body', send: post('/teapot', 'some body'), gives: '418 closed' },
      { name: 'response headers are set and added', send: get('/headers'), gives: '200' },
    ],
  },
]);
