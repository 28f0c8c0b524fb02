import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HTTPFaultSchema } from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { HeaderList } from '../http/header-list.ts';
import { compileFaultSettings, drawAbort, drawDelay } from './fault-settings.ts';

const compile = (json: JsonValue) => compileFaultSettings(fromJson(HTTPFaultSchema, json), 'it');

function headers(lines: Readonly<Record<string, string>> = {}): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(lines)) list.add(name, value);
  return list;
}

const NEVER_RANDOM = () => {
  throw new Error('nothing was to be drawn');
};

describe('a share of requests', () => {
  it.each([
    ['HUNDRED', 100],
    ['TEN_THOUSAND', 10_000],
    ['MILLION', 1_000_000],
  ])('is so many of a %s, whatever is drawn', (denominator, of) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: of }), fc.integer({ min: 0, max: of - 1 }), (numerator, point) => {
        const settings = compile({ abort: { httpStatus: 503, percentage: { numerator, denominator } } });
        const aborted = drawAbort(settings, headers(), () => (point + 0.5) / of) !== undefined;
        expect(aborted).toBe(point < numerator);
      }),
    );
  });

  it('is none where no percentage is given', () => {
    const settings = compile({ abort: { httpStatus: 503 }, delay: { fixedDelay: '1s' } });
    expect(drawAbort(settings, headers(), () => 0)).toBeUndefined();
    expect(drawDelay(settings, headers(), () => 0)).toBe(0);
  });

  it('draws delay and abort each for itself, and nothing for what is not there', () => {
    const half = { numerator: 50 };
    const settings = compile({
      abort: { grpcStatus: 14, percentage: half },
      delay: { fixedDelay: '1.5s', percentage: half },
    });
    const points = [0.6, 0.4];
    const random = () => points.shift() ?? 1;
    expect(drawDelay(settings, headers(), random)).toBe(0);
    expect(drawAbort(settings, headers(), random)).toEqual({ http: 200, grpc: 14 });
    expect(drawDelay(settings, headers(), () => 0.4)).toBe(1500);
    expect(drawDelay(compile({}), headers(), NEVER_RANDOM)).toBe(0);
    expect(drawAbort(compile({}), headers(), NEVER_RANDOM)).toBeUndefined();
  });
});

describe('faults that requests ask for by header', () => {
  const settings = compile({
    delay: { headerDelay: {}, percentage: { numerator: 50 } },
    abort: { headerAbort: {}, percentage: { numerator: 50 } },
  });

  it.each<[Record<string, string>, number]>([
    [{}, 0],
    [{ 'x-envoy-fault-delay-request': '250' }, 250],
    [{ 'x-envoy-fault-delay-request': '-1' }, 0],
    [{ 'x-envoy-fault-delay-request': 'soon' }, 0],
    [{ 'x-envoy-fault-delay-request': '999999999999' }, 86_400_000],
    [{ 'x-envoy-fault-delay-request': '250', 'x-envoy-fault-delay-request-percentage': '10' }, 0],
    [{ 'x-envoy-fault-delay-request': '250', 'x-envoy-fault-delay-request-percentage': '30' }, 250],
    [{ 'x-envoy-fault-delay-request': '250', 'x-envoy-fault-delay-request-percentage': 'x' }, 250],
  ])('delay %j by %i ms', (lines, ms) => {
    expect(drawDelay(settings, headers(lines), () => 0.2)).toBe(ms);
  });

  it('are of no larger share than is configured', () => {
    const lines = { 'x-envoy-fault-delay-request': '250', 'x-envoy-fault-delay-request-percentage': '100' };
    expect(drawDelay(settings, headers(lines), () => 0.6)).toBe(0);
  });

  it.each<[Record<string, string>, unknown]>([
    [{}, undefined],
    [{ 'x-envoy-fault-abort-request': '503' }, { http: 503 }],
    [{ 'x-envoy-fault-abort-request': '600' }, undefined],
    [{ 'x-envoy-fault-abort-request': '199' }, undefined],
    [{ 'x-envoy-fault-abort-grpc-request': '5' }, { http: 200, grpc: 5 }],
    [{ 'x-envoy-fault-abort-request': '503', 'x-envoy-fault-abort-grpc-request': '5' }, { http: 503 }],
    [{ 'x-envoy-fault-abort-request': '503', 'x-envoy-fault-abort-request-percentage': '0' }, undefined],
  ])('abort %j with %j', (lines, status) => {
    expect(drawAbort(settings, headers(lines), () => 0.2)).toEqual(status);
  });
});

it.each<[JsonValue, string]>([
  [{ responseRateLimit: { fixedLimit: { limitKbps: '1' } } }, 'it.response_rate_limit: not supported'],
  [{ upstreamCluster: 'a' }, 'it.upstream_cluster: not supported'],
  [{ delay: {} }, 'it.delay.fixed_delay: expected more than nothing'],
  [{ abort: {} }, 'it.abort: expected http_status, grpc_status or header_abort'],
  [{ abort: { httpStatus: 600 } }, 'it.abort.http_status: expected 200 to 599, got 600'],
])('refuses %j', (json, message) => {
  expect(() => compile(json)).toThrow(message);
});
