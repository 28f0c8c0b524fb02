// ServerTLSSettings: modes, certificates by SNI, versions and cipher suites.

import { all, gateway, TO_A, virtualService } from '../objects.ts';
import { get } from '../row.ts';
import { section } from '../section.ts';

const secret = (name: string, certificate: string, more = '') => `
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: istio-system }
type: Opaque
data: { tls.crt: "{{certificate ${certificate}}}", tls.key: "{{key ${certificate}}}"${more} }`;

const https = (name: string, hosts: string, tls: string) =>
  `{ port: { number: 443, name: https-${name}, protocol: HTTPS }, hosts: ${hosts}, tls: ${tls} }`;

const ALL_TO_A = virtualService(`  http: [{ ${TO_A} }]`, '["*"]');
const shop = { servername: 'shop.example' } as const;
const hello = get('/');

section(import.meta.url, [
  {
    name: 'SIMPLE',
    yaml: all(
      gateway(https('shop', '[shop.example]', '{ mode: SIMPLE, credentialName: shop }')),
      secret('shop', 'shop.example'),
      ALL_TO_A,
    ),
    rows: [
      { name: 'a request', to: 8443, tls: shop, send: hello, gives: '200' },
      { name: 'ALPN of HTTP/1.1', to: 8443, tls: { ...shop, alpn: ['http/1.1'] }, send: hello, gives: '200' },
      { name: 'ALPN that is not offered', to: 8443, tls: { ...shop, alpn: ['spdy/3'] }, send: hello, gives: '200' },
      { name: 'an SNI in capitals', to: 8443, tls: { servername: 'SHOP.example' }, send: hello, gives: '200' },
      {
        name: 'an SNI that no server has',
        to: 8443,
        tls: { servername: 'other.example' },
        send: hello,
        gives: 'reset',
      },
      { name: 'no SNI', to: 8443, tls: {}, send: hello, gives: 'reset' },
      {
        name: 'a host that is not the SNI',
        to: 8443,
        tls: shop,
        send: get('/', { Host: 'other.example' }),
        gives: '404',
      },
      { name: 'two requests', to: 8443, tls: shop, send: [get('/1'), { responses: 1 }, get('/2')], gives: '200 200' },
      { name: 'TLS 1.2', to: 8443, tls: { ...shop, maxVersion: 'TLSv1.2' }, send: hello, gives: '200' },
      {
        name: 'TLS 1.1 is refused',
        to: 8443,
        tls: { ...shop, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      },
      {
        name: 'a cipher suite of the list',
        to: 8443,
        tls: { ...shop, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' },
        send: hello,
        gives: '200',
      },
      {
        name: 'a cipher suite that is not in it',
        to: 8443,
        tls: { ...shop, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256' },
        send: hello,
        gives: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      },
      { name: 'plain HTTP', to: 8443, send: hello, gives: 'reset' },
      {
        name: 'TLS 1.3 and a client that likes AES of 256 bits better',
        to: 8443,
        tls: { ...shop, ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256' },
        send: hello,
        gives: '200',
      },
      {
        name: 'a client certificate that nobody asked for',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients' },
        send: hello,
        gives: '200',
      },
      { name: 'Connection: close', to: 8443, tls: shop, send: get('/', { Connection: 'close' }), gives: '200 closed' },
      { name: 'the client ends', to: 8443, tls: shop, send: [hello, { responses: 1 }, 'end'], gives: '200 closed' },
    ],
  },
  {
    name: 'certificates by SNI',
    yaml: all(
      gateway(
        https('shop', '[shop.example]', '{ mode: SIMPLE, credentialName: shop }'),
        https('wild', '["*.shop.example"]', '{ mode: SIMPLE, credentialName: wild }'),
        https('rest', '["*"]', '{ mode: SIMPLE, credentialName: rest }'),
      ),
      secret('shop', 'shop.example'),
      secret('wild', '*.shop.example'),
      secret('rest', 'rest.example'),
      ALL_TO_A,
    ),
    rows: [
      { name: 'the exact name', to: 8443, tls: shop, send: hello, gives: '200' },
      {
        name: 'a wildcard',
        to: 8443,
        tls: { servername: 'www.shop.example' },
        send: get('/', { Host: 'www.shop.example' }),
        gives: '200',
      },
      {
        name: 'two labels below',
        to: 8443,
        tls: { servername: 'a.b.shop.example' },
        send: get('/', { Host: 'a.b.shop.example' }),
        gives: '200',
      },
      {
        name: 'any other name',
        to: 8443,
        tls: { servername: 'other.example' },
        send: get('/', { Host: 'other.example' }),
        gives: '200',
      },
      { name: 'no SNI', to: 8443, tls: {}, send: get('/', { Host: 'other.example' }), gives: '200' },
    ],
  },
  {
    name: 'MUTUAL',
    yaml: all(
      gateway(https('shop', '[shop.example]', '{ mode: MUTUAL, credentialName: shop }')),
      secret('shop', 'shop.example', ', ca.crt: "{{ca clients}}"'),
      ALL_TO_A,
    ),
    rows: [
      {
        name: 'a certificate of the CA',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients' },
        send: hello,
        gives: '200',
      },
      {
        name: 'a certificate of the CA with TLS 1.2',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients', maxVersion: 'TLSv1.2' },
        send: hello,
        gives: '200',
      },
      ...[
        ['a certificate with a URI', 'alice (spiffe://mesh/alice)'],
        ['a certificate with several names', 'alice (spiffe://mesh/alice spiffe://mesh/bob a.example *.b.example)'],
        ['a certificate with names that hold separators', 'alice (spiffe://mesh/a,b;c="d" a,b;c)'],
        ['a certificate without subjectAltName', 'alice ()'],
      ].map(([name, certificate]) => ({
        name: name as string,
        to: 8443,
        tls: { ...shop, certificate: `${certificate} of clients` },
        send: hello,
        gives: '200',
      })),
      {
        name: 'x-forwarded-client-cert of the client',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients' },
        send: get('/', { 'X-Forwarded-Client-Cert': 'Hash=forged' }),
        gives: '200',
      },
      { name: 'no certificate', to: 8443, tls: shop, send: hello, gives: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' },
      {
        name: 'no certificate with TLS 1.2',
        to: 8443,
        tls: { ...shop, maxVersion: 'TLSv1.2' },
        send: hello,
        gives: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      },
      {
        name: 'a certificate of another CA',
        to: 8443,
        tls: { ...shop, certificate: 'mallory of strangers' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      },
      {
        name: 'a certificate of another CA with TLS 1.2',
        to: 8443,
        tls: { ...shop, certificate: 'mallory of strangers', maxVersion: 'TLSv1.2' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      },
    ],
  },
  {
    name: 'OPTIONAL_MUTUAL',
    yaml: all(
      gateway(https('shop', '[shop.example]', '{ mode: OPTIONAL_MUTUAL, credentialName: shop }')),
      secret('shop', 'shop.example', ', ca.crt: "{{ca clients}}"'),
      ALL_TO_A,
    ),
    rows: [
      {
        name: 'a certificate of the CA',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients' },
        send: hello,
        gives: '200',
      },
      { name: 'no certificate', to: 8443, tls: shop, send: hello, gives: '200' },
      {
        name: 'a certificate of another CA',
        to: 8443,
        tls: { ...shop, certificate: 'mallory of strangers' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      },
    ],
  },
  {
    name: 'MUTUAL with subjectAltNames',
    yaml: all(
      gateway(https('shop', '[shop.example]', '{ mode: MUTUAL, credentialName: shop, subjectAltNames: [alice] }')),
      secret('shop', 'shop.example', ', ca.crt: "{{ca clients}}"'),
      ALL_TO_A,
    ),
    rows: [
      {
        name: 'a name of the list',
        to: 8443,
        tls: { ...shop, certificate: 'alice of clients' },
        send: hello,
        gives: '200',
      },
      {
        name: 'another name',
        to: 8443,
        tls: { ...shop, certificate: 'bob of clients' },
        send: hello,
        gives: 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN',
      },
    ],
  },
  {
    name: 'versions and cipher suites',
    yaml: all(
      gateway(
        https(
          'old',
          '[old.example]',
          '{ mode: SIMPLE, credentialName: shop, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256] }',
        ),
        https('new', '[new.example]', '{ mode: SIMPLE, credentialName: shop, minProtocolVersion: TLSV1_3 }'),
      ),
      secret('shop', 'shop.example'),
      ALL_TO_A,
    ),
    rows: [
      {
        name: 'at most 1.2',
        to: 8443,
        tls: { servername: 'old.example' },
        send: get('/', { Host: 'old.example' }),
        gives: '200',
      },
      {
        name: 'at most 1.2 and a client of 1.3',
        to: 8443,
        tls: { servername: 'old.example', minVersion: 'TLSv1.3' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      },
      {
        name: 'a cipher suite that is not in the list',
        to: 8443,
        tls: { servername: 'old.example', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384', maxVersion: 'TLSv1.2' },
        send: hello,
        gives: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      },
      {
        name: 'at least 1.3',
        to: 8443,
        tls: { servername: 'new.example' },
        send: get('/', { Host: 'new.example' }),
        gives: '200',
      },
      {
        name: 'at least 1.3 and a client of 1.2',
        to: 8443,
        tls: { servername: 'new.example', maxVersion: 'TLSv1.2' },
        send: hello,
        gives: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      },
    ],
  },
]);
