import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyFlags } from '../proxy.ts';
import type { DataPlaneReady } from './messages.ts';
import { type DataPlane, startDataPlane } from './supervise.ts';

let dir: string;
let dataPlane: DataPlane | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'limen-supervise-'));
});
afterEach(async () => {
  await dataPlane?.drain();
  rmSync(dir, { recursive: true, force: true });
});

/** Supervises a program that is `source`; `next()` awaits the next report of readiness. */
function supervise(source: string) {
  const program = join(dir, 'proxy.mjs');
  writeFileSync(program, source);
  const reports: DataPlaneReady[] = [];
  const waiting: ((ready: DataPlaneReady) => void)[] = [];
  const started: (DataPlaneReady | undefined)[] = [];
  dataPlane = startDataPlane(program);
  const ready = dataPlane.serve({
    name: 'gateway',
    flags: (previous) => {
      started.push(previous);
      return FLAGS;
    },
    log: pino({ level: 'silent' }),
    onReady: (report) => {
      const waiter = waiting.shift();
      if (waiter === undefined) reports.push(report);
      else waiter(report);
    },
  });
  const next = () => {
    const report = reports.shift();
    return report === undefined
      ? new Promise<DataPlaneReady>((resolve) => waiting.push(resolve))
      : Promise.resolve(report);
  };
  return { dataPlane, ready, next, started };
}

const FLAGS: ProxyFlags = {
  xds: '127.0.0.1:1',
  nodeId: 'node',
  workers: 1,
  adminAddress: '127.0.0.1:0',
  drainTime: 1,
  logLevel: 'error',
  logFormat: 'text',
};
const READY = `process.once('message', ({ nodeId }) => process.send({ type: 'ready', admin: '127.0.0.1:' + process.pid, published: [], nodeId }));
process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000);`;

describe('a supervised data plane', () => {
  it('that is killed is started anew with the ports it had', async () => {
    const { next, started } = supervise(READY);
    const first = await next();
    process.kill(Number(first.admin.split(':')[1]), 'SIGKILL');
    const second = await next();
    expect(second.admin).not.toBe(first.admin);
    expect(started).toEqual([undefined, first]);
  });

  it('that cannot start tells why and is not tried again', async () => {
    const { ready, started } = supervise(
      `process.send({ type: 'fatal', message: '127.0.0.1:80 is taken' }, () => process.exit(1));`,
    );
    await expect(ready).rejects.toThrow('127.0.0.1:80 is taken');
    expect(started).toHaveLength(1);
  });

  it('is gone after a drain, and stays gone', async () => {
    const { dataPlane, next } = supervise(READY);
    const { admin } = await next();
    await dataPlane.drain();
    expect(() => process.kill(Number(admin.split(':')[1]), 0)).toThrow();
  });
});
