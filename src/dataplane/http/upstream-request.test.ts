// The request as the upstream gets it.

import { describe, expect, it } from 'vitest';
import { forwardAction, request } from '../../../test/dataplane/example-forwarding.ts';
import type { CompiledRoute, ForwardAction } from '../router/route.ts';
import { chooseTarget } from './choose-target.ts';
import { requestHeadText, rewriteHost, rewritePath, rewrittenHost } from './upstream-request.ts';

const prefixRoute = (prefix: string): CompiledRoute =>
  ({ path: { matchedLength: () => prefix.length } }) as unknown as CompiledRoute;

describe('the path', () => {
  it.each([
    [{ prefixRewrite: '/new' }, '/new/x?q', '/old/x?q'],
    [{ regexRewrite: (path: string) => path.toUpperCase() }, '/OLD/X?q', '/old/x?q'],
    [{}, '/old/x?q', undefined],
  ])('is rewritten as %j says, its query kept', (action, path, original) => {
    const rewritten = request('GET /old/x?q HTTP/1.1\r\nhost: a\r\n');
    rewritePath(rewritten, prefixRoute('/old'), forwardAction(action));
    expect(rewritten.path).toBe(path);
    expect(rewritten.headers.get('x-envoy-original-path')).toBe(original);
  });
});

describe('the authority', () => {
  it('is the target’s rewrite before the route’s before the one a header names', () => {
    const { headers } = request('GET / HTTP/1.1\r\nhost: a\r\nx-to: c\r\n');
    const action = forwardAction({ hostRewrite: 'b', hostRewriteHeader: 'x-to' });
    const of = (asked: ForwardAction, target: string): string =>
      rewrittenHost({ ...request(), headers }, asked, target);
    expect(of(action, 't')).toBe('t');
    expect(of(action, '')).toBe('b');
    expect(of(forwardAction({ hostRewriteHeader: 'x-to' }), '')).toBe('c');
    expect(of(forwardAction({}), '')).toBe('');
  });

  it('that is rewritten is told in x-envoy-original-host, and in x-forwarded-host where the route asks', () => {
    const rewritten = request('GET / HTTP/1.1\r\nhost: a\r\n');
    rewriteHost(rewritten, 'b', forwardAction({ appendForwardedHost: true }));
    expect(rewritten.authority).toBe('b');
    expect(rewritten.headers.fields).toEqual(['x-forwarded-host', 'a', 'x-envoy-original-host', 'a']);
  });
});

describe('the head', () => {
  it.each([
    ['GET / HTTP/1.1\r\nhost: a\r\nX-Y: z\r\n', 'GET / HTTP/1.1\r\nhost: a\r\nx-y: z\r\n\r\n'],
    ['POST / HTTP/1.1\r\nhost: a\r\n', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'],
    ['PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n', 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n'],
    [
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n',
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
  ])('of %j has its framing', (received, sent) => {
    expect(requestHeadText(request(received))).toBe(sent);
  });

  it('states a length that a header mutation took away', () => {
    const framed = request('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n');
    framed.headers.remove('content-length');
    expect(requestHeadText(framed)).toContain('\r\ncontent-length: 3\r\n');
  });

  it('asks for the upgrade that the client asked for', () => {
    const upgrading = { ...request('GET / HTTP/1.1\r\nhost: a\r\n'), upgrade: 'websocket' };
    expect(requestHeadText(upgrading)).toBe(
      'GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n',
    );
  });
});

describe('the target among weighted clusters', () => {
  const action = forwardAction({
    targets: [
      { cluster: 'a', weight: 1 },
      { cluster: 'b', weight: 3 },
    ],
    totalWeight: 4,
  });
  it.each([
    [0, 'a'],
    [0.24, 'a'],
    [0.25, 'b'],
    [0.99, 'b'],
  ])('at %d is %s', (point, cluster) => {
    expect(chooseTarget(action, () => point).cluster).toBe(cluster);
  });
});
