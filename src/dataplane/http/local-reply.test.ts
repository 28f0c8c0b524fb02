// Local replies: what Envoy answers, and what its log says of it.

import { describe, expect, it } from 'vitest';
import { ResponseFlag } from '../stream-info.ts';
import { localReply, redirectToHttps, routeNotFound, upstreamFailed } from './local-reply.ts';

describe('a local reply', () => {
  it('without a body has no headers of its own', () => {
    expect(localReply(404, 'x').headers.fields).toEqual([]);
  });

  it('with a body says its length in bytes and its type', () => {
    expect(localReply(503, 'x', { body: 'häfen' }).headers.fields).toEqual([
      'content-length',
      '6',
      'content-type',
      'text/plain',
    ]);
  });

  it('closes the connection where it is 400', () => {
    expect([400, 401, 500].map((status) => localReply(status, 'direct_response').close)).toEqual([true, false, false]);
  });

  it('leads to https under the same authority and path', () => {
    expect(redirectToHttps({ authority: 'a.test:80', path: '/p?q' }).headers.get('location')).toBe(
      'https://a.test:80/p?q',
    );
  });

  it.each([
    ['CONNECT', true],
    ['GET', false],
  ])('404 to %s: the connection closes: %s', (method, close) => {
    expect(routeNotFound(method).close).toBe(close);
  });
});

describe('the reply to a failed upstream', () => {
  const first = { transportFailure: '', retried: false, informed: false };

  it('is 503 and tells the client the reason, the log also what the transport said', () => {
    const reply = upstreamFailed('remote connection failure', ResponseFlag.UpstreamConnectionFailure, {
      ...first,
      transportFailure: 'refused',
    });
    expect(reply.status).toBe(503);
    expect(reply.body).toBe(
      'upstream connect error or disconnect/reset before headers. reset reason: remote connection failure',
    );
    expect(reply.details).toBe('upstream_reset_before_response_started{remote_connection_failure|refused}');
  });

  it('says that retries did not help', () => {
    const { body } = upstreamFailed('connection termination', ResponseFlag.UpstreamConnectionTermination, {
      ...first,
      retried: true,
    });
    expect(body).toContain('retried and the latest reset reason: connection termination');
  });

  it('is 502 where the upstream does not speak HTTP', () => {
    expect(upstreamFailed('protocol error', ResponseFlag.UpstreamProtocolError, first).status).toBe(502);
  });

  it('is late where an interim response was before it', () => {
    const { details } = upstreamFailed('protocol error', ResponseFlag.UpstreamProtocolError, {
      ...first,
      informed: true,
    });
    expect(details).toBe('upstream_reset_after_response_started{protocol_error}');
  });

  it('says that a limit of ours was the reason', () => {
    const { headers } = upstreamFailed('overflow', ResponseFlag.UpstreamOverflow, first);
    expect(headers.get('x-envoy-overloaded')).toBe('true');
  });
});
