import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../connection.ts';
import { ResponseFlag, type StreamInfo } from '../stream-info.ts';
import { ISTIO_TEXT, NO_ROUTE, record } from './example-records.ts';
import { parseFormatString } from './format-string.ts';
import { compileJsonFormat, compileTextFormat, DEFAULT_TEXT_FORMAT } from './formats.ts';

const text = (format: string, info = record(), omitEmpty = false) => compileTextFormat(format, omitEmpty)(info);

describe('a text format', () => {
  test("Istio's default format gives the line that Envoy gives", async () => {
    const lines = [
      text(ISTIO_TEXT),
      text(ISTIO_TEXT, record({ ...NO_ROUTE, responseHeader: () => undefined })),
      text(
        ISTIO_TEXT,
        record({
          responseCode: 503,
          responseFlags: [ResponseFlag.UpstreamRetryLimitExceeded, ResponseFlag.UpstreamConnectionFailure],
          responseCodeDetails:
            'upstream_reset_before_response_started{remote_connection_failure|delayed connect error: Connection refused}',
          upstreamTransportFailureReason: 'delayed connect error: Connection refused',
          upstreamLocalAddress: '',
          upstreamRequestAttemptCount: 3,
          originalPath: '/before',
          path: '/after',
        }),
      ),
      // TCP through a TLS listener: no request, no response.
      text(
        ISTIO_TEXT,
        record({
          ...NO_ROUTE,
          protocol: '',
          method: '',
          path: '',
          originalPath: '',
          responseCode: 0,
          responseCodeDetails: '',
          responseFlags: [],
          bytesReceived: 12,
          bytesSent: 30,
          durationMs: 1503,
          requestedServerName: 'test.io',
          upstreamCluster: 'outbound|2701||tcp-echo-service.default.svc.cluster.local',
          upstreamHost: '127.10.0.9:2701',
          requestHeader: () => undefined,
          responseHeader: () => undefined,
        }),
      ),
    ];
    await expect(lines.join('')).toMatchFileSnapshot('../../../test/golden/access-log/istio-default.txt');
  });

  test.each<[format: string, expected: string, change?: Partial<StreamInfo>]>([
    ['literal', 'literal'],
    ['', ''],
    ['100%% %PROTOCOL%', '100% HTTP/1.1'],
    ['%%%PROTOCOL%%%', '%HTTP/1.1%'],
    ['%START_TIME%', '2026-11-05T14:03:09.007Z'],
    ['%START_TIME(%s.%3f)%', '1793887389.007'],
    ['%START_TIME(%f %1f %6f %9f)%', '007000000 0 007000 007000000'],
    ['%START_TIME(%Y/%m/%dT%H:%M:%S%z)%', '2026/11/05T14:03:09+0000'],
    ['%START_TIME(%F %T %D %R)%', '2026-11-05 14:03:09 11/05/26 14:03'],
    ['%START_TIME(%e|%j|%b|%B|%a|%A|%I %p|%y|%C|%u|%w|%Z)%', ' 5|309|Nov|November|Thu|Thursday|02 PM|26|20|4|4|UTC'],
    ['%START_TIME(%E4f %E3S %E*S %Ez %ET)%', '0070 09.007 09.007 +00:00 T'],
    ['%START_TIME(%Q %n%t%%)%', '%Q \n\t%'],
    ['%EMIT_TIME%', '2026-11-05T14:03:09.014Z'],
    [
      '%REQ(:method)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(Host)%',
      'GET /api/catalog?x=1 webapp.istioinaction.io webapp.istioinaction.io',
    ],
    ['%REQ(:SCHEME)% %RESP(:STATUS)%', 'http 200'],
    ['%REQUEST_HEADER(User-Agent)% %RESPONSE_HEADER(X-ENVOY-UPSTREAM-SERVICE-TIME)%', 'curl/8.5.0 6'],
    ['%REQ(X-NOT-THERE?USER-AGENT)% %REQ(?user-agent)% %REQ(nope?)%', 'curl/8.5.0 curl/8.5.0 -'],
    ['%REQ(USER-AGENT):4% %REQ(USER-AGENT):0%|%REQ(USER-AGENT):100%', 'curl |curl/8.5.0'],
    ['%REQ(X-ENVOY-ORIGINAL-PATH)%', '-'],
    ['%REQ(X-ENVOY-ORIGINAL-PATH)% %REQ(:PATH)%', '/old /new', { originalPath: '/old', path: '/new' }],
    ['%TRAILER(x)% %DYNAMIC_METADATA(a:b):3% %FILTER_STATE(x)% %GRPC_STATUS(CAMEL_STRING)%', '- - - -'],
    ['%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', '- -'],
    [
      '%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%',
      'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded',
      { responseFlags: [ResponseFlag.UpstreamConnectionFailure, ResponseFlag.UpstreamRetryLimitExceeded] },
    ],
    ['%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', 'a_b|a b', { responseCodeDetails: 'a b' }],
    ['%CONNECTION_TERMINATION_DETAILS%', 'peer left', { connectionTerminationDetails: 'peer left' }],
    ['%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %DURATION%', '0 6 1 7'],
    [
      '%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%',
      '- - -',
      { requestLastByteMs: -1, upstreamFirstByteMs: -1 },
    ],
    ['%DURATION%', '7', { durationMs: 7.9 }],
    [
      '%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%',
      '127.10.0.3:8080 127.10.0.3 8080',
    ],
    [
      '%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
      '- - -',
      { upstreamHost: '', upstreamLocalAddress: '' },
    ],
    [
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%',
      '127.0.0.1 127.0.0.1:56286 56286',
    ],
    [
      '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%',
      '::1 8443',
      { downstreamLocalAddress: '[::1]:8443' },
    ],
    ['%UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', 'outbound|80||webapp.istioinaction.svc.cluster.local 1'],
    ['%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%', '- -'],
    [
      '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_URI_SAN% %REQUESTED_SERVER_NAME%',
      'TLSv1.3 TLS_AES_128_GCM_SHA256 CN=client spiffe://cluster.local/ns/a/sa/b test.io',
      {
        downstreamTlsVersion: 'TLSv1.3',
        downstreamTlsCipher: 'TLS_AES_128_GCM_SHA256',
        downstreamPeerSubject: 'CN=client',
        downstreamPeerUriSan: 'spiffe://cluster.local/ns/a/sa/b',
        requestedServerName: 'test.io',
      },
    ],
    ['%REQUESTED_SERVER_NAME%', 'INVALID:a_b_c', { requestedServerName: 'a b\nc' }],
  ])('%j gives %j', (format, expected, change) => {
    expect(text(format, record(change))).toBe(expected);
  });

  test('a header keeps its UTF-8 bytes, and a control character in it cannot start a line of its own', () => {
    const bytes = Buffer.from('ü\tß', 'utf8').toString('latin1');
    expect(text('%REQ(x)%', record({}, { x: bytes }))).toBe('ü\tß');
    expect(text('%REQ(x)%', record({}, { x: 'a\r\nFAKE \u0000line\u007f' }))).toBe('a\\x0d\\x0aFAKE \\x00line\\x7f');
  });

  test('with omit_empty_values an absent value is nothing, but flags stay a dash', () => {
    expect(text('%REQ(nope)%|%RESPONSE_FLAGS%|%UPSTREAM_HOST%', record({ upstreamHost: '' }), true)).toBe('|-|');
  });

  test("without a format it is Envoy's default, with a newline", () => {
    expect(text(DEFAULT_TEXT_FORMAT)).toBe(
      '[2026-11-05T14:03:09.007Z] "GET /api/catalog?x=1 HTTP/1.1" 200 - 0 357 7 6 "127.0.0.1" "curl/8.5.0" "803b64c5-507f-4deb-ae32-02a96b7a0495" "webapp.istioinaction.io" "127.10.0.3:8080"\n',
    );
  });

  test.each([
    ['%', 'position 0'],
    ['100%', 'position 3'],
    ['%%%', 'position 2'],
    ['%PROTOCOL%%', 'position 10'],
    ['% PROTOCOL%', 'position 0'],
    ['%protocol%', 'position 0'],
    ['%REQ(a', 'position 0'],
    ['%REQ(a)', 'position 0'],
    ['%REQ(a):%', 'position 0'],
    ['%REQ(a):99999999999999999999%', 'position 0'],
    ['%START_TIME(a\nb)%', 'position 0'],
    ['%NOT_AN_OPERATOR%', '%NOT_AN_OPERATOR% is not known'],
    ['%EMPTY%', '%EMPTY% is not known'],
    ['%constructor%', 'position 0'],
    ['%REQ%', 'requires parameters'],
    ['%REQ()%', 'requires parameters'],
    ['%REQ(a?b?c)%', 'more than 1 alternative header'],
    ['%REQ(a b)%', '"a b" is not a header name'],
    ['%REQ(é)%', 'is not a header name'],
    ['%PROTOCOL(x)%', 'does not take any parameters'],
    ['%BYTES_RECEIVED:1%', 'does not take any parameters or length'],
    ['%START_TIME:3%', 'does not allow length'],
    ['%RESPONSE_CODE_DETAILS:3%', 'does not allow length'],
    ['%GRPC_STATUS(X)%', 'CAMEL_STRING, SNAKE_STRING or NUMBER'],
  ])('%j is refused, as Envoy refuses it', (format, message) => {
    expect(() => compileTextFormat(format, false)).toThrow(ConfigError);
    expect(() => compileTextFormat(format, false)).toThrow(message);
  });

  test('no format string throws anything but ConfigError, and what compiles renders', () => {
    const fragment = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '%',
        '%%',
        '(',
        ')',
        ':',
        '?',
        '\n',
        '%REQ(',
        '%START_TIME(%',
        '%PROTOCOL%',
        '%RESP(a?b):3%',
        '%RESPONSE_CODE%',
        '__proto__',
      ),
    );
    fc.assert(
      fc.property(fc.array(fragment), fc.boolean(), (fragments, omit) => {
        const format = fragments.join('');
        for (const compile of [
          () => compileTextFormat(format, omit),
          () => compileJsonFormat({ [format]: format, list: [format] }, omit),
        ]) {
          try {
            expect(typeof compile()(record())).toBe('string');
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
          }
        }
      }),
    );
  });

  test('the pieces of a format string written one after the other are the format string', () => {
    const piece = fc.oneof(
      fc.string().map((literal) => literal.replaceAll('%', '%%')),
      fc.constantFrom('%A%', '%B_2(x y%z)%', '%C(p):12%', '%D:0%'),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const format = pieces.join('');
        const written = parseFormatString(format).map((part) =>
          typeof part === 'string' ? part.replaceAll('%', '%%') : part.text,
        );
        expect(written.join('')).toBe(format);
      }),
    );
  });
});

describe('a JSON format', () => {
  const json = (format: Parameters<typeof compileJsonFormat>[0], info = record(), omitEmpty = false) =>
    compileJsonFormat(format, omitEmpty)(info);

  test('one line with sorted keys, numbers as numbers, absent values null, mixed strings with a dash', () => {
    const format = {
      zed: '%PROTOCOL%',
      code: '%RESPONSE_CODE%',
      mixed: 'x%RESPONSE_CODE%y %REQ(nope)%',
      absent: '%REQ(nope)%',
      flags: '%RESPONSE_FLAGS%',
      port: '%DOWNSTREAM_REMOTE_PORT%',
      literal: '100%%',
      number: 4.5,
      yes: true,
      nothing: null,
      empty: '',
      nested: { a: '%ROUTE_NAME%', b: ['%RESPONSE_CODE%', 'z', 1] },
      'B key': {},
    };
    expect(json(format)).toBe(
      '{"B key":{},"absent":null,"code":200,"empty":"","flags":"-","literal":"100%","mixed":"x200y -","nested":{"a":null,"b":[200,"z",1]},"nothing":null,"number":4.5,"port":56286,"yes":true,"zed":"HTTP/1.1"}\n',
    );
  });

  test('with omit_empty_values absent values, nulls and the objects they empty are left out; lists stay', () => {
    const format = {
      code: '%RESPONSE_CODE%',
      mixed: 'x%RESPONSE_CODE%y %REQ(nope)%',
      absent: '%REQ(nope)%',
      nested: { a: '%ROUTE_NAME%', b: ['%RESPONSE_CODE%', '%REQ(nope)%', 1], c: { d: '%REQ(nope)%' } },
      empty: '',
      nothing: null,
      list: ['%REQ(nope)%'],
      object: {},
    };
    expect(json(format, record(), true)).toBe(
      '{"code":200,"empty":"","list":[],"mixed":"x200y ","nested":{"b":[200,1]}}\n',
    );
    expect(json({ a: '%REQ(nope)%' }, record(), true)).toBe('{}\n');
  });

  test("Istio's JSON encoding gives the fields of the walkthrough", async () => {
    const fields: Record<string, string> = {
      start_time: '%START_TIME%',
      route_name: '%ROUTE_NAME%',
      method: '%REQ(:METHOD)%',
      path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
      protocol: '%PROTOCOL%',
      response_code: '%RESPONSE_CODE%',
      response_flags: '%RESPONSE_FLAGS%',
      response_code_details: '%RESPONSE_CODE_DETAILS%',
      connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
      bytes_received: '%BYTES_RECEIVED%',
      bytes_sent: '%BYTES_SENT%',
      duration: '%DURATION%',
      upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
      x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
      user_agent: '%REQ(USER-AGENT)%',
      request_id: '%REQ(X-REQUEST-ID)%',
      authority: '%REQ(:AUTHORITY)%',
      upstream_host: '%UPSTREAM_HOST%',
      upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
      upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
      downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
      downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
      requested_server_name: '%REQUESTED_SERVER_NAME%',
      upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
    };
    const lines = [record(), record({ ...NO_ROUTE, responseHeader: () => undefined })].map((info) =>
      json(fields, info),
    );
    await expect(lines.join('')).toMatchFileSnapshot('../../../test/golden/access-log/istio-json.txt');
  });

  test('whatever a client sends, the line is one line of JSON that reads back as what it sent', () => {
    const header = fc.string({ unit: 'binary' }).filter((value) => !/[\u0080-\uffff]/.test(value));
    fc.assert(
      fc.property(header, header, (agent, path) => {
        const line = json(
          { agent: '%REQ(user-agent)%', path: '%REQ(:PATH)%' },
          record({ path }, { 'user-agent': agent }),
        );
        expect(line.indexOf('\n')).toBe(line.length - 1);
        const parsed = JSON.parse(line) as { path: string | null };
        if (!/[\u0000-\u0008\u000a-\u001f\u007f]/.test(path)) expect(parsed.path).toBe(path === '' ? null : path);
      }),
    );
  });

  test('an error names the field', () => {
    expect(() => json({ outer: { inner: ['ok', '%NOPE%'] } })).toThrow('json_format.outer.inner[1]: ');
  });

  test('nesting has a limit', () => {
    let deep: Parameters<typeof compileJsonFormat>[0] = {};
    for (let level = 0; level < 5_000; level += 1) deep = { deep };
    expect(() => json(deep)).toThrow(ConfigError);
  });
});
