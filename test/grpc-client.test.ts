// A gRPC application without a proxy, under a real `limen up`: the npm package @grpc/grpc-js-xds as the client, grpc-js servers behind it.

import { Client, credentials, Metadata, Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Limen } from './walkthroughs/limen.ts';

const bytes = {
  requestSerialize: (message: string) => Buffer.from(message),
  requestDeserialize: String,
  responseSerialize: (message: string) => Buffer.from(message),
  responseDeserialize: String,
};
const greet = { path: '/Greeter/Greet', requestStream: false, responseStream: false, ...bytes };

const undo: (() => unknown)[] = [];

/** A server that answers with its name; to `wait`, never. */
async function greeter(name: string): Promise<number> {
  const server = new Server();
  const handler = ({ request }: { request: string }, callback: (error: null, answer: string) => void) => {
    if (request !== 'wait') callback(null, name);
  };
  server.addService({ greet }, { greet: handler as unknown as UntypedHandleCall });
  undo.push(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

/** A service whose version `one` is at the first port and version `two` at the second. */
const service = (one: number, two: number) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: greeter, namespace: default }
spec:
  hosts: [greeter.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 7070, name: grpc, protocol: GRPC }]
  endpoints:
    - { address: 127.0.0.1, ports: { grpc: ${one} }, labels: { version: one } }
    - { address: 127.0.0.1, ports: { grpc: ${two} }, labels: { version: two } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: greeter, namespace: default }
spec:
  host: greeter
  subsets:
    - { name: one, labels: { version: one } }
    - { name: two, labels: { version: two } }
`;

const routes = (weightOfOne: number) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: greeter, namespace: default }
spec:
  hosts: [greeter]
  http:
    - match: [{ headers: { want: { exact: two } } }]
      timeout: 0.3s
      route: [{ destination: { host: greeter, subset: two } }]
    - match: [{ headers: { want: { exact: fault } } }]
      fault: { abort: { grpcStatus: DATA_LOSS, percentage: { value: 100 } } }
      route: [{ destination: { host: greeter } }]
    - route:
        - { destination: { host: greeter, subset: one }, weight: ${weightOfOne} }
        - { destination: { host: greeter, subset: two }, weight: ${100 - weightOfOne} }
`;

let limen: Limen;

beforeAll(async () => {
  limen = await Limen.start();
  limen.apply('service.yaml', service(await greeter('one'), await greeter('two')));
  const { code, stdout, stderr } = await limen.limen('bootstrap', '--grpc');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  process.env.GRPC_XDS_BOOTSTRAP_CONFIG = stdout;
  const { register } = await import('@grpc/grpc-js-xds');
  register();
});

afterAll(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  expect(await limen.stop()).toEqual({ code: 0, left: [] });
});

function dial(target: string) {
  const client = new Client(`xds:///${target}`, credentials.createInsecure());
  undo.push(() => client.close());
  return (message = 'hello', headers: Record<string, string> = {}) =>
    new Promise<string>((resolve, reject) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      client.makeUnaryRequest<string, string>(
        greet.path,
        greet.requestSerialize,
        greet.responseDeserialize,
        message,
        metadata,
        { deadline: Date.now() + 20_000 },
        (error, answer) => (error === null ? resolve(answer ?? '') : reject(error)),
      );
    });
}

describe('a gRPC client that dials xds:///', () => {
  it('is balanced over the endpoints, by the full name and the short ones', async () => {
    for (const target of ['greeter.default.svc.cluster.local:7070', 'greeter.default:7070', 'greeter:7070']) {
      const call = dial(target);
      const answers = new Set<string>();
      await limen.until(`${target} leads to both`, async () => answers.add(await call()).size === 2);
    }
  });

  it('follows weights, matches headers, is bound by timeouts and injects faults of the VirtualService', async () => {
    const call = dial('greeter:7070');
    const allFrom = (name: string) => async () => {
      for (let index = 0; index < 10; index += 1) if ((await call()) !== name) return false;
      return true;
    };
    limen.apply('routes.yaml', routes(100));
    await limen.until('all calls go to one', allFrom('one'));
    expect(await call('hello', { want: 'two' })).toBe('two');
    await expect(call('wait', { want: 'two' })).rejects.toThrow(/DEADLINE_EXCEEDED/);
    await expect(call('hello', { want: 'fault' })).rejects.toThrow(/^15 DATA_LOSS/);
    limen.apply('routes.yaml', routes(0));
    await limen.until('all calls go to two', allFrom('two'));
  });

  it('gets UNAVAILABLE at once for a host that does not exist, and the log says why', async () => {
    await expect(dial('nobody:7070')()).rejects.toThrow(/^14 UNAVAILABLE/);
    await limen.until('the log has it', () =>
      limen.output.includes(
        'gRPC target xds:///nobody:7070: no service nobody is there, or exported to namespace default',
      ),
    );
  });

  it('stands in proxy-status', async () => {
    const { stdout } = await limen.limen('proxy-status');
    expect(stdout).toMatch(/^grpc-client\.default +\S+ +SYNCED/m);
  });
});

describe('limen bootstrap --grpc', () => {
  it.each([
    [['--address', '127.0.0.9'], '--address: expected without --grpc'],
    [['-o', 'yaml'], '--output yaml: expected json'],
    [['--node-id', 'me'], '--node-id me: expected TYPE~IP~POD.NAMESPACE~DOMAIN'],
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await limen.limen('bootstrap', '--grpc', ...flags);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
