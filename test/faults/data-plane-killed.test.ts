// A data plane is killed in the middle of a push: after the control plane sent it a large configuration, before it was read to its end.

import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Limen } from '../walkthroughs/limen.ts';
import { describeWith } from '../walkthroughs/tools.ts';
import { get } from './load.ts';
import { type Kind, type OutsideDataPlane, startOutside, xdsOf } from './outside-data-plane.ts';

const TOOLS: Record<Kind, ('curl' | 'envoy')[]> = { limen: [], envoy: ['envoy'] };

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: app }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*.local'] }]
`;

const VIRTUAL_SERVICES = 140;
/** All of them are more than the kernel buffers between two processes, so a reader that stands still has not got all of it. */
const PADDING = 'x'.repeat(50_000);

/** Hosts `host-<n>.local` that answer with a version; some 7 MB of routes. */
const large = (version: string) =>
  Array.from(
    { length: VIRTUAL_SERVICES },
    (_, at) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: host-${at} }
spec:
  hosts: [host-${at}.local]
  gateways: [app]
  http:
    - match: [{ headers: { x-never: { exact: ${PADDING} } } }]
      directResponse: { status: 500 }
    - directResponse: { status: 200, body: { string: ${version} } }
`,
  ).join('---');

for (const kind of ['limen', 'envoy'] as const)
  describeWith(TOOLS[kind], `${kind} killed in the middle of a push`, () => {
    let limen: Limen;
    let outside: OutsideDataPlane | undefined;
    const start = async () => {
      const directory = dirname(limen.home);
      outside = await startOutside({ kind, pod: 'outside', xds: xdsOf(limen), directory });
      return outside;
    };

    beforeEach(async () => {
      limen = await Limen.start([80]);
    });
    afterEach(async () => {
      await outside?.kill();
      await limen.stop();
    });

    it('is gone from the control plane, which serves the others; another with its name gets everything', {
      timeout: 120_000,
    }, async () => {
      const own = { host: '127.0.0.1', port: limen.port(80) };
      const answers = (target: { host: string; port: number }, version: string) =>
        limen.until(`it answers ${version}`, async () => {
          const { status, body } = await get(target, `host-${VIRTUAL_SERVICES - 1}.local`);
          return status === 200 && body === version;
        });
      const status = async () => (await limen.limen('proxy-status')).stdout;
      const statusOf = (name: string) => limen.limen('proxy-status', name);

      limen.apply('gateway.yaml', gateway);
      limen.apply('large.yaml', large('v1'));
      const first = await start();
      await answers(first.address, 'v1');
      await answers(own, 'v1');

      // It stands still, is sent a new version of everything, and never gets to an answer.
      first.process.kill('SIGSTOP');
      limen.apply('large.yaml', large('v2'));
      await answers(own, 'v2');
      expect((await statusOf(first.name)).stdout).toMatch(/ STALE \(/);
      await first.kill();

      await limen.until('it is not listed any more', async () => !(await status()).includes(first.name));
      expect(await status()).toContain('istio-ingressgateway');
      limen.apply('large.yaml', large('v3'));
      await answers(own, 'v3');

      const second = await start();
      await answers(second.address, 'v3');
      await limen.until('it has all it was sent', async () => {
        const { stdout } = await statusOf(second.name);
        return stdout.match(/ SYNCED \(/g)?.length === 4;
      });
    });
  });
