// `limen up` as a process: ports, homes, signals, and what happens when a part of it dies.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Instance } from '../src/cli/instance.ts';
import { Limen, type Outcome } from './walkthroughs/limen.ts';
import { describeWith } from './walkthroughs/tools.ts';

const PROGRAM = join(import.meta.dirname, '../bin/limen.js');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'limen-up-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Runs limen to its end. */
function limen(args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, NO_COLOR: '1' } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

async function takenPort(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as { port: number }).port };
}

const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    // A process that ended and was not waited for still has a pid.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('limen up refuses to start', () => {
  it('on a published port that is taken, and names the port and what to do', async () => {
    const { server, port } = await takenPort();
    const { code, stderr } = await limen(['up', '--home', dir, '--publish', `${port}:80`]);
    server.close();
    expect(stderr).toContain(`127.0.0.1:${port} is taken by another process`);
    expect(stderr).toContain('publish on another port');
    expect(code).toBe(1);
  });

  it('for a Service port that the gateway does not have, and lists those it has', async () => {
    const { code, stderr } = await limen(['up', '--home', dir, '--publish', '0:7070']);
    expect(stderr).toContain('has no port 7070; it has 15021, 80, 443, 31400, 15443');
    expect(code).toBe(1);
  });

  it('on an --api-port that is taken, and names the port and what to do', async () => {
    const { server, port } = await takenPort();
    const { code, stderr } = await limen(['up', '--home', dir, '--publish', '0:80', '--api-port', String(port)]);
    server.close();
    expect(stderr).toContain(
      `--api-port: 127.0.0.1:${port} is taken by another process; ask for another one, or for none to get a free one`,
    );
    expect(code).toBe(1);
  });

  it('for a --publish that is none, before anything starts', async () => {
    const { code, stderr } = await limen(['up', '--home', dir, '--publish', 'eighty']);
    expect(stderr).toContain('[ADDR:]HOSTPORT:SERVICEPORT');
    expect(code).toBe(1);
  });
});

describeWith(['curl'], 'a running limen up', () => {
  const gateway = readFileSync(join(import.meta.dirname, '../examples/coolstore/gateway.yaml'), 'utf8');
  const url = ['-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/'] as const;
  let running: Limen;
  const instance = () => JSON.parse(readFileSync(join(running.home, 'instance.json'), 'utf8')) as Instance;
  /** The data plane’s process. */
  const proxyPid = async () => {
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(instance().pid)]);
    return Number(stdout.trim().split('\n')[0]);
  };

  beforeEach(async () => {
    running = await Limen.start();
    running.apply('gateway.yaml', gateway);
    await running.untilStatus(404, ...url);
  });
  afterEach(async () => {
    await running.stop();
  });

  it('keeps its home to itself: a second one on the same home is refused and told by whom', async () => {
    const { code, stderr } = await limen(['up', '--home', running.home, '--publish', '0:80']);
    expect(stderr).toContain(`process ${instance().pid}`);
    expect(code).toBe(1);
    expect((await running.curl(...url)).status).toBe(404);
    expect((await running.limen('get', 'gateways', '-A')).stdout).toContain('coolstore-gateway');
  });

  it('shows its keys, its data and its kubeconfig to the owner of its home only', async () => {
    const { code, stdout } = await running.limen('kubeconfig');
    expect({ code, stdout }).toEqual({ code: 0, stdout: readFileSync(join(running.home, 'kubeconfig'), 'utf8') });
    expect(parse(stdout)).toMatchObject({ kind: 'Config', 'current-context': 'limen' });
    const modeOf = (path: string) => statSync(path).mode & 0o777;
    expect(modeOf(running.home)).toBe(0o700);
    for (const entry of readdirSync(running.home, { recursive: true, withFileTypes: true }))
      expect({ name: entry.name, mode: modeOf(join(entry.parentPath, entry.name)) & 0o077 }).toEqual({
        name: entry.name,
        mode: 0,
      });
  });

  it('does not disturb one with another home', async () => {
    const other = await Limen.start();
    expect(other.port(80)).not.toBe(running.port(80));
    expect(await other.stop()).toEqual({ code: 0, left: [] });
    expect((await running.curl(...url)).status).toBe(404);
  });

  it('starts its data plane anew on the same ports when that is killed', async () => {
    const port = running.port(80);
    const first = await proxyPid();
    process.kill(first, 'SIGKILL');
    await running.until('another data plane runs', async () => {
      const pid = await proxyPid();
      return pid > 0 && pid !== first;
    });
    await running.untilStatus(404, ...url);
    expect(running.port(80)).toBe(port);
  });

  it('leaves no data plane and no container behind when it is killed itself', async () => {
    running.applyExample('coolstore/apps.yaml');
    await running.until('the pods run', () => running.output.match(/pod runs/g)?.length === 3); // the gateway's too
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(instance().pid)]);
    const children = stdout.trim().split(/\s+/).map(Number);
    expect(children).toHaveLength(4); // a gateway, the pods' proxies, two containers
    process.kill(instance().pid, 'SIGKILL');
    await running.until('they are gone', () => !children.some(isRunning));
  });

  it('no longer says that it runs once it has ended', async () => {
    const { pid } = instance();
    process.kill(pid, 'SIGTERM');
    await running.until('it is gone', () => !isRunning(pid));
    expect(readdirSync(running.home)).not.toContain('instance.json');
  });

  it('goes on serving while a file says something wrong, and tells where', async () => {
    running.apply('broken.yaml', `${gateway}  oops: [\n`);
    await running.until('the error is logged', () => /broken\.yaml:\d+:\d+/.test(running.output));
    expect((await running.curl(...url)).status).toBe(404);
  });

  it('survives its configuration folder’s disappearance with what it had', async () => {
    rmSync(running.config, { recursive: true });
    await running.until('it is logged', () => /config: error: does not exist/.test(running.output));
    expect((await running.curl(...url)).status).toBe(404);
    mkdirSync(running.config);
    writeFileSync(join(running.config, 'gateway.yaml'), gateway.replace('webapp.istioinaction.io', 'other.example'));
    await running.untilRow(['listener'], { PORT: '8080' });
  });
});

function run(command: string, args: readonly string[]): Promise<{ stdout: string }> {
  const child = spawn(command, args);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  return new Promise((resolve) => child.on('close', () => resolve({ stdout })));
}
