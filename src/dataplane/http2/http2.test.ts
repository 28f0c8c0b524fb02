// HTTP/2 to clients, end to end over real sockets: node:http2 as the client where it can, frames by hand where it would not.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  END_HEADERS,
  END_STREAM,
  Frame,
  FrameClient,
  frame,
  headerBlock,
  PREFACE,
  requestHeaders,
} from '../../../test/dataplane/http2-frames.ts';
import { type Gateway, startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
import { ok, RawClient, type Script, startUpstream } from '../../../test/dataplane/scripted-upstream.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

async function setUp({
  script = () => ok('hello'),
  hcm = {},
}: {
  script?: Script;
  hcm?: Record<string, unknown>;
} = {}) {
  const upstream = await startUpstream(script);
  const records: StreamInfo[] = [];
  const gateway = await startGateway({
    hcm: {
      use_remote_address: true,
      normalize_path: true,
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: [
              { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
              { match: { path: '/400' }, direct_response: { status: 400 } },
              { match: { prefix: '/' }, route: { cluster: 'up' } },
            ],
          },
        ],
      },
      ...hcm,
    },
    clusters: [staticCluster('up', [upstream.port])],
    onRecord: (info) => records.push(info),
  });
  cleanUp.push(() => upstream.close());
  cleanUp.push(() => gateway.close());
  return { gateway, upstream, records };
}

function session(gateway: Gateway): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${gateway.port}`);
  client.on('error', () => undefined);
  cleanUp.push(() => client.destroy());
  return client;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
  /** The code of the stream's end. */
  readonly code: number;
}

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve) => {
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    let body = '';
    stream.setEncoding('latin1');
    stream.on('response', (received) => {
      headers = { ...received };
    });
    stream.on('trailers', (received) => {
      trailers = { ...received };
    });
    stream.on('data', (text: string) => {
      body += text;
    });
    stream.on('error', () => undefined);
    stream.on('close', () =>
      resolve({ status: headers[':status'] as number | undefined, headers, body, trailers, code: stream.rstCode ?? 0 }),
    );
  });
}

function ask(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Answer> {
  const stream = client.request({ ':authority': 'a.test', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body, 'latin1');
  return answerOf(stream);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('a request over HTTP/2', () => {
  it('reaches an HTTP/1.1 upstream with the headers of the gateway, and is logged as HTTP/2', async () => {
    const { gateway, upstream, records } = await setUp();
    const answer = await ask(session(gateway), { ':path': '/x?q=1', 'x-foo': 'bar', te: 'trailers' });
    expect([answer.status, answer.body]).toEqual([200, 'hello']);
    expect(Object.keys(answer.headers)).toEqual([
      ':status',
      'content-length',
      'x-envoy-upstream-service-time',
      'date',
      'server',
    ]);
    expect(upstream.requests[0]?.head.map((line) => line.replace(/^(x-request-id: )[0-9a-f-]{36}$/, '$1UUID'))).toEqual(
      [
        'GET /x?q=1 HTTP/1.1',
        'host: a.test',
        'x-foo: bar',
        'te: trailers',
        'x-forwarded-for: 192.0.2.2',
        'x-forwarded-proto: http',
        'x-envoy-external-address: 127.0.0.1',
        'x-request-id: UUID',
        'x-envoy-expected-rq-timeout-ms: 15000',
      ],
    );
    await until(() => records.length === 1);
    expect(records[0]).toMatchObject({
      protocol: 'HTTP/2',
      method: 'GET',
      path: '/x?q=1',
      responseCode: 200,
      bytesSent: 5,
    });
    expect(gateway.stats.counter('http.test.downstream_rq_http2_total').value).toBe(1);
    expect(gateway.stats.counter('http.test.downstream_cx_http2_total').value).toBe(1);
    expect(gateway.stats.counter('http.test.downstream_cx_http1_total').value).toBe(0);
    expect(gateway.stats.gauge('http.test.downstream_cx_http2_active').value).toBe(1);
  });

  it('joins the crumbs of a cookie, and takes :authority for the host whatever Host says', async () => {
    const { gateway, upstream } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    const headers = requestHeaders('/', [
      ['cookie', 'a=1'],
      ['host', 'other.test'],
      ['cookie', 'b=2'],
    ]);
    client.send(PREFACE, frame(Frame.Headers, END_STREAM | END_HEADERS, 1, headerBlock(headers)));
    expect(await client.endOf(1)).toBe('end');
    client.destroy();
    expect(upstream.requests[0]?.head).toContain('cookie: a=1; b=2');
    expect(upstream.requests[0]?.head.filter((line) => line.startsWith('host'))).toEqual(['host: a.test']);
  });

  it.each([
    ['of known length', { 'content-length': '5' }, 'content-length: 5', 'hello'],
    ['of unknown length', {}, 'transfer-encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
  ])('carries a body %s', async (_what, headers, line, body) => {
    const { gateway, upstream, records } = await setUp();
    const answer = await ask(session(gateway), { ':method': 'POST', ':path': '/', ...headers }, 'hello');
    expect(answer.status).toBe(200);
    expect(upstream.requests[0]?.head).toContain(line);
    expect(upstream.requests[0]?.body).toBe(body);
    await until(() => records.length === 1);
    expect(records[0]?.bytesReceived).toBe(5);
  });

  it('passes large bodies both ways, with a slow reader too', async () => {
    const large = 'x'.repeat(3_000_000);
    const { gateway, upstream } = await setUp({ script: ({ body }) => ok(body) });
    const stream = session(gateway).request({
      ':authority': 'a.test',
      ':path': '/',
      ':method': 'POST',
      'content-length': String(large.length),
    });
    stream.end(large);
    stream.pause();
    await until(() => upstream.requests.length === 1);
    const answer = answerOf(stream);
    stream.resume();
    expect((await answer).body.length).toBe(large.length);
  });

  it('runs beside others on one connection', async () => {
    const { gateway } = await setUp({ script: ({ head }) => ok(String(head[0])) });
    const client = session(gateway);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(client, { ':path': `/${index}` })));
    expect(answers.map(({ body }) => body)).toEqual(Array.from({ length: 50 }, (_, index) => `GET /${index} HTTP/1.1`));
  });

  it('asks for the body of Expect: 100-continue', async () => {
    const { gateway } = await setUp();
    const stream = session(gateway).request({
      ':authority': 'a.test',
      ':method': 'POST',
      ':path': '/',
      expect: '100-continue',
    });
    await new Promise<void>((resolve) => stream.once('continue', () => resolve()));
    stream.end('hello');
    expect((await answerOf(stream)).status).toBe(200);
  });

  it('gets its trailers where the connection manager passes them on', async () => {
    const script = () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n';
    const { gateway, upstream } = await setUp({ script, hcm: { http_protocol_options: { enable_trailers: true } } });
    const client = session(gateway);
    const stream = client.request(
      { ':authority': 'a.test', ':method': 'POST', ':path': '/' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
    stream.end('hello');
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'ok', trailers: { 'x-sum': '1' } });
    expect(upstream.requests[0]?.body).toContain('x-end: yes');
  });

  it('ends with its last bytes where no trailers can follow, and not before these where they can', async () => {
    const chunks = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
    const { gateway } = await setUp({
      script: ({ head }) => (head[0]?.includes('/chunks') ? chunks : ok('hello')),
      hcm: { http_protocol_options: { enable_trailers: true } },
    });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE);
    const ends: Record<string, string> = {};
    for (const [index, path] of ['/', '/direct', '/chunks'].entries()) {
      const id = 2 * index + 1;
      client.send(frame(Frame.Headers, END_STREAM | END_HEADERS, id, headerBlock(requestHeaders(path))));
      await client.endOf(id);
      ends[path] = client.frames.findLast(({ stream }) => stream === id)?.payload.toString() ?? '';
    }
    client.destroy();
    expect(ends).toEqual({ '/': 'hello', '/direct': 'direct', '/chunks': '' });
  });

  it('is answered as gRPC where it is gRPC', async () => {
    const { gateway } = await setUp();
    const answer = await ask(
      session(gateway),
      { ':method': 'POST', ':path': '/400', 'content-type': 'application/grpc' },
      '',
    );
    expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '13', 'content-type': 'application/grpc' });
  });

  it('of method CONNECT finds no route', async () => {
    const { gateway } = await setUp();
    expect((await answerOf(session(gateway).request({ ':method': 'CONNECT', ':authority': 'a.test:80' }))).status).toBe(
      404,
    );
  });

  it('goes where the same request over HTTP/1.1 goes', async () => {
    const { gateway } = await setUp({
      script: ({ head }) => ok(`${head[0]} ${head.find((line) => line.startsWith('x-'))}`),
    });
    const client = session(gateway);
    const segment = fc.stringMatching(/^[a-z0-9.%_~-]{0,6}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { maxLength: 4 }),
        fc.constantFrom('GET', 'DELETE', 'OPTIONS'),
        async (parts, method) => {
          const path = `/${parts.join('/')}`;
          const first = await RawClient.ask(
            gateway.port,
            `${method} ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`,
          );
          const second = await ask(client, { ':method': method, ':path': path });
          expect(`${second.status} ${second.body}`).toBe(
            `${first.split(' ')[1]} ${first.slice(first.indexOf('\r\n\r\n') + 4)}`,
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the end of a stream', () => {
  it('is RST_STREAM NO_ERROR after an answer that came before the request was complete', async () => {
    const { gateway, records } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE, frame(Frame.Headers, END_HEADERS, 1, headerBlock(requestHeaders('/direct', [], 'POST'))));
    expect(await client.endOf(1)).toBe('end');
    const reset = await client.waitFor(({ type }) => type === Frame.ResetStream);
    expect(reset?.payload.readUInt32BE(0)).toBe(constants.NGHTTP2_NO_ERROR);
    // The connection goes on.
    client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 3, headerBlock(requestHeaders('/direct'))));
    expect(await client.endOf(3)).toBe('end');
    client.destroy();
    expect(records[0]).toMatchObject({ responseCode: 200, bytesSent: 6 });
  });

  it('is INTERNAL_ERROR where the upstream cuts its response short: never a body that looks complete', async () => {
    const script: Script = (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
      setTimeout(() => socket.destroy(), 20);
      return undefined;
    };
    const { gateway, records } = await setUp({ script });
    const answer = await ask(session(gateway), { ':path': '/' });
    expect(answer).toMatchObject({ status: 200, code: constants.NGHTTP2_INTERNAL_ERROR });
    expect(responseFlagsText(records[0]!.responseFlags)).toBe('UPE');
  });

  it.each([constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR])(
    'by a reset of the client with code %i ends the request to the upstream, which is not complete',
    async (code) => {
      const script: Script = () => undefined;
      const { gateway, records } = await setUp({ script, hcm: { stream_idle_timeout: '0s' } });
      const client = await FrameClient.connect(gateway.port);
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(code);
      client.send(
        PREFACE,
        frame(Frame.Headers, END_HEADERS, 1, headerBlock(requestHeaders('/', [], 'POST'))),
        frame(Frame.Data, 0, 1, 'half'),
      );
      await until(() => gateway.stats.gauge('http2.streams_active').value === 1);
      client.send(frame(Frame.ResetStream, 0, 1, payload));
      await until(() => records.length === 1);
      await until(() => gateway.stats.gauge('http2.streams_active').value === 0);
      client.destroy();
      expect(records[0]).toMatchObject({ responseCode: 0, responseCodeDetails: 'http2.remote_reset' });
      expect(responseFlagsText(records[0]!.responseFlags)).toBe('DR');
    },
  );

  it('by the end of the connection is a client that is gone', async () => {
    const { gateway, records, upstream } = await setUp({ script: () => undefined });
    const client = session(gateway);
    const stream = client.request({ ':authority': 'a.test', ':path': '/' });
    stream.on('error', () => undefined);
    await until(() => upstream.requests.length === 1);
    client.destroy();
    await until(() => records.length === 1);
    expect(records[0]?.responseCode).toBe(0);
    await until(() => gateway.stats.gauge('http.test.downstream_cx_active').value === 0);
    expect(gateway.stats.gauge('http.test.downstream_rq_active').value).toBe(0);
    expect(gateway.stats.gauge('http2.streams_active').value).toBe(0);
  });

  it('comes with the idle timeout of streams', async () => {
    const { gateway } = await setUp({ script: () => undefined, hcm: { stream_idle_timeout: '0.05s' } });
    const stream = session(gateway).request({ ':authority': 'a.test', ':method': 'POST', ':path': '/' });
    stream.write('half');
    expect(await answerOf(stream)).toMatchObject({ status: 408, body: 'stream timeout', code: 0 });
  });

  it('comes with the time for request headers, where a header block does not end', async () => {
    const { gateway } = await setUp({ hcm: { request_headers_timeout: '0.05s' } });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE, frame(Frame.Headers, END_STREAM, 1, headerBlock(requestHeaders('/direct')).subarray(0, 10)));
    expect(await client.endOf(1)).toBe('closed');
    expect(gateway.stats.counter('http.test.downstream_rq_header_timeout').value).toBe(1);
  });
});

describe('what is not HTTP/2, or not acceptable', () => {
  const refusals: [string, (readonly [string, string])[]][] = [
    ['a name in upper case', requestHeaders('/', [['X-A', 'b']])],
    ['connection', requestHeaders('/', [['connection', 'close']])],
    ['transfer-encoding', requestHeaders('/', [['transfer-encoding', 'chunked']])],
    ['te other than trailers', requestHeaders('/', [['te', 'gzip']])],
    ['a pseudo-header after others', [['x', 'y'], ...requestHeaders('/')]],
    ['no :path', requestHeaders('/').filter(([name]) => name !== ':path')],
    ['no :authority and no Host', requestHeaders('/').filter(([name]) => name !== ':authority')],
    ['two :path', [[':path', '/a'], ...requestHeaders('/')]],
    [':status', [[':status', '200'], ...requestHeaders('/')]],
    ['an absolute :path', requestHeaders('http://b/')],
    ['a space in :path', requestHeaders('/a b')],
    ['a byte above ASCII in :path', requestHeaders('/\xff')],
    ['a space in :authority', [[':authority', 'a b'], ...requestHeaders('/').slice(0, 3)]],
    ['content-length without a body', requestHeaders('/', [['content-length', '4']])],
    ['content-length that is no number', requestHeaders('/', [['content-length', '+4']])],
  ];
  it.each(refusals)('%s: the stream is reset, the connection goes on', async (_what, headers) => {
    const { gateway, upstream } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE, frame(Frame.Headers, END_HEADERS | END_STREAM, 1, headerBlock(headers)));
    expect(await client.endOf(1)).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
    client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 3, headerBlock(requestHeaders('/direct'))));
    expect(await client.endOf(3)).toBe('end');
    client.destroy();
    expect(upstream.requests).toEqual([]);
  });

  it.each([
    ['more headers than configured', [['x', 'y']], 100, 'http2.too_many_headers'],
    ['headers larger than configured', [['x', 'y'.repeat(12_400)]], 5, 'http2.header_list_size_too_large'],
  ] as const)(
    '%s: INTERNAL_ERROR as from Envoy, and a line in the log',
    async (_what, [[name, value]], count, details) => {
      const { gateway, records } = await setUp();
      const client = await FrameClient.connect(gateway.port);
      const block = headerBlock(
        requestHeaders(
          '/',
          Array.from({ length: count }, (_, index) => [`${name}${index}`, value]),
        ),
      );
      const pieces = Array.from({ length: Math.ceil(block.length / 16_000) }, (_, index) =>
        block.subarray(index * 16_000, (index + 1) * 16_000),
      );
      client.send(
        PREFACE,
        ...pieces.map((piece, index) =>
          frame(
            index === 0 ? Frame.Headers : Frame.Continuation,
            (index === 0 ? END_STREAM : 0) | (index === pieces.length - 1 ? END_HEADERS : 0),
            1,
            piece,
          ),
        ),
      );
      expect(await client.endOf(1)).toBe(constants.NGHTTP2_INTERNAL_ERROR);
      client.destroy();
      expect(records.map(({ responseCodeDetails }) => responseCodeDetails)).toEqual([details]);
    },
  );

  it.each([
    ['more body than content-length says', 'too much'],
    ['less body than content-length says', 'ab'],
  ])('%s: the upstream gets no whole request', async (_what, body) => {
    const { gateway, upstream } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    client.send(
      PREFACE,
      frame(Frame.Headers, END_HEADERS, 1, headerBlock(requestHeaders('/', [['content-length', '4']], 'POST'))),
      frame(Frame.Data, END_STREAM, 1, body),
    );
    expect([constants.NGHTTP2_PROTOCOL_ERROR, 'closed']).toContain(await client.endOf(1));
    client.destroy();
    expect(upstream.requests).toEqual([]);
  });

  it('ends the connection of who resets its streams as fast as it opens them', async () => {
    const { gateway } = await setUp({ script: () => undefined });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE);
    const block = headerBlock(requestHeaders('/'));
    const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]);
    for (let id = 1; id < 6000 && !client.closed; id += 2) {
      client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, id, block), frame(Frame.ResetStream, 0, id, cancel));
    }
    await client.waitFor(() => false);
    expect(client.frames.some(({ type }) => type === Frame.GoAway)).toBe(true);
    await until(() => gateway.stats.gauge('http.test.downstream_rq_active').value === 0);
  });

  it('ends the connection of who sends a header block without end', async () => {
    const { gateway } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE, frame(Frame.Headers, END_STREAM, 1, headerBlock(requestHeaders('/'))));
    for (let count = 0; count < 100; count += 1)
      client.send(frame(Frame.Continuation, 0, 1, headerBlock([['x', 'y']])));
    await client.waitFor(() => false);
    expect(client.closed).toBe(true);
  });

  it('refuses streams beyond the concurrent ones it allows', async () => {
    const { gateway, upstream } = await setUp({
      script: () => undefined,
      hcm: { http2_protocol_options: { max_concurrent_streams: 2 } },
    });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE);
    await client.waitFor(({ type }) => type === Frame.Settings);
    client.send(frame(Frame.Settings, 1, 0));
    for (const id of [1, 3, 5]) {
      client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, id, headerBlock(requestHeaders('/'))));
    }
    // After the client has acknowledged the bound, nghttp2 takes this for an error of the connection.
    expect([constants.NGHTTP2_REFUSED_STREAM, 'closed']).toContain(await client.endOf(5));
    client.destroy();
    expect(upstream.requests.length).toBeLessThanOrEqual(2);
  });

  it('survives whatever follows the preface', async () => {
    const { gateway } = await setUp();
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.nat(11), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 20 }))
        .map(([type, flags, stream, payload]) => frame(type, flags, stream, Buffer.from(payload))),
      fc.constantFrom(
        frame(Frame.Headers, END_HEADERS | END_STREAM, 1, headerBlock(requestHeaders('/'))),
        frame(Frame.Headers, END_HEADERS, 3, headerBlock(requestHeaders('/', [], 'POST'))),
        frame(Frame.Data, END_STREAM, 3, 'abc'),
        frame(Frame.Ping, 0, 0, Buffer.alloc(8)),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const socket = connectSocket(gateway.port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.resume();
        socket.end(Buffer.concat([PREFACE, ...pieces]));
        await new Promise<void>((resolve) => socket.on('close', () => resolve()));
      }),
      { numRuns: 80 },
    );
    await until(() => gateway.stats.gauge('http.test.downstream_cx_active').value === 0);
    expect(gateway.stats.gauge('http.test.downstream_rq_active').value).toBe(0);
    expect((await ask(session(gateway), { ':path': '/' })).body).toBe('hello');
  });
});

describe('which HTTP a connection speaks', () => {
  it('is told by its first bytes, however they are cut', async () => {
    const { gateway } = await setUp();
    const bytes = Buffer.concat([
      PREFACE,
      frame(Frame.Headers, END_HEADERS | END_STREAM, 1, headerBlock(requestHeaders('/direct'))),
    ]);
    for (const at of [1, 5, 14, 16, 18, 20, 24, 30]) {
      const client = await FrameClient.connect(gateway.port);
      client.send(bytes.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(bytes.subarray(at));
      expect(await client.endOf(1)).toBe('end');
      client.destroy();
    }
  });

  it('is HTTP/1.1 alone where configured so', async () => {
    const { gateway } = await setUp({ hcm: { codec_type: 'HTTP1' } });
    expect(await RawClient.ask(gateway.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^HTTP\/1\.1 4/);
  });

  it('does not change after a request of HTTP/1.1', async () => {
    const { gateway } = await setUp();
    const answer = await RawClient.ask(
      gateway.port,
      'GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    );
    expect(answer).toContain('HTTP/1.1 400 Bad Request');
  });
});

const goAways = (client: FrameClient) =>
  client.frames.filter(({ type }) => type === Frame.GoAway).map(({ payload }) => payload.readUInt32BE(0));

describe('draining', () => {
  it('names the last stream that is served, serves what is under way and closes', async () => {
    let answer: () => void = () => undefined;
    const script: Script = (_request, socket) => {
      answer = () => socket.write(ok('late'));
      return undefined;
    };
    const { gateway, upstream } = await setUp({ script });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE, frame(Frame.Headers, END_HEADERS | END_STREAM, 1, headerBlock(requestHeaders('/'))));
    await until(() => upstream.requests.length === 1);
    gateway.filter.drain('close');
    await client.waitFor(({ type }) => type === Frame.GoAway);
    client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 3, headerBlock(requestHeaders('/'))));
    answer();
    expect(await client.endOf(1)).toBe('end');
    await client.waitFor(() => false);
    expect(new Set(goAways(client))).toEqual(new Set([1]));
    expect(upstream.requests.length).toBe(1);
  });

  it('of a replaced filter chain comes with the next response', async () => {
    const { gateway } = await setUp();
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE);
    await client.waitFor(({ type }) => type === Frame.Settings);
    gateway.filter.drain('keep');
    client.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 1, headerBlock(requestHeaders('/direct'))));
    expect(await client.endOf(1)).toBe('end');
    await client.waitFor(() => false);
    expect(new Set(goAways(client))).toEqual(new Set([1]));
  });

  it('of a replaced filter chain comes after drain_timeout at the latest', async () => {
    const { gateway } = await setUp({ hcm: { drain_timeout: '0.05s' } });
    const client = await FrameClient.connect(gateway.port);
    client.send(PREFACE);
    await client.waitFor(({ type }) => type === Frame.Settings);
    gateway.filter.drain('keep');
    await client.waitFor(() => false);
    expect(goAways(client).length).toBeGreaterThan(0);
  });

  it('happens by itself after the idle timeout, and after max_requests_per_connection', async () => {
    const { gateway } = await setUp({
      hcm: { common_http_protocol_options: { idle_timeout: '0.05s', max_requests_per_connection: 2 } },
    });
    const idle = await FrameClient.connect(gateway.port);
    idle.send(PREFACE);
    await idle.waitFor(() => false);
    expect(gateway.stats.counter('http.test.downstream_cx_idle_timeout').value).toBe(1);
    const client = session(gateway);
    await Promise.all([ask(client, { ':path': '/direct' }), ask(client, { ':path': '/direct' })]);
    await until(() => client.destroyed);
    expect(gateway.stats.counter('http.test.downstream_cx_max_requests_reached').value).toBe(1);
  });
});
