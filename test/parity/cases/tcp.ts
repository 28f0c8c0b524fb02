// TCPRoute and TLSRoute: bytes, passed through handshakes, and TLS that ends before bytes.

import { all, gateway, virtualService } from '../objects.ts';
import { get } from '../row.ts';
import { section } from '../section.ts';

const routes = (hosts: string, rest: string) => virtualService(`  ${rest}`, hosts);
const TCP = '{ port: { number: 31400, name: tcp, protocol: TCP }, hosts: ["*"] }';
const ping = ['ping', { until: 'ping' }] as const;

section(import.meta.url, [
  {
    name: 'a TCP route',
    yaml: all(
      gateway(TCP),
      routes(
        '["*"]',
        'tcp: [{ match: [{ port: 31400 }], route: [{ destination: { host: tcp, port: { number: 9000 } } }] }]',
      ),
    ),
    rows: [
      { name: 'bytes go and come', to: 31_400, raw: true, send: ping, gives: 'tcp:ping' },
      { name: 'the client ends', to: 31_400, raw: true, send: [...ping, 'end'], gives: 'tcp:ping closed' },
      { name: 'the client ends at once', to: 31_400, raw: true, send: ['ping', 'end'], gives: 'tcp:ping closed' },
      { name: 'the client resets', to: 31_400, raw: true, send: [...ping, 'reset'], gives: 'tcp:ping closed' },
      { name: 'nothing at all', to: 31_400, raw: true, send: ['end'], gives: 'closed' },
    ],
  },
  {
    name: 'TCP routes that lead nowhere',
    yaml: all(
      gateway(TCP),
      routes('["*"]', 'tcp: [{ route: [{ destination: { host: refused, port: { number: 80 } } }] }]'),
    ),
    rows: [{ name: 'an endpoint that refuses', to: 31_400, raw: true, send: [{ until: 'nothing' }], gives: 'closed' }],
  },
  {
    name: 'a TCP route to a service without endpoints',
    yaml: all(gateway(TCP), routes('["*"]', 'tcp: [{ route: [{ destination: { host: empty } }] }]')),
    rows: [{ name: 'is closed', to: 31_400, raw: true, send: [{ until: 'nothing' }], gives: 'closed' }],
  },
  {
    name: 'a TCP route to a service that does not exist',
    yaml: all(gateway(TCP), routes('["*"]', 'tcp: [{ route: [{ destination: { host: nowhere } }] }]')),
    rows: [{ name: 'is closed', to: 31_400, raw: true, send: [{ until: 'nothing' }], gives: 'closed' }],
  },
  {
    name: 'weights of a TCP route',
    yaml: all(
      gateway(TCP),
      routes(
        '["*"]',
        'tcp: [{ route: [{ destination: { host: tcp }, weight: 0 }, { destination: { host: tcp2 }, weight: 100 }] }]',
      ),
    ),
    rows: [{ name: 'all for one', to: 31_400, raw: true, send: ping, gives: 'tcp2:ping' }],
  },
  {
    name: 'PASSTHROUGH',
    yaml: all(
      gateway('{ port: { number: 443, name: tls, protocol: TLS }, hosts: ["*.example"], tls: { mode: PASSTHROUGH } }'),
      routes(
        '["*.example"]',
        'tls: [{ match: [{ sniHosts: [shop.example] }], route: [{ destination: { host: tls, port: { number: 443 } } }] }, { match: [{ sniHosts: ["*.wild.example"] }], route: [{ destination: { host: tls } }] }, { match: [{ sniHosts: [refused.example] }], route: [{ destination: { host: refused } }] }]',
      ),
    ),
    rows: [
      {
        name: 'the SNI of a route',
        to: 8443,
        tls: { servername: 'shop.example' },
        send: get('/'),
        responses: 1,
        gives: '200',
      },
      {
        name: 'ALPN reaches the upstream',
        to: 8443,
        tls: { servername: 'shop.example', alpn: ['http/1.1'] },
        send: [get('/'), { responses: 1 }, 'end'],
        gives: '200 closed',
      },
      {
        name: 'a wildcard',
        to: 8443,
        tls: { servername: 'a.wild.example' },
        send: [get('/'), { responses: 1 }, 'end'],
        gives: '200 closed',
      },
      {
        name: 'an SNI without a route',
        to: 8443,
        tls: { servername: 'other.example' },
        send: get('/'),
        gives: 'reset',
      },
      { name: 'no SNI', to: 8443, tls: {}, send: get('/'), gives: 'reset' },
      {
        name: 'an upstream that refuses',
        to: 8443,
        tls: { servername: 'refused.example' },
        send: get('/'),
        gives: 'reset',
      },
      { name: 'no TLS', to: 8443, send: get('/'), gives: 'reset' },
    ],
  },
  {
    name: 'TLS that ends here, bytes behind it',
    yaml: all(
      gateway(
        '{ port: { number: 31400, name: tls, protocol: TLS }, hosts: [echo.example], tls: { mode: SIMPLE, credentialName: echo } }',
      ),
      routes('[echo.example]', 'tcp: [{ route: [{ destination: { host: tcp } }] }]'),
      `
apiVersion: v1
kind: Secret
metadata: { name: echo, namespace: istio-system }
type: kubernetes.io/tls
data: { tls.crt: "{{certificate echo.example}}", tls.key: "{{key echo.example}}" }`,
    ),
    rows: [
      {
        name: 'bytes go and come',
        to: 31_400,
        tls: { servername: 'echo.example' },
        raw: true,
        send: ping,
        gives: 'tcp:ping',
      },
      {
        name: 'the client ends',
        to: 31_400,
        tls: { servername: 'echo.example' },
        raw: true,
        send: [...ping, 'end'],
        gives: 'tcp:ping closed',
      },
      { name: 'another SNI', to: 31_400, tls: { servername: 'other.example' }, raw: true, send: ping, gives: 'reset' },
    ],
  },
]);
