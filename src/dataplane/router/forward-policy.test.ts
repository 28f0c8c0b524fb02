// How long and how often a request is tried, by its route and by x-envoy headers.

import { describe, expect, it } from 'vitest';
import { request } from '../../../test/dataplane/example-forwarding.ts';
import { parseResponseHead } from '../http/head-parser.ts';
import type { HeaderList } from '../http/header-list.ts';
import { expectedTimeoutMs, type ForwardPolicy, routePolicy, withRetries, withTimeouts } from './forward-policy.ts';
import { DEFAULT_RETRY_POLICY, RetryOn, retriesResponse } from './retry-policy.ts';

const headers = (lines: Readonly<Record<string, string>>): HeaderList => {
  const text = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return request(`GET / HTTP/1.1\r\nhost: a\r\n${text.join('')}`).headers;
};
const retry = { ...DEFAULT_RETRY_POLICY, on: RetryOn.GatewayError, numRetries: 2, statusCodes: new Set([418]) };
const policy = routePolicy(1000, { ...retry, perTryTimeoutMs: 300 });

describe('a request without headers for the router', () => {
  it('has the very policy of its route', () => {
    const plain = headers({ accept: '*/*', 'x-envoy-other': '1' });
    expect(withTimeouts(policy, plain)).toBe(policy);
    expect(withRetries(policy, plain)).toBe(policy);
    expect(plain.fields).toEqual(['accept', '*/*', 'x-envoy-other', '1']);
  });
});

describe('times', () => {
  const of = (lines: Readonly<Record<string, string>>, base = policy): ForwardPolicy =>
    withTimeouts(base, headers(lines));

  it.each([
    ['500', 500],
    [' +500 ', 500],
    ['0', 0],
    ['', 1000],
    ['-1', 1000],
    ['1.5', 1000],
    ['0x10', 1000],
    ['1e3', 1000],
    ['5s', 1000],
    ['18446744073709551616', 1000],
  ])('x-envoy-upstream-rq-timeout-ms: %j is %i ms', (value, expected) => {
    expect(of({ 'x-envoy-upstream-rq-timeout-ms': value }).timeoutMs).toBe(expected);
  });

  it.each([
    [{}, 1000, 300],
    [{ 'x-envoy-upstream-rq-per-try-timeout-ms': '900' }, 1000, 900],
    [{ 'x-envoy-upstream-rq-per-try-timeout-ms': '1000' }, 1000, 0],
    [{ 'x-envoy-upstream-rq-timeout-ms': '200' }, 200, 0],
    [{ 'x-envoy-upstream-rq-timeout-ms': '0', 'x-envoy-upstream-rq-per-try-timeout-ms': '9000' }, 0, 9000],
  ])('of %j are %i ms in all and %i ms a try', (lines, timeoutMs, perTryTimeoutMs) => {
    expect(of({ accept: '*/*', ...lines })).toMatchObject({ timeoutMs, perTryTimeoutMs });
  });

  it('of a route’s tries come back when a client gives more in all', () => {
    const tight = routePolicy(200, { ...retry, perTryTimeoutMs: 300 });
    expect(tight.perTryTimeoutMs).toBe(0);
    expect(of({ 'x-envoy-upstream-rq-timeout-ms': '1000' }, tight).perTryTimeoutMs).toBe(300);
  });

  it('that are over are answered with 204 where any value asks for it', () => {
    expect(of({ 'x-envoy-upstream-rq-timeout-alt-response': 'false' }).timeoutStatus).toBe(204);
  });

  it.each([
    ['true', false, true],
    ['false', true, false],
    ['yes', false, false],
    ['yes', true, true],
  ])('x-envoy-hedge-on-per-try-timeout: %s over %s is %s', (value, hedge, expected) => {
    expect(of({ 'x-envoy-hedge-on-per-try-timeout': value }, { ...policy, hedge }).hedge).toBe(expected);
  });

  it('take their headers off, and leave those of retries', () => {
    const received = headers({
      'x-envoy-upstream-rq-timeout-ms': 'nonsense',
      'x-envoy-upstream-rq-per-try-timeout-ms': '1',
      'x-envoy-upstream-rq-timeout-alt-response': '',
      'x-envoy-upstream-stream-duration-ms': '1',
      'x-envoy-upstream-alt-stat-name': 'x',
      'x-envoy-hedge-on-per-try-timeout': 'true',
      'x-envoy-retry-on': '5xx',
    });
    withTimeouts(policy, received);
    expect(received.fields).toEqual(['x-envoy-retry-on', '5xx']);
  });
});

describe('retries', () => {
  const of = (lines: Readonly<Record<string, string>>, base = policy) => withRetries(base, headers(lines)).retry;
  const none = routePolicy(0, DEFAULT_RETRY_POLICY);

  it('happen on what the route and the client say, as often as the client says', () => {
    expect(
      of({ 'x-envoy-retry-on': '5xx, nonsense', 'x-envoy-retry-grpc-on': 'internal', 'x-envoy-max-retries': '7' }),
    ).toMatchObject({
      on: RetryOn.GatewayError | RetryOn.ServerError | RetryOn.GrpcInternal,
      numRetries: 7,
    });
  });

  it('of a route without any are one unless the client says more', () => {
    expect(of({ 'x-envoy-retry-on': 'reset' }, none)).toMatchObject({ on: RetryOn.Reset, numRetries: 1 });
  });

  it('need a condition: a number alone makes none', () => {
    expect(of({ 'x-envoy-max-retries': '3', 'x-envoy-retriable-status-codes': '404' }, none)).toBe(
      DEFAULT_RETRY_POLICY,
    );
  });

  it.each([
    ['x-envoy-retry-on', 'unavailable'],
    ['x-envoy-retry-grpc-on', '5xx'],
  ])('%s knows no %s', (name, value) => {
    expect(of({ [name]: value }, none).on).toBe(0);
  });

  it('happen on the status codes of both', () => {
    const { statusCodes } = of({
      'x-envoy-retry-on': 'retriable-status-codes',
      'x-envoy-retriable-status-codes': '404, 410,x,,',
    });
    expect([...statusCodes]).toEqual([418, 404, 410]);
  });

  it('happen on response headers, whose names may be in capitals', () => {
    const asked = of(
      { 'x-envoy-retry-on': 'retriable-headers', 'x-envoy-retriable-header-names': 'X-Again , x-more' },
      none,
    );
    const response = (name: string) => parseResponseHead(`HTTP/1.1 200 OK\r\n${name}: \r\n`, 100)!;
    expect(retriesResponse(asked, response('x-AGAIN'))).toBe(true);
    expect(retriesResponse(asked, response('x-agai'))).toBe(false);
  });

  it('take their headers off, and those of times that came from a route too late', () => {
    const received = headers({
      'x-envoy-retry-on': '5xx',
      'x-envoy-retry-grpc-on': 'internal',
      'x-envoy-max-retries': '1',
      'x-envoy-retriable-status-codes': '1',
      'x-envoy-retriable-header-names': 'x',
      'x-envoy-upstream-rq-per-try-timeout-ms': '1',
      'x-envoy-upstream-rq-timeout-ms': '1',
    });
    withRetries(policy, received);
    expect(received.fields).toEqual(['x-envoy-upstream-rq-timeout-ms', '1']);
  });
});

describe('the time that x-envoy-expected-rq-timeout-ms tells', () => {
  it.each([
    ['for ever', 0, 0, 0, 0],
    ['the route’s', 1000, 0, 0, 1000],
    ['what is left of the route’s', 1000, 0, 900, 100],
    ['one try’s', 0, 200, 5000, 200],
    ['one try’s while it fits', 1000, 200, 700, 200],
    ['what is left where that is less than one try’s', 1000, 200, 900, 100],
    ['never nothing', 1000, 200, 1500, 1],
    ['whole milliseconds', 1000.5, 0, 0.7, 1000],
  ])('is %s', (_what, timeoutMs, perTryTimeoutMs, elapsed, expected) => {
    const given = routePolicy(timeoutMs, { ...DEFAULT_RETRY_POLICY, perTryTimeoutMs });
    expect(expectedTimeoutMs(given, elapsed)).toBe(expected);
  });

  it('is what is left in all where tries go on side by side', () => {
    expect(expectedTimeoutMs({ ...policy, hedge: true }, 400)).toBe(600);
  });
});
