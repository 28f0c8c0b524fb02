import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Service } from '../../resources/types.ts';
import { deployment, TestCluster } from '../test-cluster.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await TestCluster.create();
});
afterEach(() => cluster.close());

const service = (spec: object, name = 'app'): Service =>
  ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec }) as Service;
const stored = (name = 'app') => cluster.store.snapshot.get('Service', 'default', name) as Service;
const slices = () => cluster.store.snapshot.list('EndpointSlice');
const endpoints = () => cluster.store.snapshot.get('Endpoints', 'default', 'app');
const PORTS = [{ name: 'http', port: 80, targetPort: 8080 }];

describe('a Service', () => {
  it('gets an address of its own, and keeps it when its file is saved again', async () => {
    cluster.store.apply('a file', [service({ ports: PORTS }), service({ ports: PORTS }, 'other')]);
    await cluster.settle();
    const { clusterIP } = stored().spec ?? {};
    expect(clusterIP).toMatch(/^10\.96\.\d+\.\d+$/);
    expect(stored('other').spec?.clusterIP).not.toBe(clusterIP);
    expect(stored().spec).toMatchObject({ type: 'ClusterIP', clusterIPs: [clusterIP] });
    cluster.store.apply('a file', [service({ ports: [{ port: 81 }] })]);
    await cluster.settle();
    expect(stored().spec).toMatchObject({ clusterIP, ports: [{ port: 81 }] });
  });

  it('that is headless or a name elsewhere stays as it is', async () => {
    const headless = service({ clusterIP: 'None', ports: PORTS });
    const external = service({ type: 'ExternalName', externalName: 'example.com' }, 'elsewhere');
    cluster.store.apply('a file', [headless, external]);
    await cluster.settle();
    expect(stored().spec?.clusterIP).toBe('None');
    expect(stored('elsewhere').spec).toEqual(external.spec);
  });

  it('of type NodePort gets ports from 30000 to 32767, those it names itself, and no two the same', async () => {
    cluster.store.put(
      service({
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2, nodePort: 30007 },
        ],
      }),
    );
    cluster.store.put(service({ type: 'NodePort', ports: [{ port: 1 }, { name: 'c', port: 3 }] }, 'other'));
    await cluster.settle();
    const ports = ['app', 'other'].flatMap(
      (name) => stored(name).spec?.ports?.map(({ nodePort = 0 }) => nodePort) ?? [],
    );
    expect(ports[1]).toBe(30007);
    expect(new Set(ports).size).toBe(4);
    for (const port of ports) expect(port >= 30000 && port <= 32767).toBe(true);
  });

  it('of type LoadBalancer is at 127.0.0.1, as long as it is one', async () => {
    cluster.store.put(service({ type: 'LoadBalancer', ports: PORTS }));
    await cluster.settle();
    expect(stored().status).toMatchObject({ loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } });
    expect(stored().spec?.ports?.[0]?.nodePort).toBeGreaterThanOrEqual(30000);
    cluster.store.put({ ...stored(), spec: { ...stored().spec, type: 'ClusterIP' } });
    await cluster.settle();
    expect(stored().status).toEqual({ loadBalancer: {} });
  });
});

describe('the endpoints of a Service', () => {
  it('are the pods it selects, in an EndpointSlice and in Endpoints; those that are not ready apart', async () => {
    cluster.store.put(service({ selector: { app: 'app' }, ports: PORTS }));
    cluster.store.put(deployment({ replicas: 2 }));
    cluster.store.put({ ...deployment({ image: 'nobody/knows' }), metadata: { name: 'broken', namespace: 'default' } });
    await cluster.settle();
    const [slice] = slices();
    expect(slices()).toHaveLength(1);
    expect(slice?.metadata.labels).toMatchObject({ 'kubernetes.io/service-name': 'app' });
    expect(slice?.metadata.ownerReferences).toMatchObject([{ kind: 'Service', name: 'app' }]);
    expect(slice?.ports).toEqual([{ name: 'http', port: 8080, protocol: 'TCP' }]);
    expect(slice?.endpoints?.map(({ conditions }) => conditions?.ready).sort()).toEqual([false, true, true]);
    const [subset] = endpoints()?.subsets ?? [];
    expect(subset?.addresses?.map(({ ip }) => ip)).toHaveLength(2);
    expect(subset?.notReadyAddresses).toHaveLength(1);
  });

  it('go with the Service, and stay away where it selects nothing', async () => {
    cluster.store.put(service({ selector: { app: 'app' }, ports: PORTS }));
    cluster.store.put(service({ ports: PORTS }, 'mine'));
    await cluster.settle();
    expect(slices().map(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'])).toEqual(['app']);
    cluster.store.delete({ group: '', kind: 'Service', namespace: 'default', name: 'app' });
    await cluster.settle();
    expect(slices()).toEqual([]);
    expect(endpoints()).toBeUndefined();
  });

  it('that somebody else wrote are left alone', async () => {
    const own = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'app', namespace: 'default' }, subsets: [] };
    cluster.store.put(own as never);
    cluster.store.put(service({ selector: { app: 'app' }, ports: PORTS }));
    await cluster.settle();
    expect(endpoints()).toMatchObject(own);
  });
});
