// HTTPRedirect and HTTPRewrite.

import { routes } from '../objects.ts';
import { get, post, request } from '../row.ts';
import { section } from '../section.ts';

section(import.meta.url, [
  {
    name: 'redirect',
    yaml: routes(
      '{ match: [{ uri: { exact: /uri } }], redirect: { uri: /new } }',
      '{ match: [{ uri: { exact: /authority } }], redirect: { authority: other.example } }',
      '{ match: [{ uri: { exact: /scheme } }], redirect: { scheme: https } }',
      '{ match: [{ uri: { exact: /port } }], redirect: { port: 8443 } }',
      '{ match: [{ uri: { exact: /default-port } }], redirect: { scheme: https, port: 443 } }',
      '{ match: [{ uri: { exact: /derive } }], redirect: { authority: other.example, derivePort: FROM_PROTOCOL_DEFAULT } }',
      '{ match: [{ uri: { exact: /302 } }], redirect: { uri: /new, redirectCode: 302 } }',
      '{ match: [{ uri: { exact: /303 } }], redirect: { uri: /new, redirectCode: 303 } }',
      '{ match: [{ uri: { exact: /307 } }], redirect: { uri: /new, redirectCode: 307 } }',
      '{ match: [{ uri: { exact: /308 } }], redirect: { uri: "/new?with=query", redirectCode: 308 } }',
      '{ match: [{ uri: { prefix: /prefix } }], redirect: { uri: "%PREFIX()%", authority: other.example } }',
      '{ match: [{ uri: { exact: /headers } }], redirect: { uri: /new }, headers: { response: { set: { x-redirected: "yes" } } } }',
      '{ match: [{ uri: { prefix: / } }], redirect: { scheme: https, authority: all.example, uri: /everything } }',
    ),
    rows: [
      { name: 'uri', send: get('/uri'), gives: '301' },
      { name: 'uri drops the query', send: get('/uri?a=b'), gives: '301' },
      { name: 'authority', send: get('/authority?a=b'), gives: '301' },
      { name: 'scheme', send: get('/scheme'), gives: '301' },
      {
        name: 'scheme with the port of http in the host',
        send: get('/scheme', { Host: 'shop.example:80' }),
        gives: '301',
      },
      {
        name: 'scheme with another port in the host',
        send: get('/scheme', { Host: 'shop.example:8080' }),
        gives: '301',
      },
      { name: 'port', send: get('/port'), gives: '301' },
      { name: 'port replaces that of the host', send: get('/port', { Host: 'shop.example:81' }), gives: '301' },
      { name: "a scheme's own port is left out", send: get('/default-port'), gives: '301' },
      { name: 'derivePort', send: get('/derive', { Host: 'shop.example:8080' }), gives: '301' },
      { name: 'code 302', send: get('/302'), gives: '302' },
      { name: 'code 303', send: get('/303'), gives: '303' },
      { name: 'code 307 for a POST', send: post('/307', 'body'), gives: '307 closed' },
      { name: 'code 308 with a query of its own', send: get('/308?a=b'), gives: '308' },
      { name: 'HEAD', send: request('HEAD /uri'), gives: '301' },
      { name: 'response headers', send: get('/headers'), gives: '301' },
      { name: 'everything replaced', send: get('/any'), gives: '301' },
    ],
  },
  {
    name: 'rewrite of uri and authority',
    yaml: routes(
      '{ match: [{ uri: { exact: /exact } }], rewrite: { uri: /other }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /api/ } }], rewrite: { uri: / }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /api } }], rewrite: { uri: /v1 }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /strip } }], rewrite: { uri: / }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /authority } }], rewrite: { authority: inner.example }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /both } }], rewrite: { uri: /two, authority: inner.example:81 }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /regex } }], rewrite: { uriRegexRewrite: { match: "^/regex/([a-z]+)/([0-9]+)", rewrite: "/\\\\2/\\\\1" } }, route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /plain } }], route: [{ destination: { host: a } }] }',
    ),
    rows: [
      { name: 'an exact path', send: get('/exact?q=1'), gives: '200' },
      { name: 'a prefix', send: get('/api?q=1'), gives: '200' },
      { name: 'a prefix keeps what follows', send: get('/apiary/x?q=1'), gives: '200' },
      { name: 'a prefix with a slash', send: get('/api/x'), gives: '200' },
      { name: 'a prefix to the root leaves two slashes', send: get('/strip/x'), gives: '200' },
      { name: 'a prefix to the root', send: get('/strip'), gives: '200' },
      { name: 'authority', send: get('/authority/x'), gives: '200' },
      { name: 'both', send: get('/both'), gives: '200' },
      { name: 'a regular expression', send: get('/regex/abc/12/rest?q=1'), gives: '200' },
      { name: 'a regular expression that does not match', send: get('/regex/12/abc'), gives: '200' },
      { name: 'nothing is rewritten', send: get('/plain/%20%2f/x?q=%20'), gives: '200' },
      { name: 'dot segments and backslashes are', send: get('/plain/a/./b/../c\\d'), gives: '200' },
      { name: 'slashes are not merged', send: get('/plain//a///b'), gives: '200' },
    ],
  },
]);
