import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AccessLogSchema } from '../../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { FileAccessLogSchema } from '../../xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { StdoutAccessLogSchema } from '../../xds/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { typeRegistry } from '../../xds/registry.ts';
import { ConfigError } from '../connection.ts';
import { ResponseFlag, type StreamInfo } from '../stream-info.ts';
import { createAccessLogger } from './access-logger.ts';
import { record } from './example-records.ts';
import { type AccessLogSinks, FileSinks, type SinkSystem } from './sinks.ts';

const silent = pino({ level: 'silent' });
const FILE = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';

/** Sinks that keep what is written, by path. */
function memorySinks(): AccessLogSinks & { readonly written: Map<string, string> } {
  const written = new Map<string, string>();
  return {
    written,
    open: (path) => ({ write: (line) => void written.set(path, (written.get(path) ?? '') + line) }),
  };
}

const config = (json: JsonValue) => fromJson(AccessLogSchema, json, { registry: typeRegistry() });
const file = (format: string, filter?: JsonValue) =>
  config({
    name: 'envoy.access_loggers.file',
    ...(filter === undefined ? {} : { filter }),
    typed_config: {
      '@type': FILE,
      path: '/dev/stdout',
      log_format: { text_format_source: { inline_string: format } },
    },
  });

function logged(filter: JsonValue, info: StreamInfo): boolean {
  const sinks = memorySinks();
  createAccessLogger([file('x', filter)], sinks).log(info);
  return sinks.written.has('/dev/stdout');
}

describe('an access logger', () => {
  test('writes one line to the sink of each entry', () => {
    const sinks = memorySinks();
    const logger = createAccessLogger(
      [
        file('%RESPONSE_CODE%\n'),
        config({
          typed_config: {
            '@type': FILE,
            path: '/var/log/access',
            log_format: { json_format: { c: '%RESPONSE_CODE%' } },
          },
        }),
      ],
      sinks,
    );
    logger.log(record());
    logger.log(record({ responseCode: 404 }));
    expect(Object.fromEntries(sinks.written)).toEqual({
      '/dev/stdout': '200\n404\n',
      '/var/log/access': '{"c":200}\n{"c":404}\n',
    });
  });

  test('knows the deprecated format fields, the stream loggers and the default format', () => {
    const stream = (name: string, log_format: JsonValue) => ({
      typed_config: { '@type': `type.googleapis.com/envoy.extensions.access_loggers.stream.v3.${name}`, log_format },
    });
    for (const [json, path, line] of [
      [{ typed_config: { '@type': FILE, path: '/a', format: '%PROTOCOL%' } }, '/a', 'HTTP/1.1'],
      [{ typed_config: { '@type': FILE, path: '/a', json_format: { p: '%PROTOCOL%' } } }, '/a', '{"p":"HTTP/1.1"}\n'],
      [{ typed_config: { '@type': FILE, path: '/a', typed_json_format: { n: '%BYTES_SENT%' } } }, '/a', '{"n":357}\n'],
      [{ typed_config: { '@type': FILE, path: '/a', log_format: { text_format: '%METHOD' } } }, undefined, ''],
      [{ typed_config: { '@type': FILE, path: '/a', log_format: { text_format: '%ROUTE_NAME%' } } }, '/a', '-'],
      [
        {
          typed_config: {
            '@type': FILE,
            path: '/a',
            log_format: { text_format_source: { inline_bytes: 'JVJPVVRFX05BTUUl' } },
          },
        },
        '/a',
        '-',
      ],
      [stream('StdoutAccessLog', { text_format: '%PROTOCOL%' }), '/dev/stdout', 'HTTP/1.1'],
      [stream('StderrAccessLog', { json_format: { n: 1 } }), '/dev/stderr', '{"n":1}\n'],
    ] as const) {
      const sinks = memorySinks();
      if (path === undefined) {
        expect(() => createAccessLogger([config(json)], sinks)).toThrow(ConfigError);
        continue;
      }
      createAccessLogger([config(json)], sinks).log(record());
      expect(Object.fromEntries(sinks.written)).toEqual({ [path]: line });
    }
    const sinks = memorySinks();
    const bare = create(AccessLogSchema, {
      configType: { case: 'typedConfig', value: anyPack(StdoutAccessLogSchema, create(StdoutAccessLogSchema)) },
    });
    createAccessLogger([bare], sinks).log(record());
    expect(sinks.written.get('/dev/stdout')).toMatch(/^\[2026-.*"127\.10\.0\.3:8080"\n$/);
  });

  test.each<[name: string, filter: JsonValue, yes: Partial<StreamInfo>, no: Partial<StreamInfo>]>([
    [
      'status_code_filter GE',
      { status_code_filter: { comparison: { op: 'GE', value: { default_value: 400 } } } },
      { responseCode: 400 },
      { responseCode: 399 },
    ],
    [
      'status_code_filter EQ',
      { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 200 } } } },
      { responseCode: 200 },
      { responseCode: 201 },
    ],
    [
      'duration_filter LE',
      { duration_filter: { comparison: { op: 'LE', value: { default_value: 5 } } } },
      { durationMs: 5 },
      { durationMs: 6 },
    ],
    [
      'response_flag_filter',
      { response_flag_filter: { flags: ['NR', 'DI'] } },
      { responseFlags: [ResponseFlag.NoRouteFound] },
      { responseFlags: [ResponseFlag.NoClusterFound] },
    ],
    [
      'response_flag_filter of any flag',
      { response_flag_filter: {} },
      { responseFlags: [ResponseFlag.NoRouteFound] },
      {},
    ],
    [
      'and_filter',
      {
        and_filter: {
          filters: [
            { not_health_check_filter: {} },
            { status_code_filter: { comparison: { op: 'GE', value: { default_value: 500 } } } },
          ],
        },
      },
      { responseCode: 503 },
      {},
    ],
    [
      'or_filter',
      {
        or_filter: {
          filters: [
            { response_flag_filter: {} },
            { status_code_filter: { comparison: { op: 'GE', value: { default_value: 500 } } } },
          ],
        },
      },
      { responseCode: 503 },
      {},
    ],
    [
      'header_filter exact',
      { header_filter: { header: { name: ':method', string_match: { exact: 'POST' } } } },
      { method: 'POST' },
      {},
    ],
    [
      'header_filter prefix, ignoring case',
      { header_filter: { header: { name: ':Path', string_match: { prefix: '/HEALTH', ignore_case: true } } } },
      { path: '/healthz' },
      {},
    ],
    [
      'header_filter safe_regex on the whole value',
      { header_filter: { header: { name: ':authority', string_match: { safe_regex: { regex: '[a-z.]+' } } } } },
      { requestHeader: () => 'a.b' },
      { requestHeader: () => 'a.b:80' },
    ],
    [
      'header_filter inverted',
      { header_filter: { header: { name: 'user-agent', present_match: true, invert_match: true } } },
      { requestHeader: () => undefined },
      {},
    ],
  ])('%s lets through what it describes and nothing else', (_name, filter, yes, no) => {
    expect(logged(filter, record(yes))).toBe(true);
    expect(logged(filter, record(no))).toBe(false);
  });

  test.each<[message: string, json: JsonValue]>([
    ['access_log[0].typed_config: required', { name: 'x' }],
    [
      'envoy.config.listener.v3.Listener is not supported',
      { typed_config: { '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener' } },
    ],
    ['access_log[0].typed_config.path: required', { typed_config: { '@type': FILE } }],
    [
      'access_log[0].typed_config.log_format: text_format_source or json_format',
      { typed_config: { '@type': FILE, path: '/a', log_format: {} } },
    ],
    [
      'only inline_string and inline_bytes',
      { typed_config: { '@type': FILE, path: '/a', log_format: { text_format_source: { filename: '/etc/passwd' } } } },
    ],
    [
      'json_format.a: access log format: the command operator %X% is not known',
      { typed_config: { '@type': FILE, path: '/a', json_format: { a: '%X%' } } },
    ],
    [
      'access_log[0].filter: traceable_filter is not supported',
      { filter: { traceable_filter: {} }, typed_config: { '@type': FILE, path: '/a' } },
    ],
    ['access_log[0].filter: an empty filter', { filter: {}, typed_config: { '@type': FILE, path: '/a' } }],
    [
      '"XX" is no response flag',
      { filter: { response_flag_filter: { flags: ['XX'] } }, typed_config: { '@type': FILE, path: '/a' } },
    ],
    [
      'access_log[0].filter.header_filter.header.string_match.safe_regex',
      {
        filter: { header_filter: { header: { name: 'a', string_match: { safe_regex: { regex: '(' } } } } },
        typed_config: { '@type': FILE, path: '/a' },
      },
    ],
  ])('is refused with %j', (message, json) => {
    const opened: string[] = [];
    const sinks: AccessLogSinks = {
      open(path) {
        opened.push(path);
        return { write: () => {} };
      },
    };
    expect(() => createAccessLogger([config(json)], sinks)).toThrow(ConfigError);
    expect(() => createAccessLogger([config(json)], sinks)).toThrow(message);
    expect(opened, 'a refused configuration opens no file').toEqual([]);
  });

  test('bytes that are not the message they say they are are a ConfigError', () => {
    const broken = create(AccessLogSchema, {
      configType: {
        case: 'typedConfig',
        value: { typeUrl: `type.googleapis.com/${FileAccessLogSchema.typeName}`, value: Uint8Array.of(255, 1) },
      },
    });
    expect(() => createAccessLogger([broken], memorySinks())).toThrow(ConfigError);
  });
});

describe('a file sink', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'limen-access-log-'));
    warnings.length = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('appends whole lines in order, and reopens a rotated file', async () => {
    const path = join(directory, 'access.log');
    const sinks = new FileSinks({ log: silent });
    const sink = sinks.open(path);
    expect(sinks.open(path), 'one sink a path').toBe(sink);
    for (let line = 0; line < 5_000; line += 1) sink.write(`line ${line} ${'x'.repeat(40)}\n`);
    await sinks.flush();
    const lines = readFileSync(path, 'utf8').split('\n');
    expect(lines).toHaveLength(5_001);
    expect(lines.slice(0, -1).every((line, index) => line.startsWith(`line ${index} `))).toBe(true);
    renameSync(path, `${path}.1`);
    sink.write('before\n');
    await sinks.flush();
    sinks.reopen();
    sink.write('after ü\n');
    await sinks.close();
    expect(readFileSync(`${path}.1`, 'utf8').endsWith('before\n')).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('after ü\n');
  });

  test('writes out what is pending when the process ends', () => {
    const path = join(directory, 'access.log');
    const sinks = new FileSinks({ log: silent });
    sinks.open(path).write('last words\n');
    sinks.flushSync();
    expect(readFileSync(path, 'utf8')).toBe('last words\n');
  });

  test('a path that cannot be opened is a ConfigError that names it', () => {
    const path = join(directory, 'no/such/directory/access.log');
    expect(() => new FileSinks({ log: silent }).open(path)).toThrow(ConfigError);
    expect(() => new FileSinks({ log: silent }).open(path)).toThrow(path);
  });

  /** System calls that answer what a test tells them to. */
  function fakeSystem(
    answer: (bytes: Buffer, attempt: number) => { error?: NodeJS.ErrnoException; written?: number },
    isPipe = false,
  ) {
    let attempt = 0;
    let output = '';
    const writes: number[] = [];
    const system: SinkSystem = {
      open: () => 99,
      write(_fd, bytes, done) {
        const { error, written = bytes.length } = answer(bytes, attempt++);
        if (error === undefined) {
          output += bytes.subarray(0, written).toString();
          writes.push(written);
        }
        setImmediate(() => done(error ?? null, error === undefined ? written : 0));
      },
      writeSync: (_fd, bytes) => bytes.length,
      isPipe: () => isPipe,
      close: () => {},
    };
    return { system, writes, output: () => output };
  }
  const failure = (code: string) => Object.assign(new Error(`${code}: write`), { code });
  const warnings: { lost: number; problem: string }[] = [];
  const listening = pino({ level: 'warn' }, { write: (line) => void warnings.push(JSON.parse(line)) });
  test.each(['EPIPE', 'ENOSPC', 'EIO'])(
    '%s loses the lines, says so once, and the next lines are written',
    async (code) => {
      const fake = fakeSystem((_bytes, attempt) => (attempt < 2 ? { error: failure(code) } : {}));
      const sinks = new FileSinks({ log: listening, system: fake.system });
      const sink = sinks.open('/full');
      for (const line of ['one\ntwo\n', 'three\n', 'four\n']) {
        sink.write(line);
        await sinks.flush();
      }
      expect(fake.output()).toBe('four\n');
      expect(warnings.map(({ lost, problem }) => ({ lost, problem }))).toEqual([
        { lost: 2, problem: `${code}: write` },
      ]);
    },
  );

  test('a full pipe (EAGAIN) and a short write lose nothing', async () => {
    const fake = fakeSystem((_bytes, attempt) =>
      attempt === 0 ? { error: failure('EAGAIN') } : attempt === 1 ? { written: 3 } : {},
    );
    const sinks = new FileSinks({ log: listening, system: fake.system });
    sinks.open('/pipe').write('abcdef\n');
    await sinks.flush();
    expect(fake.output()).toBe('abcdef\n');
    expect(warnings).toEqual([]);
  });

  test('lines to a pipe go out in pieces that other writers cannot split', async () => {
    const fake = fakeSystem(() => ({}), true);
    const sinks = new FileSinks({ log: silent, system: fake.system });
    const sink = sinks.open('/dev/stdout');
    for (let line = 0; line < 100; line += 1) sink.write(`${'y'.repeat(299)}\n`);
    await sinks.flush();
    expect(fake.output()).toHaveLength(30_000);
    expect(fake.writes.every((size) => size <= 4096 && size % 300 === 0)).toBe(true);
  });

  test('memory is bounded when nothing can be written', async () => {
    let release = () => {};
    const fake = fakeSystem(() => ({}));
    const stuck: SinkSystem = {
      ...fake.system,
      write: (fd, bytes, done) => {
        release = () => fake.system.write(fd, bytes, done);
      },
    };
    const sinks = new FileSinks({ log: listening, system: stuck });
    const sink = sinks.open('/slow');
    const line = `${'z'.repeat(64 * 1024 - 1)}\n`;
    for (let count = 0; count < 1_000; count += 1) sink.write(line);
    const flushed = sinks.flush();
    stuck.write = fake.system.write;
    release();
    await flushed;
    expect(fake.output().length).toBeLessThanOrEqual(17 * 1024 * 1024);
    expect(fake.output().length).toBeGreaterThan(15 * 1024 * 1024);
    expect(warnings).toHaveLength(1);
  });
});
