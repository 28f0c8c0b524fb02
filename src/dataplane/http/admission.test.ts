// What a request has to pass before it is routed.

import { describe, expect, it } from 'vitest';
import { normalizeAuthority } from './admission.ts';
import { checkHead } from './head-checks.ts';
import { parseRequestHead, RequestHead } from './head-parser.ts';

describe('an authority', () => {
  const keep = { stripAnyPort: false, stripMatchingPort: false, stripTrailingHostDot: false };
  it.each([
    ['a.test:8080', keep, 'a.test:8080'],
    ['a.test:81', { ...keep, stripAnyPort: true }, 'a.test'],
    ['[::1]:81', { ...keep, stripAnyPort: true }, '[::1]'],
    ['[::1]', { ...keep, stripAnyPort: true }, '[::1]'],
    ['a.test:8080', { ...keep, stripMatchingPort: true }, 'a.test'],
    ['a.test:81', { ...keep, stripMatchingPort: true }, 'a.test:81'],
    ['a.test.:81', { ...keep, stripTrailingHostDot: true }, 'a.test:81'],
  ])('%s becomes with %j %s', (authority, rules, normalized) => {
    expect(normalizeAuthority(authority, '127.0.0.1:8080', rules)).toBe(normalized);
  });
});

describe('a head', () => {
  const rules = {
    acceptHttp10: true,
    defaultHostForHttp10: '',
    rejectUnderscores: false,
    dropUnderscores: false,
    useRemoteAddress: true,
    xffNumTrustedHops: 0,
  };
  function checked(text: string, more: Partial<typeof rules> = {}): RequestHead | string {
    const head = parseRequestHead(text, 100, false);
    if (!(head instanceof RequestHead)) throw new Error(head.details);
    return checkHead(head, { ...rules, ...more }, false)?.details ?? head;
  }

  it('asks for https in the clear only where TLS may have ended before', () => {
    const text = 'GET https://b.test/ HTTP/1.1\r\nhost: a.test\r\n';
    expect(checked(text)).toBe('http1.https_url_on_plaintext_connection');
    expect(checked(text, { useRemoteAddress: false })).toMatchObject({ host: 'b.test' });
    expect(checked(text, { xffNumTrustedHops: 1 })).toMatchObject({ host: 'b.test' });
  });

  it('in absolute-form is resolved to the target’s authority and path', () => {
    expect(checked('GET http://b.test/x?y HTTP/1.1\r\nhost: a.test\r\n')).toMatchObject({
      scheme: 'http',
      host: 'b.test',
      target: '/x?y',
    });
  });

  it.each([
    ['HTTP/1.0 where it is not accepted', 'GET / HTTP/1.0\r\n', { acceptHttp10: false }, 'low_version'],
    ['an authority that is none', 'GET / HTTP/1.1\r\nhost: a b\r\n', {}, 'http.invalid_authority'],
    ['CONNECT to a path', 'CONNECT /x HTTP/1.1\r\nhost: a\r\n', {}, 'http1.invalid_url'],
    ['CONNECT without a port', 'CONNECT a HTTP/1.1\r\nhost: a\r\n', {}, 'http1.invalid_url'],
    ['CONNECT to a port beyond all ports', 'CONNECT a:65536 HTTP/1.1\r\nhost: a\r\n', {}, 'http1.invalid_url'],
    ['an absolute-form with such a port', 'GET http://[::1]:65536/ HTTP/1.1\r\nhost: a\r\n', {}, 'http1.invalid_url'],
    ['an absolute-form whose port is none', 'GET http://a:b/ HTTP/1.1\r\nhost: a\r\n', {}, 'http1.invalid_url'],
    ['CONNECT with a body', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n', {}, 'http1.body_disallowed'],
    [
      'CONNECT with chunks',
      'CONNECT a:1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n',
      {},
      'http1.invalid_transfer_encoding',
    ],
    ['a fragment in place of a path', 'GET http://a#b HTTP/1.1\r\nhost: a\r\n', {}, 'http1.codec_error'],
    [
      'underscores where they are refused',
      'GET / HTTP/1.1\r\nhost: a\r\nx_y: z\r\n',
      { rejectUnderscores: true },
      'http1.unexpected_underscore',
    ],
  ])('is refused for %s', (_what, text, more, details) => {
    expect(checked(text, more)).toBe(details);
  });

  it('of HTTP/1.0 without Host has the default one', () => {
    expect(checked('GET / HTTP/1.0\r\n', { defaultHostForHttp10: 'd.test' })).toMatchObject({ host: 'd.test' });
  });
});
