// The HTTP proxy that a sidecar is for its workload: absolute-form targets, the hosts of the mesh, and all others by DNS.

import { get, request } from '../row.ts';
import { section } from '../section.ts';

const SIDECAR = '# sidecar';

const MESH_ROUTES = `
# sidecar
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a, namespace: default }
spec:
  hosts: [a]
  http:
    - match: [{ uri: { prefix: /b } }]
      route: [{ destination: { host: b }, headers: { request: { set: { x-routed: mesh } } } }]
    - match: [{ sourceLabels: { app: other }, uri: { prefix: /other } }]
      route: [{ destination: { host: b } }]
    - route: [{ destination: { host: a } }]`;

const REGISTRY_ONLY = `
# sidecar
# mesh: outboundTrafficPolicy: { mode: REGISTRY_ONLY }
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: known, namespace: default }
spec:
  hosts: [localhost]
  resolution: NONE
  ports: [{ name: http, number: {{port a}}, protocol: HTTP }]`;

/** A request as clients of an HTTP proxy send it. */
const ask = (url: string, headers: Record<string, string> = {}) =>
  request(`GET ${url}`, { Host: url.split('/')[2] ?? '', ...headers });

const connect = (authority: string) => request(`CONNECT ${authority}`, { Host: authority });

section(import.meta.url, [
  {
    name: 'hosts of the mesh',
    yaml: MESH_ROUTES,
    rows: [
      { name: 'a short name', to: 15_001, send: ask('http://a/'), gives: '200' },
      { name: 'with a port', to: 15_001, send: ask('http://a.default:80/'), gives: '200' },
      { name: 'a full name', to: 15_001, send: ask('http://a.default.svc.cluster.local/x?y=z'), gives: '200' },
      { name: 'without a path', to: 15_001, send: ask('http://a'), gives: '200' },
      { name: 'by Host alone', to: 15_001, send: get('/', { Host: 'a' }), gives: '200' },
      { name: 'the target goes before Host', to: 15_001, send: ask('http://a/', { Host: 'b' }), gives: '200' },
      { name: 'the route of a VirtualService', to: 15_001, send: ask('http://a/b'), gives: '200' },
      { name: "a route for another workload's labels", to: 15_001, send: ask('http://a/other'), gives: '200' },
      {
        name: 'Proxy-Connection and Proxy-Authorization',
        to: 15_001,
        send: ask('http://a/', { 'Proxy-Connection': 'keep-alive', 'Proxy-Authorization': 'Basic eDp5' }),
        gives: '200',
      },
      {
        name: 'x-forwarded-for and x-request-id of the workload',
        to: 15_001,
        send: ask('http://a/', { 'X-Forwarded-For': '10.9.8.7', 'X-Request-Id': 'mine' }),
        gives: '200',
      },
      { name: 'a service without endpoints', to: 15_001, send: ask('http://empty/'), gives: '503' },
      { name: 'https in clear text', to: 15_001, send: ask('https://a/'), gives: '200' },
    ],
  },
  {
    name: 'other hosts',
    yaml: SIDECAR,
    rows: [
      { name: 'an address', to: 15_001, send: ask('http://127.0.0.1:{{port a}}/'), gives: '200' },
      { name: 'a name that DNS knows', to: 15_001, send: ask('http://localhost:{{port b}}/'), gives: '200' },
      { name: 'a name that DNS does not know', to: 15_001, send: ask('http://no-such-host.invalid/'), gives: '503' },
      { name: 'a port beyond all ports', to: 15_001, send: ask('http://127.0.0.1:99999/'), gives: '400 closed' },
      { name: 'a tunnel to such a port', to: 15_001, send: connect('127.0.0.1:65536'), gives: '400 closed' },
      { name: 'a colon without a port', to: 15_001, send: ask('http://localhost:/'), gives: '400 closed' },
      { name: 'a word for a port', to: 15_001, send: ask('http://localhost:http/'), gives: '400 closed' },
      { name: 'an empty Host', to: 15_001, send: get('/', { Host: '' }), gives: '400 closed' },
      {
        name: 'two requests for different hosts',
        to: 15_001,
        send: [ask('http://localhost:{{port b}}/'), { responses: 1 }, ask('http://127.0.0.1:{{port a}}/')],
        gives: '200 200',
      },
      {
        name: 'an address where nothing listens',
        to: 15_001,
        send: ask('http://127.0.0.1:{{port refused}}/'),
        gives: '503',
      },
      {
        name: 'a tunnel to an address',
        to: 15_001,
        send: [connect('127.0.0.1:{{port b}}'), { responses: 1 }, get('/', { Host: 'whoever' })],
        gives: '200 silent',
      },
      {
        name: 'a tunnel to a name, and bytes sent before it is there',
        to: 15_001,
        send: connect('localhost:{{port b}}') + get('/', { Host: 'whoever' }),
        gives: '200 silent',
      },
      {
        name: 'a tunnel to where nothing listens',
        to: 15_001,
        send: connect('127.0.0.1:{{port refused}}'),
        gives: '503 closed',
      },
      {
        name: 'a tunnel to a name that DNS does not know',
        to: 15_001,
        send: connect('no-such-host.invalid:443'),
        gives: '503 closed',
      },
      { name: 'a proxy itself', to: 15_001, send: ask('http://127.0.0.1:15001/'), gives: '508' },
      {
        name: 'a body',
        to: 15_001,
        send: request('POST http://localhost:{{port a}}/', { Host: 'x', 'Content-Length': '4' }, 'body'),
        gives: '200',
      },
    ],
  },
  {
    name: 'a ServiceEntry that leaves the way to the client',
    yaml: REGISTRY_ONLY,
    rows: [
      { name: 'a host that it covers', to: 15_001, send: ask('http://localhost:{{port a}}/'), gives: '200' },
      { name: 'another port of it', to: 15_001, send: ask('http://localhost:{{port b}}/'), gives: '502' },
      { name: 'another host', to: 15_001, send: ask('http://127.0.0.1:{{port a}}/'), gives: '502' },
    ],
  },
]);
