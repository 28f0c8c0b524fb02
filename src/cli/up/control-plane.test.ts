import { once } from 'node:events';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { Store } from '../../store/store.ts';
import { ingressGatewayObjects } from '../../workloads/ingress-gateway.ts';
import { AdsClient } from '../../xds/client.ts';
import { TypeUrl } from '../../xds/resources.ts';
import { proxyNode } from '../proxy-node.ts';
import { startControlPlane } from './control-plane.ts';
import type { Report } from './report.ts';

const log = pino({ level: 'silent' });
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A control plane, and the proxies that it has told of in its report and not said to be gone. */
async function started() {
  const store = new Store();
  store.apply('built-in', ingressGatewayObjects());
  const told = new Set<object>();
  const changes = new EventTarget();
  let translations = 0;
  const report: Pick<Report, 'translated' | 'gone'> = {
    translated(proxy) {
      told.add(proxy);
      translations += 1;
      changes.dispatchEvent(new Event('change'));
    },
    gone(proxy) {
      told.delete(proxy);
      changes.dispatchEvent(new Event('change'));
    },
  };
  const controlPlane = startControlPlane(store, log, report);
  closers.push(() => controlPlane.close());
  const target = `127.0.0.1:${await controlPlane.server.listen('127.0.0.1:0')}`;
  const until = async (holds: () => boolean) => {
    while (!holds()) await once(changes, 'change');
  };
  return { target, told, until, translations: () => translations };
}

/** Connects a proxy, which is a class of its own where its labels are. Resolves when it has its clusters. */
async function connect(target: string, pod: string, label: string): Promise<AdsClient> {
  const node = proxyNode({ nodeId: `router~127.0.0.1~${pod}.default~default.svc.cluster.local`, label: [label] });
  const answered = Promise.withResolvers<void>();
  const client = new AdsClient({ target, node, log, onResponse: () => answered.resolve() });
  closers.push(() => client.close());
  client.subscribe(TypeUrl.Cluster, '*');
  client.start();
  await answered.promise;
  return client;
}

it('keeps nothing of a proxy that is gone', async () => {
  const { target, told, until } = await started();
  const first = await connect(target, 'twice', 'app=one');
  const second = await connect(target, 'twice', 'app=one');
  expect(told.size).toBe(2);
  await first.close();
  await until(() => told.size === 1);
  await second.close();
  await until(() => told.size === 0);
});

it('forgets what was built for many kinds of proxies that came and went, though the configuration stays', async () => {
  const { target, told, until, translations } = await started();
  await connect(target, 'stays', 'app=stays');
  for (let index = 0; index < 16; index += 1) await (await connect(target, 'goes', `app=${index}`)).close();
  await until(() => told.size === 1 && translations() > 17);
});
