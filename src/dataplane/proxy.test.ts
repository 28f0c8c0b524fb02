import { once } from 'node:events';
import { Agent, createServer as createHttpServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { type VirtualHost, VirtualHostSchema } from '../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { TypeUrl } from '../xds/resources.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from './proxy.ts';
import * as xds from './test-support.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** An upstream that answers with its name. */
function upstream(name: string): Promise<number> {
  return listen(createHttpServer((_request, response) => response.end(name)));
}

/** An upstream whose answers wait until they are let go. */
async function slowUpstream(name: string) {
  const waiting: ServerResponse[] = [];
  const arrivals: (() => void)[] = [];
  const server = createHttpServer((_request, response) => {
    waiting.push(response);
    for (const arrived of arrivals) arrived();
  });
  const port = await listen(server);
  return {
    port,
    async arrived(count: number): Promise<void> {
      while (waiting.length < count) await new Promise<void>((resolve) => arrivals.push(resolve));
    },
    release: () => {
      for (const response of waiting) response.end(name);
    },
  };
}

async function start(control: { address: string }, options: Partial<ProxyOptions> = {}): Promise<RunningProxy> {
  const proxy = await startProxy({
    xds: control.address,
    node: create(NodeSchema, { id: 'router~127.0.0.1~gw-0.istio-system~istio-system.svc.cluster.local' }),
    workers: 1,
    bind: { publish: [{ host: '127.0.0.1', hostPort: 0, listenerPort: 8080 }] },
    admin: { host: '127.0.0.1', port: 0 },
    log: xds.testLog,
    ...options,
  });
  undo.push(() => proxy.close());
  return proxy;
}

async function controlPlane(resources: xds.TestResources): Promise<xds.TestControlPlane> {
  const control = await xds.startControlPlane(resources);
  undo.push(() => control.close());
  return control;
}

const portOf = (proxy: RunningProxy, listenerPort = 8080) =>
  proxy.published.find((publish) => publish.listenerPort === listenerPort)?.hostPort ?? 0;

/** A port that nobody has now. */
async function free(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Why a connection can't be made, or 'connected'. */
function refusedAt(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('connect', () => {
      socket.destroy();
      resolve('connected');
    });
  });
}

async function body(url: string): Promise<string> {
  return (await fetch(url, { headers: { connection: 'close' } })).text();
}

/** The status and the body of one answer to a host. */
function answer(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, headers: { host }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    }).on('error', reject);
  });
}

/** Asks until the answer is the wanted one: for what follows a push. */
async function eventually<Value>(ask: () => Promise<Value> | Value, wanted: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One HTTP listener on 8080 that leads to one upstream. */
function httpGateway(port: number, more: Partial<xds.TestResources> = {}): xds.TestResources {
  return {
    listeners: [xds.listener(8080, [xds.chain(xds.httpFilter('http.8080'))])],
    routes: [xds.routes('http.8080', 'a')],
    clusters: [xds.cluster('a')],
    endpoints: [xds.endpoints('a', port)],
    ...more,
  };
}

/** What the control plane was told about a type: the refusal, once there is one. */
function refusal(control: xds.TestControlPlane, typeUrl: TypeUrl): string | undefined {
  const status = control.server.clients()[0]?.subscriptions.find((one) => one.typeUrl === typeUrl);
  return status?.refusal?.message;
}

describe.each([1, 2])('a data plane of %d workers', (workers) => {
  it('serves what the control plane says, and is ready then', async () => {
    const control = await controlPlane(httpGateway(await upstream('hello')));
    const proxy = await start(control, { workers });
    await proxy.ready;
    expect(await body(`http://127.0.0.1:${portOf(proxy)}/`)).toBe('hello');
    expect(await body(`http://127.0.0.1:${proxy.adminPort}/ready`)).toBe('LIVE\n');
  });

  it('follows changes of endpoints, routes and listeners', async () => {
    const [a, b] = [await upstream('a'), await upstream('b')];
    const control = await controlPlane(httpGateway(a));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    control.set(httpGateway(b));
    await eventually(
      () => body(url),
      (text) => text === 'b',
    );
    control.set({
      ...httpGateway(b),
      listeners: [xds.listener(8080, [xds.chain(xds.httpFilter('other'))])],
      routes: [xds.routes('other', 'c')],
      clusters: [xds.cluster('c')],
      endpoints: [xds.endpoints('c', a)],
    });
    await eventually(
      () => body(url),
      (text) => text === 'a',
    );
  });

  it('serves virtual hosts that come by themselves, each as it changes', async () => {
    const [a, b] = [await upstream('a'), await upstream('b')];
    const clusters = {
      clusters: [xds.cluster('a'), xds.cluster('b')],
      endpoints: [xds.endpoints('a', a), xds.endpoints('b', b)],
    };
    const gateway = (hosts: Record<string, string>) =>
      httpGateway(a, { ...clusters, routes: [xds.routesWithVhds('http.8080')], virtualHosts: xds.virtualHosts(hosts) });
    const control = await controlPlane(gateway({ 'http.8080/x.test': 'a', 'http.8080/y.test': 'b' }));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const ask = (host: string) => answer(portOf(proxy), host);
    expect([await ask('x.test'), await ask('y.test'), await ask('z.test')]).toEqual(['200 a', '200 b', '404 ']);
    control.set(gateway({ 'http.8080/x.test': 'b', 'http.8080/z.test': 'a' }));
    await eventually(
      () => ask('z.test'),
      (text) => text === '200 a',
    );
    expect([await ask('x.test'), await ask('y.test')]).toEqual(['200 b', '404 ']);
    const dump = await body(`http://127.0.0.1:${proxy.adminPort}/config_dump?resource=dynamic_route_configs`);
    const [{ route_config: shown }] = JSON.parse(dump).configs;
    expect(shown.virtual_hosts.map(({ name }: { name: string }) => name)).toEqual(['x.test', 'z.test']);
    const subscriptions = control.server.clients()[0]?.subscriptions ?? [];
    expect(subscriptions.find(({ typeUrl }) => typeUrl === TypeUrl.VirtualHost)).toMatchObject({ resources: 2 });
  });

  it('answers for every host without a gap while route configurations and virtual hosts change places', async () => {
    const port = await upstream('hello');
    const apart = httpGateway(port, {
      routes: [xds.routesWithVhds('http.8080')],
      virtualHosts: xds.virtualHosts({ 'http.8080/x.test': 'a' }),
    });
    const control = await controlPlane(httpGateway(port));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const answers = new Set<string>();
    for (const resources of [apart, httpGateway(port), apart, httpGateway(port)]) {
      control.set(resources);
      const settled = () =>
        control.server
          .clients()[0]
          ?.subscriptions.every(({ sentVersion, ackedVersion }) => sentVersion === ackedVersion);
      do answers.add(await answer(portOf(proxy), 'x.test'));
      while (!settled());
      answers.add(await answer(portOf(proxy), 'x.test'));
    }
    expect([...answers]).toEqual(['200 hello']);
  });

  it('refuses the virtual host that it can not serve, says why, and takes the others', async () => {
    const gateway = (more: Record<string, VirtualHost>) =>
      httpGateway(0, {
        routes: [xds.routesWithVhds('http.8080')],
        virtualHosts: { ...xds.virtualHosts({ 'http.8080/x.test': 'a' }), ...more },
      });
    const control = await controlPlane(gateway({}));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const redirect = (host: string) =>
      create(VirtualHostSchema, {
        name: host,
        domains: [host],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: { case: 'directResponse', value: { status: 204 } },
          },
        ],
      });
    control.set(
      gateway({
        'http.8080/bad': create(VirtualHostSchema, { name: 'bad', domains: ['x.test'] }),
        'http.8080/z.test': redirect('z.test'),
      }),
    );
    const reason = await eventually(
      () => refusal(control, TypeUrl.VirtualHost),
      (text) => text !== undefined,
    );
    expect(reason).toBe(
      'RouteConfiguration http.8080: virtual_hosts[bad].domains: "x.test" stands in two virtual hosts; every domain may stand in one',
    );
    expect(await answer(portOf(proxy), 'z.test')).toBe('204 ');
  });

  it('finishes requests under way on the old configuration while new ones take the new', async () => {
    const slow = await slowUpstream('old');
    const fresh = await upstream('new');
    const control = await controlPlane(httpGateway(slow.port));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    const underWay = Array.from({ length: 20 }, () => body(url));
    await slow.arrived(20);
    control.set({
      listeners: [xds.listener(8080, [xds.chain(xds.httpFilter('v2'))])],
      routes: [xds.routes('v2', 'b')],
      clusters: [xds.cluster('b')],
      endpoints: [xds.endpoints('b', fresh)],
    });
    await eventually(
      () => body(`http://127.0.0.1:${proxy.adminPort}/config_dump?resource=dynamic_listeners`),
      (dump) => dump.includes('"v2"') && !dump.includes('warming_state'),
    );
    expect(await body(url)).toBe('new');
    slow.release();
    expect(new Set(await Promise.all(underWay))).toEqual(new Set(['old']));
  });

  it('refuses a listener it can not serve, says why, and goes on with the others and with the last good version', async () => {
    const port = await upstream('hello');
    const control = await controlPlane(httpGateway(port));
    const proxy = await start(control, { workers });
    await proxy.ready;
    const unknown = xds.listener(8080, [
      xds.chain({
        ...xds.httpFilter('http.8080'),
        name: 'x',
        configType: {
          case: 'typedConfig',
          value: { ...xds.httpFilter('x').configType.value, typeUrl: 'type.googleapis.com/x.Y' },
        },
      } as never),
    ]);
    const fine = xds.listener(9090, [xds.chain(xds.httpFilter('http.8080'))], { bindToPort: false });
    control.set(httpGateway(port, { listeners: [unknown, fine] }));
    const reason = await eventually(
      () => refusal(control, TypeUrl.Listener),
      (text) => text !== undefined,
    );
    expect(reason).toMatch(
      /^Listener 0\.0\.0\.0_8080: filter_chains\[0\]\.filters\[0\] \(x\): a filter of type .*x\.Y is not supported/,
    );
    expect(await body(`http://127.0.0.1:${portOf(proxy)}/`)).toBe('hello');
    expect(await body(`http://127.0.0.1:${proxy.adminPort}/listeners`)).toContain('0.0.0.0_9090');
  });

  it('serves a published listener also where its port is taken on the pod’s own address', async () => {
    const port = await upstream('hello');
    const taken = await listen(createServer());
    const control = await controlPlane(
      httpGateway(port, { listeners: [xds.listener(taken, [xds.chain(xds.httpFilter('http.8080'))])] }),
    );
    const proxy = await start(control, {
      workers,
      bind: { address: '127.0.0.1', publish: [{ host: '127.0.0.1', hostPort: 0, listenerPort: taken }] },
    });
    await proxy.ready;
    expect(await body(`http://127.0.0.1:${portOf(proxy, taken)}/`)).toBe('hello');
    expect(refusal(control, TypeUrl.Listener)).toBeUndefined();
  });

  it('refuses a listener whose port is taken, and serves the rest', async () => {
    const port = await upstream('hello');
    const taken = await listen(createServer());
    const control = await controlPlane(httpGateway(port));
    const proxy = await start(control, {
      workers,
      bind: { address: '127.0.0.1', publish: [{ host: '127.0.0.1', hostPort: 0, listenerPort: 8080 }] },
    });
    control.set(httpGateway(port, { listeners: [xds.listener(taken, [xds.chain(xds.httpFilter('http.8080'))])] }));
    const reason = await eventually(
      () => refusal(control, TypeUrl.Listener),
      (text) => text?.includes(String(taken)) === true,
    );
    expect(reason).toContain(`127.0.0.1:${taken} is taken by another process`);
    expect(proxy.adminPort).toBeGreaterThan(0);
  });

  it('drains: accepts no more, finishes what is under way, and is gone', async () => {
    const slow = await slowUpstream('done');
    const control = await controlPlane(httpGateway(slow.port));
    const proxy = await start(control, { workers, drainSeconds: 20 });
    await proxy.ready;
    const port = portOf(proxy);
    const underWay = body(`http://127.0.0.1:${port}/`);
    await slow.arrived(1);
    const drained = proxy.drain();
    await eventually(
      () => refusedAt(port),
      (result) => result === 'ECONNREFUSED',
    );
    slow.release();
    expect(await underWay).toBe('done');
    await drained;
    await proxy.closed;
  });

  it('goes on serving when the control plane goes away', async () => {
    const control = await controlPlane(httpGateway(await upstream('hello')));
    const proxy = await start(control, { workers });
    await proxy.ready;
    await control.close();
    expect(await body(`http://127.0.0.1:${portOf(proxy)}/`)).toBe('hello');
  });
});

describe('a published port', () => {
  it('closes connections at once while no listener is behind it, stays bound, and serves when one comes', async () => {
    const port = await upstream('hello');
    const control = await controlPlane({});
    const proxy = await start(control);
    const socket = connect(portOf(proxy), '127.0.0.1');
    await once(socket, 'close');
    control.set(httpGateway(port));
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    const ask = () => body(url).catch(() => 'closed');
    await eventually(ask, (text) => text === 'hello');
    control.set({});
    await eventually(ask, (text) => text === 'closed');
    control.set(httpGateway(port));
    await eventually(ask, (text) => text === 'hello');
  });

  it.each([1, 2])('that is taken is an error that says what to do (%d workers)', async (workers) => {
    const taken = await listen(createServer());
    const control = await controlPlane({});
    const bind = { publish: [{ host: '127.0.0.1', hostPort: taken, listenerPort: 8080 }] };
    await expect(start(control, { workers, bind })).rejects.toThrow(`127.0.0.1:${taken} is taken by another process`);
  });

  it('can not be shared silently by two data planes', async () => {
    const control = await controlPlane({});
    const first = await start(control, { workers: 2 });
    const bind = { publish: [{ host: '127.0.0.1', hostPort: portOf(first), listenerPort: 8080 }] };
    await expect(start(control, { bind })).rejects.toThrow('is taken');
  });

  describe.runIf(process.platform === 'linux')('that is shared', () => {
    const shared = (hostPort: number, listenerPort = 8080) => ({
      bind: { publish: [{ host: '127.0.0.1', hostPort, listenerPort, reusePort: true }] },
    });

    it.each([1, 2])(
      'is served by several data planes, and by the others when one drains (%d workers)',
      async (workers) => {
        const port = await free();
        const proxies: RunningProxy[] = [];
        for (const name of ['first', 'second']) {
          const control = await controlPlane(httpGateway(await upstream(name)));
          proxies.push(await start(control, { workers, ...shared(port) }));
          await proxies.at(-1)?.ready;
        }
        const seen = new Set<string>();
        await eventually(
          async () => seen.add(await body(`http://127.0.0.1:${port}/`)).size,
          (size) => size === 2,
        );
        await proxies[0]?.drain();
        for (let count = 0; count < 20; count += 1) expect(await body(`http://127.0.0.1:${port}/`)).toBe('second');
      },
    );

    it('is not bound before there is a listener for it: what comes until then is for the others', async () => {
      const port = await free();
      const control = await controlPlane({});
      const proxy = await start(control, shared(port));
      await proxy.ready;
      expect(await refusedAt(port)).toBe('ECONNREFUSED');
      control.set(httpGateway(await upstream('hello')));
      await eventually(
        () => body(`http://127.0.0.1:${port}/`).catch(() => ''),
        (text) => text === 'hello',
      );
    });

    it('of 15021 is bound once the first configuration serves', async () => {
      const port = await free();
      const silent = await listen(createServer());
      await start({ address: `127.0.0.1:${silent}` }, shared(port, 15021));
      expect(await refusedAt(port)).toBe('ECONNREFUSED');
      const control = await controlPlane({});
      const proxy = await start(control, shared(port, 15021));
      await proxy.ready;
      expect((await fetch(`http://127.0.0.1:${port}/healthz/ready`)).status).toBe(200);
    });

    it('and that another process has is an error in the log, and costs only itself', async () => {
      const taken = await listen(createServer());
      const own = await free();
      const control = await controlPlane(httpGateway(await upstream('hello')));
      const publish = [
        { host: '127.0.0.1', hostPort: taken, listenerPort: 8080, reusePort: true },
        { host: '127.0.0.1', hostPort: own, listenerPort: 8080, reusePort: true },
      ];
      const proxy = await start(control, { bind: { publish } });
      await proxy.ready;
      expect(await body(`http://127.0.0.1:${own}/`)).toBe('hello');
    });
  });

  describe.each([
    ['of its own', 1, false],
    ['of its own', 2, false],
    ...(process.platform === 'linux'
      ? ([
          ['that is shared', 1, true],
          ['that is shared', 2, true],
        ] as const)
      : []),
  ] as const)('%s, in a proxy of %d workers that goes on', (_kind, workers, reusePort) => {
    const at = (hostPort: number, listenerPort = 8080) => ({ host: '127.0.0.1', hostPort, listenerPort, reusePort });
    /** Serves `one` on 8080 and `two` on 8081. */
    const serve = async (...publish: ReturnType<typeof at>[]) => {
      const [one, two] = [await upstream('one'), await upstream('two')];
      const control = await controlPlane({
        listeners: [8080, 8081].map((port) => xds.listener(port, [xds.chain(xds.httpFilter(`http.${port}`))])),
        routes: [xds.routes('http.8080', 'one'), xds.routes('http.8081', 'two')],
        clusters: [xds.cluster('one'), xds.cluster('two')],
        endpoints: [xds.endpoints('one', one), xds.endpoints('two', two)],
      });
      const proxy = await start(control, { workers, bind: { publish } });
      await proxy.ready;
      return proxy;
    };
    /** A client that asks over the connection it once made; whether that is still the one is told with the answer. */
    const keptClient = (port: number) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      undo.push(() => agent.destroy());
      return () =>
        new Promise<string>((resolve, reject) => {
          const request = get({ host: '127.0.0.1', port, agent }, (response) => {
            response
              .setEncoding('utf8')
              .on('data', (text) => resolve(`${text}${request.reusedSocket ? ', kept' : ''}`));
          }).on('error', reject);
        });
    };

    it('is bound when it is added, and refuses when it is gone', async () => {
      const [kept, added] = [await free(), await free()];
      const proxy = await serve(at(kept));
      await proxy.publish([at(kept), at(added, 8081)]);
      expect(await body(`http://127.0.0.1:${added}/`)).toBe('two');
      await proxy.publish([at(kept)]);
      expect(await refusedAt(added)).toBe('ECONNREFUSED');
      await proxy.publish([at(kept), at(added)]);
      expect(await body(`http://127.0.0.1:${added}/`)).toBe('one');
    });

    it('keeps its connections when others come and go, and when it goes itself', async () => {
      const [port, other] = [await free(), await free()];
      const proxy = await serve(at(port));
      const ask = keptClient(port);
      expect(await ask()).toBe('one');
      await proxy.publish([at(other, 8081), at(port)]);
      expect(await ask()).toBe('one, kept');
      await proxy.publish([at(other)]);
      expect(await ask()).toBe('one, kept');
      expect(await refusedAt(port)).toBe('ECONNREFUSED');
    });

    it('leads new connections to the other listener when its target port changes', async () => {
      const port = await free();
      const proxy = await serve(at(port));
      await proxy.publish([at(port, 8081)]);
      expect(await body(`http://127.0.0.1:${port}/`)).toBe('two');
    });

    it('of 15021 comes and goes too', async () => {
      const [port, status] = [await free(), await free()];
      const proxy = await serve(at(port));
      await proxy.publish([at(port), at(status, 15021)]);
      expect((await fetch(`http://127.0.0.1:${status}/healthz/ready`)).status).toBe(200);
      await proxy.publish([at(port)]);
      expect(await refusedAt(status)).toBe('ECONNREFUSED');
    });

    it('that is taken costs only itself, and is in the log', async () => {
      const [port, added, taken] = [await free(), await free(), await listen(createServer())];
      const proxy = await serve(at(port));
      const lines: string[] = [];
      const error = vi
        .spyOn(xds.testLog, 'error')
        .mockImplementation((fields: unknown) => void lines.push(JSON.stringify(fields)));
      undo.push(() => error.mockRestore());
      await proxy.publish([at(port), at(taken), at(added)]);
      expect(lines.join()).toContain(`127.0.0.1:${taken} is taken by another process`);
      for (const each of [port, added]) expect(await body(`http://127.0.0.1:${each}/`)).toBe('one');
    });

    if (workers > 1)
      it('is there in a worker that takes the place of one that died', async () => {
        const [port, added] = [await free(), await free()];
        const proxy = await serve(at(port));
        await proxy.publish([at(added)]);
        const before = proxy.workerPids();
        for (const pid of before) process.kill(pid, 'SIGKILL');
        await eventually(
          () => body(`http://127.0.0.1:${added}/`).catch(() => ''),
          (text) => text === 'one',
        );
        expect(await refusedAt(port)).toBe('ECONNREFUSED');
      });
  });

  it('of 15021 answers readiness: 503 before the first configuration, 200 then', async () => {
    const bind = {
      publish: [
        { host: '127.0.0.1', hostPort: 0, listenerPort: 15021 },
        { host: '127.0.0.1', hostPort: 0, listenerPort: 8080 },
      ],
    };
    const silent = await listen(createServer());
    const waiting = await start({ address: `127.0.0.1:${silent}` }, { bind });
    const status = async (proxy: RunningProxy) =>
      (await fetch(`http://127.0.0.1:${portOf(proxy, 15021)}/healthz/ready`)).status;
    expect(await status(waiting)).toBe(503);
    const control = await controlPlane(httpGateway(await upstream('hello')));
    const proxy = await start(control, { bind });
    await proxy.ready;
    expect(await status(proxy)).toBe(200);
  });
});

describe('a listener', () => {
  it('of 0.0.0.0 is bound on the address of the pod, and dumped as xDS said it', async () => {
    const free = createServer().listen(0, '127.77.3.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const control = await controlPlane(
      httpGateway(await upstream('hello'), {
        listeners: [xds.listener(port, [xds.chain(xds.httpFilter('http.8080'))])],
      }),
    );
    const proxy = await start(control, { bind: { address: '127.77.3.1', publish: [] } });
    await proxy.ready;
    expect(await body(`http://127.77.3.1:${port}/`)).toBe('hello');
    expect(await body(`http://127.0.0.1:${proxy.adminPort}/listeners`)).toContain(`0.0.0.0_${port}::0.0.0.0:${port}`);
  });

  it('with the address of another one is refused', async () => {
    const control = await controlPlane({});
    await start(control);
    const chains = [xds.chain(xds.tcpFilter('a'))];
    control.set({ listeners: [xds.listener(8080, chains), xds.listener(8080, chains, { name: 'second' })] });
    const reason = await eventually(
      () => refusal(control, TypeUrl.Listener),
      (text) => text !== undefined,
    );
    expect(reason).toBe("Listener second: address: 0.0.0.0:8080 is the address of listener '0.0.0.0_8080' already");
  });

  it('whose unchanged filter chain stays keeps the connections of that chain', async () => {
    const echo = await listen(createServer((socket) => socket.pipe(socket)));
    const kept = xds.chain(xds.tcpFilter('a'));
    const resources = (chains: ReturnType<typeof xds.chain>[]) => ({
      listeners: [xds.listener(8080, chains)],
      clusters: [xds.cluster('a')],
      endpoints: [xds.endpoints('a', echo)],
    });
    const control = await controlPlane(resources([kept]));
    const proxy = await start(control, { updateDrainSeconds: 0 });
    await proxy.ready;
    const socket = connect(portOf(proxy), '127.0.0.1');
    socket.write('one');
    expect(String((await once(socket, 'data'))[0])).toBe('one');
    control.set(resources([kept, xds.chain(xds.tcpFilter('a'), { serverNames: ['a.test'] })]));
    await eventually(
      () => body(`http://127.0.0.1:${proxy.adminPort}/config_dump`),
      (dump) => dump.includes('a.test') && !dump.includes('warming_state'),
    );
    socket.write('two');
    expect(String((await once(socket, 'data'))[0])).toBe('two');
    control.set(resources([xds.chain(xds.tcpFilter('a', { statPrefix: 'changed' }))]));
    await once(socket, 'close');
  });

  it('serves without a route table that never comes, and does not hold up readiness for ever', async () => {
    const control = await controlPlane(httpGateway(await upstream('hello'), { routes: [] }));
    const proxy = await start(control);
    await proxy.ready;
    expect((await fetch(`http://127.0.0.1:${portOf(proxy)}/`)).status).toBe(404);
  });
});

describe('worker processes', () => {
  it('that crash are replaced with the full configuration, and take only their own connections with them', async () => {
    const control = await controlPlane(httpGateway(await upstream('hello')));
    const proxy = await start(control, { workers: 2 });
    await proxy.ready;
    const port = portOf(proxy);
    const agent = new Agent({ keepAlive: true });
    undo.push(() => agent.destroy());
    const before = proxy.workerPids();
    process.kill(before[0]!, 'SIGKILL');
    await eventually(
      () => proxy.workerPids(),
      (pids) => pids.length === 2 && !pids.includes(before[0]!),
    );
    process.kill(before[1]!, 'SIGKILL');
    await eventually(
      () => proxy.workerPids(),
      (pids) => pids.length === 2 && !pids.includes(before[1]!),
    );
    const ask = () => body(`http://127.0.0.1:${port}/`).catch(() => 'closed');
    expect(await eventually(ask, (text) => text === 'hello')).toBe('hello');
  });

  it('add up their statistics', async () => {
    const control = await controlPlane(httpGateway(await upstream('hello')));
    const proxy = await start(control, { workers: 2 });
    await proxy.ready;
    for (let index = 0; index < 10; index += 1) await body(`http://127.0.0.1:${portOf(proxy)}/`);
    const stats = await body(`http://127.0.0.1:${proxy.adminPort}/stats?usedonly`);
    expect(stats).toContain('listener.0.0.0.0_8080.downstream_cx_total: 10');
    expect(stats).toContain('cluster.a.upstream_rq_total: 10');
    expect(stats).toContain('server.concurrency: 2');
    expect(await body(`http://127.0.0.1:${proxy.adminPort}/clusters`)).toMatch(/a::127\.0\.0\.1:\d+::rq_total::10/);
  });
});

describe('load', () => {
  it('loses no request while listeners, routes and endpoints change under it', async () => {
    const ports = [await upstream('a'), await upstream('b')];
    const version = (index: number): xds.TestResources => ({
      listeners: [xds.listener(8080, [xds.chain(xds.httpFilter(`r${index % 3}`))])],
      routes: [xds.routes(`r${index % 3}`, `c${index % 2}`)],
      clusters: [xds.cluster(`c${index % 2}`)],
      endpoints: [xds.endpoints(`c${index % 2}`, ports[index % 2]!)],
    });
    const control = await controlPlane(version(0));
    const proxy = await start(control);
    await proxy.ready;
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    undo.push(() => agent.destroy());
    const statuses = new Map<number, number>();
    let stop = false;
    const client = async () => {
      while (!stop) {
        const status = await new Promise<number>((resolve, reject) => {
          get({ port: portOf(proxy), host: '127.0.0.1', agent }, (response: IncomingMessage) => {
            response.resume();
            response.on('end', () => resolve(response.statusCode ?? 0));
          }).on('error', reject);
        });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let index = 1; index <= 10; index += 1) {
      control.set(version(index));
      const wanted = `r${index % 3}`;
      await eventually(
        () => body(`http://127.0.0.1:${proxy.adminPort}/config_dump?resource=dynamic_listeners`),
        (dump) => dump.includes(`"${wanted}"`) && !dump.includes('warming_state'),
      );
    }
    stop = true;
    await Promise.all(clients);
    expect([...statuses.keys()]).toEqual([200]);
  });
});
