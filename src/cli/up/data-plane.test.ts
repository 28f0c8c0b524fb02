import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyFlags } from '../proxy.ts';
import { type DataPlane, startDataPlane } from './data-plane.ts';

let dir: string;
const started: DataPlane[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'limen-data-plane-'));
});
afterEach(async () => {
  for (const dataPlane of started.splice(0)) {
    dataPlane.kill();
    await dataPlane.exit;
  }
  rmSync(dir, { recursive: true, force: true });
});

/** A data plane whose program is `source`. */
function start(source: string) {
  const program = join(dir, 'proxy.mjs');
  writeFileSync(program, source);
  const output = { stdout: new PassThrough(), stderr: new PassThrough() };
  const dataPlane = startDataPlane(program, output);
  started.push(dataPlane);
  return { dataPlane, output };
}

const isRunning = (pid: number | undefined) => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

const FLAGS: ProxyFlags = {
  xds: '127.0.0.1:1',
  nodeId: 'node',
  workers: 1,
  adminAddress: '127.0.0.1:0',
  drainTime: 1,
  logLevel: 'error',
  logFormat: 'text',
};
const READY = `process.once('message', ({ nodeId }) => process.send({ type: 'ready', admin: nodeId, published: [] }));
setInterval(() => {}, 1000);`;

describe('a data plane’s process', () => {
  it('serves what it is told to', async () => {
    const { dataPlane } = start(READY);
    expect(await dataPlane.serve(FLAGS)).toEqual({ admin: 'node', published: [] });
  });

  it('follows its published ports, one change after the other, and a change is over when it is gone', async () => {
    const { dataPlane, output } = start(`${READY} process.on('message', ({ type, publish }) => {
  if (type !== 'publish') return;
  const ports = publish.map(({ hostPort }) => hostPort).join();
  if (ports === '') process.exit(0);
  console.log(ports);
  process.send({ type: 'published' });
});`);
    await dataPlane.serve(FLAGS);
    const port = (hostPort: number) => ({ host: '127.0.0.1', hostPort, listenerPort: 8080 });
    await dataPlane.publish([port(80), port(8080)]);
    await dataPlane.publish([port(81)]);
    await dataPlane.publish([]);
    await dataPlane.publish([port(82)]);
    output.stdout.end();
    expect(await text(output.stdout)).toBe('80,8080\n81\n');
  });

  it('that can not serve tells why', async () => {
    const { dataPlane } = start(
      `process.send({ type: 'fatal', message: '127.0.0.1:80 is taken' }, () => process.exit(1));`,
    );
    await expect(dataPlane.serve(FLAGS)).rejects.toThrow('127.0.0.1:80 is taken');
    expect(await dataPlane.exit).toBe(1);
  });

  it('that ends without a word is told by how it ended', async () => {
    const { dataPlane } = start(`process.kill(process.pid, 'SIGKILL');`);
    await expect(dataPlane.serve(FLAGS)).rejects.toThrow('the proxy ended before it was ready (SIGKILL)');
    expect(await dataPlane.exit).toBe(137);
  });

  it('sweeps the garbage of requests before it has grown large', async () => {
    const { dataPlane } = start(`import { getHeapSpaceStatistics } from 'node:v8';
process.once('message', () => {
  const alive = [];
  for (let at = 0; at < 2_000_000; at += 1) alive[at % 20_000] = { at, of: [at] };
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size;
  process.send({ type: 'ready', admin: String(young), published: [] });
});
setInterval(() => {}, 1000);`);
    const { admin } = await dataPlane.serve(FLAGS);
    expect(Number(admin)).toBeGreaterThan(0);
    expect(Number(admin)).toBeLessThanOrEqual(32 * 1024 * 1024);
  });

  it('has its output in that of the supervisor, and in its own log', async () => {
    const { dataPlane, output } = start(
      `process.once('message', () => { console.log('a line'); console.error('another'); process.exitCode = 0; process.disconnect(); });`,
    );
    const log: string[] = [];
    dataPlane.serve(FLAGS, (chunk, stream) => log.push(`${stream}: ${chunk}`)).catch(() => {});
    await dataPlane.exit;
    await expect.poll(() => log.sort()).toEqual(['stderr: another\n', 'stdout: a line\n']);
    output.stdout.end();
    expect(await text(output.stdout)).toBe('a line\n');
  });

  it('may finish what is under way when it is stopped, and is ended by force when that takes too long', async () => {
    const patient = start(`${READY} process.on('SIGTERM', () => process.exit(3));`).dataPlane;
    await patient.serve(FLAGS);
    await patient.stop();
    expect(await patient.exit).toBe(3);
    const stubborn = start(`${READY} process.on('SIGTERM', () => {});`).dataPlane;
    await stubborn.serve(FLAGS);
    await stubborn.stop(0);
    expect(await stubborn.exit).toBe(137);
    expect(isRunning(stubborn.pid)).toBe(false);
  });

  it('that was told nothing yet is ended at once', async () => {
    const { dataPlane } = start(READY);
    await dataPlane.stop();
    expect(await dataPlane.exit).toBe(137);
  });
});
