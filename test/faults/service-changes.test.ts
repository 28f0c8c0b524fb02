// Services of a gateway come, change and go under load: its data plane goes on as the process it is, and who came by another port notices nothing.

import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Limen } from '../walkthroughs/limen.ts';
import { describeWith } from '../walkthroughs/tools.ts';
import { get, Load } from './load.ts';
import { accepts } from './outside-data-plane.ts';

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: app }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }
    - { port: { number: 31400, name: http-more, protocol: HTTP }, hosts: ['*'] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: ['*']
  gateways: [app]
  http:
    - { match: [{ port: 31400 }], directResponse: { status: 200, body: { string: more } } }
    - { directResponse: { status: 200, body: { string: app } } }
`;

/** A Service with these node ports, each with the target port it leads to. */
const service = (name: string, ...nodePorts: (readonly [nodePort: number, targetPort: number])[]) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'istio-system' },
    spec: {
      type: 'NodePort',
      selector: { istio: 'ingressgateway' },
      ports: nodePorts.map(([nodePort, targetPort], index) => ({
        ...{ name: `p${index}`, port: 1000 + index, nodePort, targetPort },
      })),
    },
  });

/** A node port that nobody has. */
async function freeNodePort(): Promise<number> {
  for (;;) {
    const port = 30_000 + Math.floor(Math.random() * 2768);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

const at = (port: number) => ({ host: '127.0.0.1', port });

for (const [kind, more] of [
  ['limen', []],
  ['limen with two workers', ['--workers', '2']],
  ['envoy', []],
] as const)
  describeWith(
    kind === 'envoy' ? ['kubectl', 'envoy'] : ['kubectl'],
    `a gateway's Services change under ${kind}`,
    () => {
      let limen: Limen;
      let load: Load;
      let before: number[];

      beforeEach(async () => {
        limen = await Limen.start(undefined, ['--data-plane', kind.replace(/ .*/, ''), ...more]);
        limen.apply('app.yaml', GATEWAY);
        await limen.until('the first answer', () => answers(limen.port(80), 'app'));
        before = limen.processes;
        load = new Load(at(limen.port(80)), 'app.local');
        await load.more(50);
      });
      afterEach(async () => {
        await load.end();
        expect(await limen.stop()).toEqual({ code: 0, left: [] });
      });

      const answers = async (port: number, body: string) =>
        (await accepts(at(port))) && (await get(at(port), 'app.local').catch(() => undefined))?.body === body;
      const apply = (text: string) => limen.kubectl('apply -f -', text);
      /** Resolves once the port answers so. */
      const serves = (port: number, body: string) => limen.until(`${port} answers ${body}`, () => answers(port, body));
      const isClosed = (port: number) => limen.until(`${port} is closed`, async () => !(await accepts(at(port))));

      it('and no request is lost: what is new answers, what is gone refuses, the rest goes on', {
        timeout: 90_000,
      }, async () => {
        const [first, second, third] = [await freeNodePort(), await freeNodePort(), await freeNodePort()];

        await apply(service('by-node-port', [first, 8080]));
        await serves(first, 'app');
        const kept = new Load(at(first), 'app.local');
        await kept.more(20);

        await apply(service('by-node-port', [first, 8080], [second, 31400]));
        await serves(second, 'more');

        await limen.kubectl(
          `patch svc by-node-port -n istio-system --type=json -p '[{"op":"replace","path":"/spec/ports/1/nodePort","value":${third}}]'`,
        );
        await serves(third, 'more');
        await isClosed(second);

        await limen.kubectl(
          `patch svc by-node-port -n istio-system --type=json -p '[{"op":"replace","path":"/spec/ports/1/targetPort","value":8080}]'`,
        );
        await serves(third, 'app');
        await kept.more(20);
        await kept.end();
        expect(kept.failures).toEqual([]);

        await limen.kubectl('delete svc by-node-port -n istio-system');
        await isClosed(first);
        await isClosed(third);

        await load.more(50);
        await load.end();
        expect(load.failures).toEqual([]);
        expect(limen.processes).toEqual(before);
      });

      it('and a node port goes from a Service that is deleted to one that is made at once', {
        timeout: 60_000,
      }, async () => {
        const port = await freeNodePort();
        for (const [name, target, body] of [
          ['one', 8080, 'app'],
          ['two', 31400, 'more'],
          ['three', 8080, 'app'],
        ] as const) {
          await apply(service(name, [port, target]));
          await serves(port, body);
          await limen.kubectl(`delete svc ${name} -n istio-system`);
        }
        expect(limen.processes).toEqual(before);
      });

      it('and its readiness is asked by a node port too', { timeout: 60_000 }, async () => {
        const port = await freeNodePort();
        await apply(service('status', [port, 15021]));
        await limen.until('it is ready there', async () => {
          const probe = await fetch(`http://127.0.0.1:${port}/healthz/ready`).catch(() => undefined);
          return probe?.status === 200;
        });
        await limen.kubectl('delete svc status -n istio-system');
        await isClosed(port);
        expect(limen.processes).toEqual(before);
      });
    },
  );
