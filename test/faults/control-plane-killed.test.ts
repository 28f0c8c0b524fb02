// The control plane is killed and comes back, while data planes that it did not start carry traffic and configuration changes.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { proxyNode } from '../../src/cli/proxy-node.ts';
import { AdsClient } from '../../src/xds/client.ts';
import { TypeUrl } from '../../src/xds/resources.ts';
import { Limen } from '../walkthroughs/limen.ts';
import { describeWith } from '../walkthroughs/tools.ts';
import { Forwarder } from './forwarder.ts';
import { get, Load } from './load.ts';
import { accepts, type Kind, type OutsideDataPlane, startOutside, xdsOf } from './outside-data-plane.ts';

/** Each restart is a start of `limen up`, on cores that other tests have too. */
const TIMEOUT = { timeout: 90_000 };

/** A service whose answer is its name. */
async function service(name: string): Promise<Server> {
  const server = createServer((_request, response) => response.end(name)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

/** The host `app.local`: which service it leads to, and a header that tells versions of the configuration apart. */
const configuration = (version: string, upstream: Server) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: app }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*.local'] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: [app.local]
  gateways: [app]
  http:
    - headers: { response: { set: { x-version: ${version} } } }
      route: [{ destination: { host: app.internal, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: app }
spec:
  hosts: [app.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${(upstream.address() as AddressInfo).port} }]
  endpoints: [{ address: 127.0.0.1 }]
`;

const another = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: another }
spec:
  hosts: [another.local]
  gateways: [app]
  http: [{ directResponse: { status: 200, body: { string: another } } }]
`;

const TOOLS: Record<Kind, ('curl' | 'envoy')[]> = { limen: [], envoy: ['envoy'] };
/** Tells the names of resources that are sent, too. */
const LOG = ['--log-format', 'json', '--log-level', 'debug'];

for (const kind of ['limen', 'envoy'] as const)
  describeWith(TOOLS[kind], `a control plane that is killed under ${kind}`, () => {
    let blue: Server;
    let green: Server;
    let xds: Forwarder;
    let limen: Limen;
    let outside: OutsideDataPlane;
    let load: Load;

    beforeEach(async () => {
      blue = await service('blue');
      green = await service('green');
      xds = await Forwarder.start();
      limen = await Limen.start([80], LOG);
      xds.target = xdsOf(limen);
      limen.apply('app.yaml', configuration('v1', blue));
      outside = await startOutside({ kind, pod: 'outside', xds: xds.address, directory: dirname(limen.home) });
      await limen.until('the first answer', async () => (await get(outside.address, 'app.local')).status === 200);
      load = new Load(outside.address, 'app.local');
      await serves('v1', 'blue');
    });
    afterEach(async () => {
      await load.end();
      await outside.kill();
      xds.close();
      await limen.stop();
      blue.close();
      green.close();
    });

    const restart = async () => {
      limen = await Limen.up(dirname(limen.home), ['-f', limen.config, ...LOG], [80]);
      xds.target = xdsOf(limen);
    };
    /** Resolves once the load gets this version from this service. */
    const serves = async (version: string, body: string) => {
      while (load.last?.headers['x-version'] !== version || load.last.body !== body) await load.more(1);
    };
    const synced = () =>
      limen.until('the data plane has what it was sent', async () => {
        const { stdout } = await limen.limen('proxy-status', outside.name);
        return stdout.match(/SYNCED/g)?.length === 4;
      });

    it('costs no request, and the data plane then has what changed meanwhile', TIMEOUT, async () => {
      await limen.kill();
      await load.more(100);
      limen.apply('app.yaml', configuration('v2', green));
      limen.apply('another.yaml', another);
      await load.more(20);
      await restart();
      await serves('v2', 'green');
      expect(await get(outside.address, 'another.local')).toMatchObject({ status: 200, body: 'another' });
      await load.end();
      expect(load.failures).toEqual([]);
    });

    it('costs no request, though it was about to push', TIMEOUT, async () => {
      for (const [version, upstream, body] of [
        ['v2', green, 'green'],
        ['v3', blue, 'blue'],
      ] as const) {
        limen.apply('app.yaml', configuration(version, upstream));
        // After so many requests it has read the file, or is at it, or has pushed some of it.
        await load.more(version === 'v2' ? 4 : 12);
        await limen.kill();
        await restart();
        await serves(version, body);
      }
      await load.end();
      expect(load.failures).toEqual([]);
    });

    it('tells nobody who dials it at once that objects are gone, while it still reads them', TIMEOUT, async () => {
      const xds = xdsOf(limen); // the port that the home keeps
      limen.apply('many.yaml', many);
      await serves('v1', 'blue');
      await limen.kill();
      const [listeners] = await Promise.all([firstListeners(xds), restart()]);
      expect(listeners).toEqual(['0.0.0.0_8080']);
    });

    it('sends nothing again that the data plane has', TIMEOUT, async () => {
      await synced();
      await limen.kill();
      await restart();
      await synced();
      expect(sentTo(outside, limen)).toEqual([]);
      await limen.kill();
      limen.apply('app.yaml', configuration('v2', blue));
      await restart();
      await serves('v2', 'blue');
      await synced();
      expect(sentTo(outside, limen)).toEqual([kind === 'limen' ? 'VHDS 1' : 'RDS 1']); // the one host that changed, or its RouteConfiguration
    });
  });

/** So many that reading them takes a while. */
const many = Array.from(
  { length: 500 },
  (_, index) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: many-${index} }
spec:
  hosts: [many-${index}.local]
  gateways: [app]
  http: [{ directResponse: { status: 200 } }]
`,
).join('---');

/** The names in the first answer about listeners from whoever listens there, as soon as somebody does. */
async function firstListeners(address: string): Promise<string[]> {
  const [host, port] = address.split(':') as [string, string];
  while (!(await accepts({ host, port: Number(port) }))) await delay(1);
  const answer = Promise.withResolvers<string[]>();
  const client = new AdsClient({
    target: address,
    node: proxyNode({
      nodeId: 'router~127.0.0.1~early.istio-system~istio-system.svc.cluster.local',
      label: ['app=istio-ingressgateway', 'istio=ingressgateway'],
    }),
    log: pino({ level: 'silent' }),
    onResponse: (_typeUrl, resources) => answer.resolve(resources.map(({ name }) => name)),
  });
  client.subscribe(TypeUrl.Listener, '*');
  client.start();
  try {
    return await answer.promise;
  } finally {
    await client.close();
  }
}

/** A resource about the instance's own gateway: its endpoints went and came with its pod. */
const OWN_GATEWAY = /^outbound\|\d+\|\|istio-ingressgateway\./;

/** `RDS 1`: types and numbers of resources in the responses that this control plane has sent to a data plane, its own gateway's left out. */
function sentTo(outside: OutsideDataPlane, limen: Limen): string[] {
  return limen.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string; node?: string; type?: string; names?: string[] })
    .filter(({ msg, node }) => msg.startsWith('push') && node === outside.name)
    .map(({ type, names }) => ({ type, others: (names ?? ['?']).filter((name) => !OWN_GATEWAY.test(name)) }))
    .filter(({ others }) => others.length > 0)
    .map(({ type, others }) => `${type} ${others.length}`);
}
