import { beforeEach, describe, expect, it } from 'vitest';
import type { Pod, Service, ServiceSpec } from '../../../resources/types.ts';
import { Store } from '../../../store/store.ts';
import { parsePublish } from '../publish.ts';
import { PublishedServices } from './published-services.ts';

let store: Store;
/** What cannot be had on this machine. */
let taken: Set<number>;
let reserved: Set<number>;
/** Resolved when it is time to look whether ports that were given back are free. */
let pause: PromiseWithResolvers<void>;

beforeEach(() => {
  store = new Store();
  taken = new Set();
  reserved = new Set();
  pause = Promise.withResolvers();
});

function services(publish: readonly string[] = []): PublishedServices {
  let next = 20_000;
  return new PublishedServices({
    snapshot: () => store.snapshot,
    requested: { service: 'default/gateway', ports: publish.map(parsePublish) },
    probe: async (_address, port) => (taken.has(port) || reserved.has(port) ? 'EADDRINUSE' : undefined),
    anyPort: async () => next++,
    reserve: async (_address, port) => {
      reserved.add(port);
      return { release: async () => void reserved.delete(port) };
    },
    pause: () => pause.promise,
  });
}

function service(
  name: string,
  ports: NonNullable<ServiceSpec['ports']>,
  spec: Partial<ServiceSpec> = {},
  namespace = 'default',
): void {
  const object: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'LoadBalancer', selector: { app: 'gateway' }, ports, ...spec },
  };
  store.put(object);
}

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'gateway-0', namespace: 'default', labels: { app: 'gateway' } },
  spec: { containers: [{ name: 'istio-proxy', ports: [{ name: 'web', containerPort: 8080 }] }] },
};
const http = { name: 'http', port: 80, targetPort: 8080 };
const https = { name: 'https', port: 443, targetPort: 8443 };
const hostPorts = async (published: PublishedServices) =>
  (await published.leadingTo(pod)).map(({ name, ports }) => [name, ...ports.map(({ hostPort }) => hostPort)]);

describe('the Services that publish a pod', () => {
  it('are those of type LoadBalancer and NodePort in its namespace that select it', async () => {
    service('balanced', [http]);
    service('on-nodes', [{ ...https, nodePort: 30443 }], { type: 'NodePort' });
    service('inside', [{ ...http, port: 81 }], { type: 'ClusterIP' });
    service('of-others', [{ ...http, port: 82 }], { selector: { app: 'other' } });
    service('of-nobody', [{ ...http, port: 83 }], { selector: {} });
    service('elsewhere', [{ ...http, port: 84 }], {}, 'test');
    expect(await hostPorts(services())).toEqual([
      ['default/balanced', 80],
      ['default/on-nodes', 30443],
    ]);
  });

  it('lead to the container port that they name', async () => {
    service('gateway', [{ name: 'http', port: 80, targetPort: 'web' }]);
    const [published] = await services().leadingTo(pod);
    expect(published?.ports).toMatchObject([{ port: 80, targetPort: 8080 }]);
  });

  it('lead nowhere by a name that no container port has, keep their place, and are back with it', async () => {
    const published = services();
    service('gateway', [{ ...http, targetPort: 'web' }, https]);
    taken.add(80);
    expect(await hostPorts(published)).toEqual([['default/gateway', 8080, 443]]);
    taken.clear();
    service('gateway', [{ ...http, targetPort: 'nope' }, https]);
    expect(await hostPorts(published)).toEqual([['default/gateway', 443]]);
    expect(reserved).toEqual(new Set([8080, 443]));
    service('gateway', [{ ...http, targetPort: 'web' }, https]);
    expect(await hostPorts(published)).toEqual([['default/gateway', 8080, 443]]);
  });

  it('have their node ports too where these are free, after their own', async () => {
    service('gateway', [
      { ...http, nodePort: 31380 },
      { ...https, nodePort: 31390 },
    ]);
    taken.add(31390);
    expect(await hostPorts(services())).toEqual([['default/gateway', 80, 443, 31380]]);
  });

  it('do not share a port: the one that comes later moves', async () => {
    const published = services();
    service('first', [http]);
    service('second', [http]);
    expect(await hostPorts(published)).toEqual([
      ['default/first', 80],
      ['default/second', 8080],
    ]);
  });

  it('leave out UDP: nobody serves HTTP/3 here', async () => {
    service('gateway', [http, { ...https, protocol: 'UDP' }]);
    expect(await hostPorts(services())).toEqual([['default/gateway', 80]]);
  });
});

describe('published ports', () => {
  it('stay the same while their Service has them, and follow it', async () => {
    const published = services();
    taken.add(80);
    service('gateway', [http]);
    expect(await hostPorts(published)).toEqual([['default/gateway', 8080]]);
    taken.clear();
    service('gateway', [https, http]);
    expect(await hostPorts(published)).toEqual([['default/gateway', 443, 8080]]);
    service('gateway', [https]);
    expect(await hostPorts(published)).toEqual([['default/gateway', 443]]);
    expect(reserved).toEqual(new Set([443]));
  });

  it('are given back when their Service goes, or is published no more', async () => {
    const published = services();
    service('gateway', [{ ...http, nodePort: 31380 }]);
    service('other', [https]);
    await published.leadingTo(pod);
    service('gateway', [{ ...http, nodePort: 31380 }], { type: 'NodePort' });
    expect(await hostPorts(published)).toEqual([
      ['default/gateway', 31380],
      ['default/other', 443],
    ]);
    expect(reserved).toEqual(new Set([31380, 443]));
    service('gateway', [http], { type: 'ClusterIP' });
    store.delete({ group: '', kind: 'Service', namespace: 'default', name: 'other' });
    await published.releaseGone();
    expect(reserved).toEqual(new Set());
  });

  it('go from one Service to another at once, though a data plane still listens on them', async () => {
    const published = services();
    const byNodePort = (name: string, nodePort: number) => service(name, [{ ...http, nodePort }], { type: 'NodePort' });
    byNodePort('a', 30079);
    byNodePort('b', 30080);
    await published.leadingTo(pod);
    for (const port of [30079, 30080]) taken.add(port);
    byNodePort('b', 30081);
    byNodePort('a', 30080); // looked at before the one that had it
    await published.releaseGone();
    expect(await hostPorts(published)).toEqual([
      ['default/a', 30080],
      ['default/b', 30081],
    ]);
  });

  it('change places within a Service', async () => {
    const published = services();
    const swapped = (one: number, other: number) =>
      service(
        'nodes',
        [
          { ...http, nodePort: one },
          { ...https, nodePort: other },
        ],
        { type: 'NodePort' },
      );
    swapped(30080, 30443);
    await published.leadingTo(pod);
    for (const port of [30080, 30443]) taken.add(port);
    swapped(30443, 30080);
    const [service_] = await published.leadingTo(pod);
    expect(service_?.ports).toMatchObject([
      { port: 80, hostPort: 30443 },
      { port: 443, hostPort: 30080 },
    ]);
  });

  it('that were given up long ago are what others may have taken', async () => {
    const published = services();
    service('first', [http]);
    await published.leadingTo(pod);
    store.delete({ group: '', kind: 'Service', namespace: 'default', name: 'first' });
    await published.releaseGone();
    pause.resolve();
    await pause.promise;
    await new Promise((resolve) => setImmediate(resolve));
    taken.add(80);
    service('second', [http]);
    expect(await hostPorts(published)).toEqual([['default/second', 8080]]);
  });

  it('are only those that --publish asks for, of the Service that it is about; others have theirs', async () => {
    const published = services(['0:80', '9000:80']);
    service('gateway', [{ ...http, nodePort: 31380 }, https]);
    service('other', [https]);
    expect(await hostPorts(published)).toEqual([
      ['default/gateway', 20000, 9000],
      ['default/other', 443],
    ]);
    expect(await hostPorts(published)).toEqual([
      ['default/gateway', 20000, 9000],
      ['default/other', 443],
    ]);
  });

  it('that --publish asks for and that are not there are an error', async () => {
    service('gateway', [http]);
    await expect(services(['9000:81']).leadingTo(pod)).rejects.toThrow('no port 81; it has 80');
  });
});
