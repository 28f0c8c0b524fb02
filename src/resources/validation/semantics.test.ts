import { describe, expect, it } from 'vitest';
import { loadDocuments } from '../load.ts';
import { describeKey, keyOf } from '../object.ts';
import { Snapshot } from '../snapshot.ts';
import { findPortConflicts } from './port-conflicts.ts';
import { findDanglingReferences } from './references.ts';

const server = (fields: string) =>
  `{port: {number: 443, name: https, protocol: HTTPS}, hosts: [www.example.com], ${fields}}`;
const gateway = (...servers: string[]) =>
  `kind: Gateway\nspec: {selector: {istio: ingressgateway}, servers: [${servers.join(', ')}]}`;
const routes = (http: string) =>
  `kind: VirtualService\nspec: {hosts: [www.example.com], gateways: [gw], http: [${http}]}`;
const route = 'route: [{destination: {host: web}}]';
const spec = (kind: string, content: string) => `kind: ${kind}\nspec: {${content}}`;

const GROUPS: Record<string, string> = {
  Service: 'v1',
  Secret: 'v1',
  Pod: 'v1',
  Deployment: 'apps/v1',
  ReplicaSet: 'apps/v1',
};
const GROUP = 'networking.istio.io/v1';

/** What is said of an object with this kind and spec, as `severity field`. */
function check(text: string): string[] {
  const kind = /^kind: (\w+)/.exec(text)?.[1] as string;
  const { problems } = loadDocuments(`apiVersion: ${GROUPS[kind] ?? GROUP}\nmetadata: {name: it}\n${text}\n`, 'f.yaml');
  return problems.map(({ severity, field }) => `${severity} ${field}`);
}

describe('an object is taken', () => {
  it.each([
    [
      'a redirecting HTTP server',
      gateway(
        '{port: {number: 80, name: http, protocol: http}, hosts: ["./*.example.com", "*/a.b", "10.0.0.1"], tls: {httpsRedirect: true}}',
      ),
    ],
    [
      'mode SIMPLE with credentialName',
      gateway(
        server(
          'tls: {mode: SIMPLE, credentialName: www, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256], minProtocolVersion: TLSV1_2}',
        ),
      ),
    ],
    [
      'mode MUTUAL with files',
      gateway(server('tls: {mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /ca}')),
    ],
    ['mode PASSTHROUGH', gateway(server('tls: {mode: PASSTHROUGH}'))],
    [
      'a timeout of 0s, which switches it off',
      routes(`{${route}, timeout: 0s, retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,503,connect-failure"}}`),
    ],
    [
      'a weight on one destination only',
      routes('{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 100}]}'),
    ],
    ['a delegate', spec('VirtualService', `http: [{match: [{uri: {prefix: /a}}], ${route}}]`)],
    [
      'headers, rewrite and mirror',
      routes(
        `{${route}, headers: {request: {set: {":authority": x, x-a: b}}}, mirror: {host: m}, mirrorPercentage: {value: 10}, rewrite: {uri: /}}`,
      ),
    ],
    [
      'a TLS route below a host with wildcard',
      spec(
        'VirtualService',
        `hosts: ["*.example.com"], gateways: [gw], tls: [{match: [{sniHosts: [a.example.com]}], ${route}}]`,
      ),
    ],
    [
      'a ServiceEntry for a domain, unresolved',
      spec('ServiceEntry', 'hosts: ["*.example.com"], ports: [{number: 443, name: tls, protocol: TLS}]'),
    ],
    ['a headless Service', spec('Service', 'clusterIP: None')],
    [
      'the same port for TCP and UDP',
      spec('Service', 'ports: [{name: a, port: 53, protocol: TCP}, {name: b, port: 53, protocol: UDP}]'),
    ],
  ])('%s', (_, text) => {
    expect(check(text)).toEqual([]);
  });
});

describe('an object is refused', () => {
  const tls = (fields: string) => gateway(server(`tls: {${fields}}`));
  it.each([
    ['a Deployment without spec', 'kind: Deployment', ['error spec.selector', 'error spec.template']],
    ['a ReplicaSet without spec', 'kind: ReplicaSet', ['error spec.selector', 'error spec.template']],
    ['a Pod without spec', 'kind: Pod', ['error spec.containers']],
    ['a Gateway without servers', gateway(), ['error spec.servers']],
    ['HTTPS without tls', gateway(server('name: x')), ['error spec.servers[0].tls']],
    [
      'HTTP with a certificate',
      gateway(
        '{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: www}}',
      ),
      ['error spec.servers[0].tls'],
    ],
    ['SIMPLE without a certificate', tls('mode: SIMPLE'), ['error spec.servers[0].tls.credentialName']],
    [
      'MUTUAL without a CA',
      tls('mode: MUTUAL, serverCertificate: /c, privateKey: /k'),
      ['error spec.servers[0].tls.caCertificates'],
    ],
    [
      'ISTIO_MUTUAL with credentialName',
      tls('mode: ISTIO_MUTUAL, credentialName: www'),
      ['error spec.servers[0].tls.credentialName'],
    ],
    [
      'two sources of a certificate',
      tls('mode: SIMPLE, credentialName: www, serverCertificate: /c, privateKey: /k'),
      ['error spec.servers[0].tls'],
    ],
    [
      'a lowest TLS version above the highest',
      tls('mode: SIMPLE, credentialName: www, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2'),
      ['error spec.servers[0].tls.minProtocolVersion'],
    ],
    ['a VirtualService without routes', spec('VirtualService', 'hosts: [a.b], gateways: [gw]'), ['error spec']],
    ['a delegate with gateways', spec('VirtualService', `gateways: [gw], http: [{${route}}]`), ['error spec.gateways']],
    [
      'a bad Gateway name',
      spec('VirtualService', `hosts: [a.b], gateways: [a/b/c], http: [{${route}}]`),
      ['error spec.gateways[0]'],
    ],
    [
      'a negative weight',
      routes('{route: [{destination: {host: a}, weight: -1}]}'),
      ['error spec.http[0].route[0].weight'],
    ],
    [
      'a port out of range',
      routes('{route: [{destination: {host: a, port: {number: 65536}}}]}'),
      ['error spec.http[0].route[0].destination.port.number'],
    ],
    [
      'a direct response beside a redirect',
      routes('{redirect: {uri: /}, directResponse: {status: 200}}'),
      ['error spec.http[0].directResponse'],
    ],
    [
      'retries that are off and set',
      routes(`{${route}, retries: {attempts: 0, retryOn: 5xx}}`),
      ['error spec.http[0].retries.attempts'],
    ],
    [
      'a per-try timeout of nothing',
      routes(`{${route}, retries: {attempts: 1, perTryTimeout: 0s}}`),
      ['error spec.http[0].retries.perTryTimeout'],
    ],
    [
      'an SNI host that is none of the hosts',
      spec('VirtualService', `hosts: [a.b], gateways: [gw], tls: [{match: [{sniHosts: [c.d]}], ${route}}]`),
      ['error spec.tls[0].match[0].sniHosts[0]'],
    ],
    [
      'two subsets of one name',
      spec('DestinationRule', 'host: a, subsets: [{name: v1}, {name: v1}]'),
      ['error spec.subsets[1].name'],
    ],
    [
      'exportTo with "*" beside others',
      spec('DestinationRule', 'host: a, exportTo: ["*", team]'),
      ['error spec.exportTo[0]'],
    ],
    [
      'a ServiceEntry for everything',
      spec('ServiceEntry', 'hosts: ["*"], ports: [{number: 80, name: http, protocol: HTTP}]'),
      ['error spec.hosts[0]'],
    ],
    [
      'endpoints of a ServiceEntry that resolves nothing',
      spec('ServiceEntry', 'hosts: [a.b], resolution: NONE, endpoints: [{address: 1.2.3.4}]'),
      ['error spec.endpoints'],
    ],
    [
      'several TCP hosts at one address',
      spec('ServiceEntry', 'hosts: [a.b, c.d], resolution: STATIC, ports: [{number: 1, name: tcp, protocol: TCP}]'),
      ['error spec.hosts[1]'],
    ],
    ['a Service without ports', spec('Service', 'selector: {a: b}'), ['error spec.ports']],
    [
      'several ports without names',
      spec('Service', 'ports: [{port: 80}, {port: 81, name: b}]'),
      ['error spec.ports[0].name'],
    ],
    [
      'a label that is none',
      spec('Service', 'selector: {"a b": c}, ports: [{port: 80}]'),
      ['error spec.selector["a b"]'],
    ],
  ])('%s', (_, text, expected) => {
    expect(check(text)).toEqual(expected);
  });
});

describe('an object is taken with a warning', () => {
  it.each([
    [
      'certificates that PASSTHROUGH ignores',
      gateway(server('tls: {mode: PASSTHROUGH, credentialName: www}')),
      ['warning spec.servers[0].tls.credentialName'],
    ],
    [
      'a cipher suite nobody knows',
      gateway(server('tls: {mode: SIMPLE, credentialName: www, cipherSuites: [RC4]}')),
      ['warning spec.servers[0].tls.cipherSuites[0]'],
    ],
    [
      'a route behind one for everything',
      routes(`{${route}}, {match: [{uri: {exact: /a}}], ${route}}`),
      ['warning spec.http[1]'],
    ],
    [
      'a route with the match of an earlier one',
      routes(`{match: [{uri: {exact: /a}}], ${route}}, {match: [{uri: {exact: /a}, name: again}], ${route}}`),
      ['warning spec.http[1]'],
    ],
    [
      'a path that no request can have',
      routes(`{match: [{uri: {prefix: api}}], ${route}}`),
      ['warning spec.http[0].match[0].uri.prefix'],
    ],
  ])('%s', (_, text, expected) => {
    expect(check(text)).toEqual(expected);
  });
});

describe('objects together', () => {
  const document = (kind: string, name: string, content: string) =>
    `apiVersion: ${GROUPS[kind] ?? GROUP}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: {${content}}\n`;
  const load = (...documents: string[]) =>
    Snapshot.of(loadDocuments(documents.join('---\n'), 'f.yaml').objects.map(({ object }) => object));

  it('may refer to a host of a ServiceEntry, also below a wildcard, and to a Service of another namespace', () => {
    const snapshot = load(
      document('ServiceEntry', 'wild', 'hosts: ["*.example.com"], ports: [{number: 80, name: http, protocol: HTTP}]'),
      document('Service', 'web', 'ports: [{port: 80}]'),
      document(
        'VirtualService',
        'vs',
        'hosts: [a.b], http: [{route: [{destination: {host: api.example.com, port: {number: 80}}, weight: 1}, {destination: {host: web.default.svc.cluster.local}, weight: 1}]}]',
      ),
    );
    expect(findDanglingReferences(snapshot)).toEqual([]);
  });

  it('conflict where one gateway has two protocols on a port, and not on different gateways', () => {
    const on = (name: string, selector: string, protocol: string) =>
      document(
        'Gateway',
        name,
        `selector: {istio: ${selector}}, servers: [{port: {number: 80, name: a, protocol: ${protocol}}, hosts: [${name}.example.com]}]`,
      );
    const conflicts = findPortConflicts(
      load(on('a', 'x', 'HTTP'), on('b', 'x', 'TCP'), on('c', 'y', 'TCP'), on('d', 'x', 'GRPC')),
    );
    expect(conflicts.map(({ object }) => describeKey(keyOf(object)))).toEqual(['Gateway default/b']);
  });
});
