// Calls between pods, by a running `limen up`: each goes by its pod's proxy, where the VirtualServices and DestinationRules of the mesh hold.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen, type Outcome, parseTable, type Row, run, temporaryDirectory } from './walkthroughs/limen.ts';
import { DATA_PLANE, describeWith } from './walkthroughs/tools.ts';

/** A Deployment in namespace istioinaction. */
const deployment = (
  name: string,
  image: string,
  more: { labels?: string; port?: number; env?: Record<string, string>; annotations?: string } = {},
) => `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: istioinaction }
spec:
  selector: { matchLabels: { run: ${name} } }
  template:
    metadata: { labels: { run: ${name}${more.labels ? `, ${more.labels}` : ''} }, annotations: { ${more.annotations ?? ''} } }
    spec:
      containers:
        - name: main
          image: ${image}
          ports: [{ containerPort: ${more.port ?? 8080} }]
          env: ${JSON.stringify(Object.entries(more.env ?? {}).map(([key, value]) => ({ name: key, value })))}`;

const service = (name: string, selector: string, targetPort: number) => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: istioinaction }
spec: { selector: { ${selector} }, ports: [{ name: http, port: 80, targetPort: ${targetPort} }] }`;

const CATALOG_V2 = deployment('catalog-v2', 'istioinaction/catalog:2', {
  labels: 'app: catalog, version: v2',
  port: 3000,
  env: { SHOW_IMAGE: 'true' },
});

/** What the README shows: a DestinationRule with the two versions, and nine in ten for the first. */
const [SUBSETS = '', SHARES = ''] =
  /```yaml\n(# canary\.yaml\n[\s\S]*?)```/
    .exec(readFileSync(join(import.meta.dirname, '../README.md'), 'utf8'))?.[1]
    ?.split('---\n') ?? [];

/** A program of one's own, a pod that has no proxy, and a service of which one pod always fails. */
const OTHERS = [
  service('client', 'run: client', 8080),
  deployment('client', 'example/client'),
  deployment('alone', 'limen/echo', { annotations: `sidecar.istio.io/inject: "false"` }),
  service('flaky', 'app: flaky', 9090),
  deployment('flaky-good', 'nicholasjackson/fake-service', { labels: 'app: flaky', port: 9090 }),
  deployment('flaky-bad', 'nicholasjackson/fake-service', {
    labels: 'app: flaky',
    port: 9090,
    env: { ERROR_RATE: '1', ERROR_CODE: '500' },
  }),
].join('');

/** The VirtualService `catalog` of the mesh, its routes as YAML in flow style. */
const routes = (...http: string[]) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: catalog, namespace: istioinaction }
spec:
  hosts: [catalog]
  http:
${http.map((each) => `    - ${each}`).join('\n')}`;
/** A destination: a version of the catalog, by so much weight. */
const to = (subset: string, weight = 100) => `{ destination: { host: catalog, subset: ${subset} }, weight: ${weight} }`;
const [v1, v2] = [to('v1'), to('v2')];

/** A program of one's own: answers with what `fetch` gets from the URL that it is asked for. */
const CLIENT = `
import { createServer } from 'node:http';
createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost').searchParams.get('url');
  const fail = (error) => response.writeHead(599).end(String(error.cause ?? error));
  fetch(url).then(async (answer) => response.writeHead(answer.status).end(await answer.text()), fail);
}).listen(process.env.PORT, process.env.HOST);
`;

describeWith(['curl', 'kubectl'], `calls between pods (gateways: ${DATA_PLANE})`, () => {
  let limen: Limen;
  let outside: Server;
  let outsideUrl: string;
  beforeAll(async () => {
    outside = createServer((request, response) => void response.end(`outside, as ${request.headers.host}`));
    await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve));
    outsideUrl = `http://127.0.0.1:${(outside.address() as AddressInfo).port}/`;
    const directory = temporaryDirectory();
    const [config, program] = [join(directory, 'config'), join(directory, 'client.mjs')];
    mkdirSync(config);
    writeFileSync(program, CLIENT);
    const image = `example/client=${process.execPath} ${program}`;
    limen = await Limen.up(directory, ['-f', config, '--image', image], [80, 443]);
    limen.applyFolder('coolstore');
    limen.apply('catalog-v2.yaml', `${CATALOG_V2}\n---\n${SUBSETS}`);
    limen.apply('others.yaml', OTHERS);
    await limen.until('all pods are ready', async () => {
      const { stdout } = await kubectl(
        'get',
        'pods',
        '-o',
        'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}',
      );
      return stdout === Array(7).fill('True').join(' ');
    });
  });
  afterAll(async () => {
    const { left } = await limen.stop();
    outside.close();
    expect(left).toEqual([]);
  });

  const kubectl = (...args: string[]): Promise<Outcome> =>
    run('kubectl', ['--kubeconfig', join(limen.home, 'kubeconfig'), '-n', 'istioinaction', ...args]);
  /** What curl prints in a pod. */
  const inPod = async (workload: string, ...args: string[]) =>
    (await kubectl('exec', `deploy/${workload}`, '--', 'curl', '-sS', '--max-time', '10', ...args)).stdout;
  const statusIn = (workload: string, ...args: string[]) =>
    inPod(workload, '-o', '/dev/null', '-w', '%{http_code}', ...args);

  /** `limen proxy-config …` of a pod. */
  const podTable = async (type: string, workload: string): Promise<Row[]> => {
    const { code, stdout, stderr } = await limen.limen(
      'proxy-config',
      type,
      `deploy/${workload}`,
      '-n',
      'istioinaction',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return parseTable(stdout);
  };

  const webapp = (...args: string[]) =>
    limen.curl('-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/api/catalog', ...args);
  /** Which version of the catalog webapp had its items from. */
  const versionOf = async (...args: string[]) => {
    const { status, body } = await webapp(...args);
    return status === 200 ? (body.includes('imageUrl') ? 'v2' : 'v1') : `${status} ${body}`;
  };
  /** The answers to so many requests at a time, after a route has come into force. */
  const versions = (count: number) => Promise.all(Array.from({ length: count }, () => versionOf()));

  it('go by routes of the mesh: all to one version by weight', async () => {
    limen.apply('routes.yaml', routes(`{ route: [${to('v1', 0)}, ${to('v2', 100)}] }`));
    await limen.until('webapp has v2', async () => (await versionOf()) === 'v2');
    expect(new Set(await versions(20))).toEqual(new Set(['v2']));
  });

  it('go by headers that the caller hands on', async () => {
    limen.apply(
      'routes.yaml',
      routes(`{ match: [{ headers: { x-istio-cohort: { exact: internal } } }], route: [${v2}] }`, `{ route: [${v1}] }`),
    );
    await limen.until('webapp has v1', async () => (await versionOf()) === 'v1');
    expect(await versionOf('-H', 'x-istio-cohort: internal')).toBe('v2');
    expect(new Set(await versions(10))).toEqual(new Set(['v1']));
  });

  it('go by shares, as the README shows it', async () => {
    limen.apply('routes.yaml', SHARES);
    await limen.until('webapp has v2 now and then', async () => (await versionOf()) === 'v2');
    const all: string[] = [];
    for (let round = 0; round < 5; round += 1) all.push(...(await versions(30)));
    expect(new Set(all)).toEqual(new Set(['v1', 'v2']));
    const share = all.filter((version) => version === 'v2').length / all.length;
    // 15 of 150 are expected: that there are none, or twice as many and more by half, has a chance below one in a million.
    expect(share).toBeLessThanOrEqual(0.25);
  });

  it('go by the labels of the caller', async () => {
    limen.apply(
      'routes.yaml',
      routes(`{ match: [{ sourceLabels: { app: webapp } }], route: [${v2}] }`, `{ route: [${v1}] }`),
    );
    await limen.until('webapp has v2', async () => (await versionOf()) === 'v2');
    expect(await inPod('webapp', 'http://catalog.istioinaction/items')).toContain('imageUrl');
    expect(await inPod('client', 'http://catalog.istioinaction/items')).toContain('Elinor Glasses');
    expect(await inPod('client', 'http://catalog.istioinaction/items')).not.toContain('imageUrl');
  });

  it('fail by injected faults, for whom they are meant', async () => {
    const fault = '{ abort: { httpStatus: 418, percentage: { value: 100 } } }';
    limen.apply(
      'routes.yaml',
      routes(`{ match: [{ sourceLabels: { app: webapp } }], fault: ${fault}, route: [${v1}] }`, `{ route: [${v1}] }`),
    );
    const failed = '500 error calling Catalog service: it answered 418: fault filter abort\n';
    await limen.until('webapp gets 418', async () => (await versionOf()) === failed);
    expect(await statusIn('client', 'http://catalog/items')).toBe('200');
  });

  it('go straight to the service once the VirtualService is deleted', async () => {
    limen.remove('routes.yaml');
    await limen.until('both versions answer', async () => new Set(await versions(10)).size === 2);
  });

  it('are tried again as a VirtualService says', async () => {
    const flaky = async (count: number) => {
      const statuses = [];
      for (let each = 0; each < count; each += 1) statuses.push(await statusIn('client', 'http://flaky/'));
      return statuses;
    };
    expect(new Set(await flaky(12))).toEqual(new Set(['200', '500']));
    limen.apply(
      'flaky.yaml',
      `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: flaky, namespace: istioinaction }
spec:
  hosts: [flaky]
  http: [{ retries: { attempts: 5, retryOn: 5xx }, route: [{ destination: { host: flaky } }] }]`,
    );
    await limen.until('the client has the route', async () =>
      (await podTable('routes', 'client')).some((row) => row['VIRTUAL SERVICE'] === 'flaky.istioinaction'),
    );
    expect(new Set(await flaky(12))).toEqual(new Set(['200']));
  });

  it.each([
    'http://catalog/items',
    'http://catalog:80/items',
    'http://catalog.istioinaction/items',
    'http://catalog.istioinaction.svc.cluster.local/items',
  ])('know %s', async (url) => {
    expect(await inPod('webapp', url)).toContain('Elinor Glasses');
  });

  it('are made by programs of one’s own, by the means of their language', async () => {
    expect(await inPod('webapp', 'http://client.istioinaction/?url=http://catalog.istioinaction/items')).toContain(
      'Elinor Glasses',
    );
  });

  it('are routed where a client makes a tunnel for them, and the tunnel carries what it is made for elsewhere', async () => {
    limen.apply('routes.yaml', routes(`{ route: [${v2}] }`));
    await limen.until('v2 alone', async () => (await versions(10)).every((version) => version === 'v2'));
    const tunnel = ['--proxytunnel', '--noproxy', ''];
    expect(await inPod('webapp', ...tunnel, 'http://catalog/items')).toContain('imageUrl');
    expect(await inPod('webapp', ...tunnel, outsideUrl)).toMatch(/^outside, as 127/);
    limen.remove('routes.yaml');
  });

  it('reach hosts that the mesh does not know', async () => {
    // curl asks for 127.0.0.1 itself unless told otherwise.
    const { host } = new URL(outsideUrl);
    expect(await inPod('webapp', '--noproxy', '', outsideUrl)).toBe(`outside, as ${host}`);
    expect(await inPod('webapp', '--noproxy', '', outsideUrl.replace('127.0.0.1', 'localhost'))).toMatch(
      /^outside, as localhost:/,
    );
  });

  it('say so where nobody has such a name', async () => {
    expect(await statusIn('webapp', 'http://no-such-host.invalid/')).toBe('503');
    expect(await inPod('webapp', 'http://no-such-host.invalid/')).toBe('DNS resolution failure');
  });

  it('do not leave the mesh with outboundTrafficPolicy REGISTRY_ONLY', async () => {
    limen.apply(
      'mesh.yaml',
      `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }`,
    );
    await limen.until('502', async () => (await statusIn('webapp', '--noproxy', '', outsideUrl)) === '502');
    expect(await statusIn('webapp', 'http://catalog/items')).toBe('200');
    limen.remove('mesh.yaml');
    await limen.until('200', async () => (await statusIn('webapp', '--noproxy', '', outsideUrl)) === '200');
  });

  it('are said of the pod: its condition, its environment, its place among the proxies', async () => {
    const { stdout } = await kubectl('describe', 'pod', '-l', 'app=webapp');
    expect(stdout).toMatch(/limen\.dev\/Proxy +True/);
    const url = /http:\/\/127[.\d]+:15001/;
    const env = (await kubectl('exec', 'deploy/webapp', '--', 'env')).stdout.split('\n');
    expect(env.find((line) => line.startsWith('http_proxy='))).toMatch(url);
    expect(env).toContain('no_proxy=localhost,127.0.0.1,::1');
    expect((await limen.limen('proxy-status')).stdout).toMatch(/^webapp-\S+\.istioinaction .* SYNCED/m);
    expect(await podTable('listeners', 'webapp')).toEqual(
      expect.arrayContaining([expect.objectContaining({ ADDRESSES: '0.0.0.0', PORT: '15001' })]),
    );
  });

  it('of a pod that wants no sidecar have none', async () => {
    const env = (await kubectl('exec', 'deploy/alone', '--', 'env')).stdout;
    expect(env).not.toContain('proxy');
    expect((await kubectl('describe', 'pod', '-l', 'run=alone')).stdout).not.toContain('limen.dev/Proxy');
    expect((await limen.limen('proxy-status')).stdout).not.toContain('alone-');
  });

  it('go on after the process of the proxies was killed', async () => {
    const { pid } = JSON.parse(readFileSync(join(limen.home, 'instance.json'), 'utf8')) as { pid: number };
    const before = sidecarsOf(pid);
    expect(before).toHaveLength(1);
    process.kill(before[0] as number, 'SIGKILL');
    await limen.until('another one serves', async () => {
      const now = sidecarsOf(pid);
      return now.length === 1 && now[0] !== before[0] && (await statusIn('webapp', 'http://catalog/items')) === '200';
    });
    expect(await versionOf()).toMatch(/^v[12]$/);
  });
});

/** The processes of pods' proxies below one: by their title. */
function sidecarsOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        return ppid === parent && readFileSync(`/proc/${name}/cmdline`, 'latin1').startsWith('limen sidecars');
      } catch {
        return false; // it has just ended
      }
    })
    .map(Number);
}
