import { expect, it } from 'vitest';
import { loadDocuments } from '../load.ts';

/** What is said of a route with this `corsPolicy`, as `field below it: message`. */
function check(policy: string): string[] {
  const text = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: it }
spec: { hosts: [www.example.com], gateways: [gw], http: [{ corsPolicy: ${policy}, route: [{ destination: { host: web } }] }] }
`;
  const { problems } = loadDocuments(text, 'f.yaml');
  return problems.map(({ field, message }) => `${(field ?? '').replace('spec.http[0].corsPolicy.', '')}: ${message}`);
}

it.each([
  '{}',
  '{ allowOrigins: [{ exact: "*" }, { prefix: "https://" }, { regex: ".*[.]example[.]com" }], maxAge: 24h }',
  '{ allowMethods: [GET, "*"], allowHeaders: ["*", x-a], exposeHeaders: [X-B], allowCredentials: true, unmatchedPreflights: IGNORE }',
])('takes the CORS policy %s', (policy) => {
  expect(check(policy)).toEqual([]);
});

it.each([
  ['{ allowOrigins: [{ exact: "" }] }', ['allowOrigins[0]: matches no origin']],
  ['{ allowOrigins: [{}] }', ['allowOrigins[0]: matches no origin']],
  ['{ allowMethods: [get] }', ['allowMethods[0]: "get" is no HTTP method']],
  ['{ allowHeaders: ["a b"] }', ['allowHeaders[0]: "a b" is no header name']],
  ['{ exposeHeaders: [""] }', ['exposeHeaders[0]: "" is no header name']],
  ['{ maxAge: 1.5s }', ['maxAge: "1.5s" is no whole number of seconds']],
  ['{ maxAge: 0s }', ['maxAge: "0s" is shorter than a millisecond']],
])('refuses the CORS policy %s', (policy, problems) => {
  expect(check(policy)).toEqual(problems);
});
