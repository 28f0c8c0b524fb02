// Walkthrough 4, step 7, and around it: gateways of one's own beside the default one, each with its pods, Service and ports.

import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen, type Row, run } from './limen.ts';
import { describeWith } from './tools.ts';

const USER_GATEWAY = 'my-user-gateway';

/** The manifests of a gateway with Istio's injection template for gateways. */
const gateway = ({ replicas = 1, note = '', ports = '' }) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${USER_GATEWAY}, namespace: istioinaction }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { istio: ${USER_GATEWAY} } }
  template:
    metadata:
      labels: { istio: ${USER_GATEWAY} }
      annotations: { inject.istio.io/templates: gateway, note: "${note}" }
    spec:
      containers: [{ name: istio-proxy, image: auto }]
---
apiVersion: v1
kind: Service
metadata: { name: ${USER_GATEWAY}, namespace: istioinaction }
spec:
  type: LoadBalancer
  selector: { istio: ${USER_GATEWAY} }
  ports:
    - { name: tcp, port: 30007, targetPort: 31400 }
    ${ports}
`;

/** A Gateway on the port that both gateways' Services lead to 31400 by, and a process of this machine behind it. */
const routing = (upstream: number) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: mine, namespace: istioinaction }
spec:
  selector: { istio: ${USER_GATEWAY} }
  servers:
    - { port: { number: 30007, name: http, protocol: HTTP }, hosts: ["*"] }
    - { port: { number: 30008, name: http-more, protocol: HTTP }, hosts: ["*"] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: mine, namespace: istioinaction }
spec:
  hosts: ["*"]
  gateways: [mine]
  http: [{ route: [{ destination: { host: mine.internal, port: { number: 80 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: mine, namespace: istioinaction }
spec:
  hosts: [mine.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${upstream} }]
  endpoints: [{ address: 127.0.0.1 }]
`;

describeWith(['curl'], 'W4.7: several gateways', () => {
  let limen: Limen;
  let upstream: Server;
  const pods = () => limen.proxies(USER_GATEWAY);
  /** The gateway's published port. */
  let port: number;
  const ask = (to = port) => limen.curl(`http://127.0.0.1:${to}/`);
  const answers = (what: string, to?: () => number) =>
    limen.until(what, async () => (await ask(to?.())).body === 'mine');

  beforeAll(async () => {
    upstream = createServer((_request, response) => response.end('mine')).listen(0, '127.0.0.1');
    limen = await Limen.start();
    limen.apply('routing.yaml', routing((upstream.address() as AddressInfo).port));
    limen.apply('gateway.yaml', gateway({}));
    await limen.until('the gateway runs', () => pods().length === 1);
    port = limen.port(30007, USER_GATEWAY);
  });
  afterAll(async () => {
    upstream.close();
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('a Gateway with that selector lands on it and on no other', async () => {
    await answers('its Service port leads to it');
    const listeners = async (workload: string, namespace: string) => {
      const { stdout } = await limen.limen('proxy-config', 'listeners', `deploy/${workload}`, '-n', namespace);
      return stdout;
    };
    expect(await listeners(USER_GATEWAY, 'istioinaction')).toMatch(/0\.0\.0\.0 +31400 +ALL +Route: http\.31400/);
    expect(await listeners('istio-ingressgateway', 'istio-system')).not.toContain('31400');
  });

  it('two gateways may have the same container ports: each pod has an address of its own', async () => {
    limen.apply(
      'default.yaml',
      `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: theirs }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 31400, name: http, protocol: HTTP }, hosts: ["*"] }]
`,
    );
    await limen.untilRow(['listeners'], { PORT: '31400' });
    const [mine, other] = [pods()[0]?.ip, limen.proxies()[0]?.ip];
    expect(mine).not.toBe(other);
    for (const [ip, body] of [
      [mine, 'mine'],
      [other, ''],
    ]) {
      await limen.until(`${ip}:31400 serves`, async () => {
        const answer = await limen.curl(`http://${ip}:31400/`);
        return answer.headers.server === 'istio-envoy' && answer.body === body;
      });
    }
  });

  it('proxy-status has a row for each', async () => {
    const names = async () => {
      const { stdout } = await limen.limen('proxy-status');
      return stdout
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0]?.replace(/-\w{10}-\w{5}/, ''));
    };
    await limen.until('both are there', async () => {
      const all = await names();
      return all.includes('istio-ingressgateway.istio-system') && all.includes(`${USER_GATEWAY}.istioinaction`);
    });
  });

  it('a gateway that dies is started anew on the same port', async () => {
    let nodeId = '';
    let before: number[] = [];
    await limen.until('one runs', async () => {
      nodeId = pods()[0]?.nodeId ?? '';
      before = nodeId === '' ? [] : await pidsOf(nodeId);
      return before.length > 0;
    });
    process.kill(before[0] as number, 'SIGKILL');
    await limen.until('another one runs', async () => (await pidsOf(nodeId)).some((pid) => !before.includes(pid)));
    await answers('it serves again');
  });

  it('scaled to 3, all three serve the one published port', async () => {
    limen.apply('gateway.yaml', gateway({ replicas: 3 }));
    await limen.until('three run', () => pods().length === 3);
    expect(new Set(pods().map(({ pod }) => pod)).size).toBe(3);
    for (const { published } of pods()) expect(published).toEqual(pods()[0]?.published);
    if (process.platform !== 'linux') return; // the others stand by
    const requests = async () => Promise.all(pods().map(async ({ admin }) => requestsOf(admin)));
    await limen.until('each of them has answered', async () => {
      expect((await ask()).body).toBe('mine');
      return (await requests()).every((count) => count > 0);
    });
  });

  it('goes on serving through a rollout', async () => {
    const before = pods().map(({ pod }) => pod);
    limen.apply('gateway.yaml', gateway({ replicas: 2, note: 'a new template' }));
    await limen.until(
      'two new ones have taken over',
      () => pods().length === 2 && pods().every(({ pod }) => !before.includes(pod)),
    );
    await answers('they serve');
    expect(pods()[0]?.published[0]?.port).toBe(port);
  });

  it('follows its Service: a port that is added is published', async () => {
    limen.apply(
      'gateway.yaml',
      gateway({ replicas: 2, note: 'a new template', ports: '- { name: more, port: 30008, targetPort: 31401 }' }),
    );
    await answers('the port that was added', () => limen.port(30008, USER_GATEWAY));
    await answers('the other one');
  });

  it('scaled to 0, nobody listens; scaled up again, it serves as before', async () => {
    limen.apply('gateway.yaml', gateway({ replicas: 0 }));
    await limen.until('none runs', () => pods().length === 0);
    await limen.until('the port is closed', async () => (await whyNotConnected(port)) === 'ECONNREFUSED');
    limen.apply('gateway.yaml', gateway({}));
    await limen.until('one runs', () => pods().length === 1);
    await answers('it serves');
  });

  it('is gone with its Deployment, and the default gateway stays', async () => {
    limen.remove('gateway.yaml');
    await limen.until('none runs', () => pods().length === 0);
    expect(await whyNotConnected(port)).toBe('ECONNREFUSED');
    const rows: Row[] = await limen.table('listeners');
    expect(rows).not.toEqual([]);
  });

  it('an image auto that no gateway template is asked for is no gateway, and the log says so', async () => {
    limen.apply('gateway.yaml', gateway({}).replace('inject.istio.io/templates: gateway, ', ''));
    await limen.until('it is logged', () =>
      /image "auto" stands for a gateway where the pod template has the annotation inject\.istio\.io\/templates: gateway/.test(
        limen.output,
      ),
    );
    expect(pods()).toEqual([]);
  });
});

/** Requests that a proxy has answered for listeners of Gateways. */
async function requestsOf(admin: string): Promise<number> {
  const text = await (
    await fetch(`http://${admin}/stats?filter=outbound_0.0.0.0_31400.downstream_rq_(completed|total)`)
  ).text();
  return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
}

/** The processes of a data plane, by their command line or title. */
async function pidsOf(nodeId: string): Promise<number[]> {
  const { stdout } = await run('ps', ['-ax', '-ww', '-o', 'pid=,args=']);
  // By the pod's address: what comes behind it in the process's title is cut off where the command line was short.
  const address = `~${nodeId.split('~')[1]}~`;
  return stdout
    .split('\n')
    .filter((line) => line.includes(address))
    .map((line) => Number.parseInt(line, 10));
}

/** Why a TCP connection can't be made, or undefined when it can. */
function whyNotConnected(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}
