import { expect, it } from 'vitest';
import { loadDocuments } from '../load.ts';

/** What is said of a route with this `fault`, as `severity field below fault: message`. */
function check(fault: string): string[] {
  const text = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: it }
spec: { hosts: [www.example.com], gateways: [gw], http: [{ fault: ${fault}, route: [{ destination: { host: web } }] }] }
`;
  const { problems } = loadDocuments(text, 'f.yaml');
  return problems.map(
    ({ severity, field, message }) => `${severity} ${(field ?? '').replace('spec.http[0].', '')}: ${message}`,
  );
}

it.each([
  '{ abort: { httpStatus: 503, percentage: { value: 100 } } }',
  '{ abort: { grpcStatus: NOT_FOUND, percentage: { value: 0.0001 } } }',
  '{ delay: { fixedDelay: 5s, percent: 10 } }',
  '{ delay: { fixedDelay: 1ms, percentage: { value: 0 } }, abort: { httpStatus: 200, percentage: { value: 50.5 } } }',
])('takes the fault %s', (fault) => {
  expect(check(fault)).toEqual([]);
});

const ALL = 'percentage: { value: 100 }';
it.each([
  ['{}', ['error fault: does nothing']],
  [
    '{ abort: { httpStatus: 503, percentage: { value: 101 } } }',
    ['error fault.abort.percentage.value: 101 is no percentage'],
  ],
  [
    '{ delay: { fixedDelay: 1s, percentage: { value: 0.00001 } } }',
    ['error fault.delay.percentage.value: 0.00001 is no percentage'],
  ],
  ['{ delay: { fixedDelay: 1s, percent: 101 } }', ['error fault.delay.percent: 101 is no percentage']],
  [`{ delay: { fixedDelay: 0.5ms, ${ALL} } }`, ['error fault.delay.fixedDelay: "0.5ms" is shorter than a millisecond']],
  [`{ delay: { fixedDelay: 0s, ${ALL} } }`, ['error fault.delay.fixedDelay: "0s" is shorter than a millisecond']],
  [`{ delay: { exponentialDelay: 1s, ${ALL} } }`, ['error fault.delay.exponentialDelay: is not supported']],
  [`{ abort: { httpStatus: 199, ${ALL} } }`, ['error fault.abort.httpStatus: 199 is no final status']],
  [`{ abort: { httpStatus: 600, ${ALL} } }`, ['error fault.abort.httpStatus: 600 is no final status']],
  [`{ abort: { grpcStatus: NOTFOUND, ${ALL} } }`, ['error fault.abort.grpcStatus: "NOTFOUND" is no status of gRPC']],
  [`{ abort: { http2Error: REFUSED_STREAM, ${ALL} } }`, ['error fault.abort.http2Error: is not supported']],
])('refuses the fault %s', (fault, problems) => {
  expect(check(fault)).toEqual(problems);
});

it.each([
  [`{ abort: { ${ALL} } }`, ['warning fault.abort: aborts nothing: it names no status']],
  [`{ delay: { ${ALL} } }`, ['warning fault.delay: delays nothing: it names no time']],
  ['{ abort: { httpStatus: 503 } }', ['warning fault.abort: aborts no request: it has no percentage']],
  ['{ delay: { fixedDelay: 5s } }', ['warning fault.delay: delays no request: it has no percentage']],
])('warns of the fault %s, which has no effect', (fault, problems) => {
  expect(check(fault)).toEqual(problems);
});
