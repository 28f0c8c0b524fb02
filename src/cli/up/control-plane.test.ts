import { once } from 'node:events';
import type { JsonObject } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { BIND_METADATA, bindMetadata } from '../../controlplane/bind.ts';
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
  return { store, controlPlane, target, told, until, translations: () => translations };
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

it('tells an Envoy on this machine of the ports that are published for it, also when they change, and no other node', async () => {
  const { store, controlPlane, target } = await started();
  store.put({
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: 'default' },
    spec: {
      selector: { app: 'gateway' },
      servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  });
  const listenersOf = (pod: string, metadata: JsonObject) => {
    const names = new Set<string>();
    const nodeId = `router~127.0.0.1~${pod}.default~default.svc.cluster.local`;
    const client = new AdsClient({
      target,
      node: proxyNode({ nodeId, label: ['app=gateway'] }, metadata),
      log,
      onResponse(_typeUrl, resources, _version, removed) {
        for (const { name } of resources) names.add(name);
        for (const name of removed) names.delete(name);
      },
    });
    closers.push(() => client.close());
    client.subscribe(TypeUrl.Listener, '*');
    client.start();
    return { nodeId, names: () => [...names].sort() };
  };
  const envoy = listenersOf('envoy', {
    [BIND_METADATA]: bindMetadata({ address: '127.0.0.9', taken: [], reusePort: false }),
  });
  const other = listenersOf('other', {});
  const publish = (nodeId: string, ...ports: number[]) =>
    controlPlane.publish(
      nodeId,
      ports.map((port) => ({ address: '127.0.0.1', port, listenerPort: 8080 })),
    );
  for (const { nodeId } of [envoy, other]) publish(nodeId, 80, 30080);
  await expect.poll(envoy.names).toEqual(['0.0.0.0_8080', '127.0.0.1_30080/0.0.0.0_8080', '127.0.0.1_80/0.0.0.0_8080']);
  expect(controlPlane.listenerPorts(envoy.nodeId)).toEqual([8080]);
  publish(envoy.nodeId, 30081);
  await expect.poll(envoy.names).toEqual(['0.0.0.0_8080', '127.0.0.1_30081/0.0.0.0_8080']);
  controlPlane.publish(envoy.nodeId, undefined);
  await expect.poll(envoy.names).toEqual(['0.0.0.0_8080']);
  expect(other.names()).toEqual(['0.0.0.0_8080']);
});
