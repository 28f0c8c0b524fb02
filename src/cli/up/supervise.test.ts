import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DataPlane, type DataPlaneReady, superviseDataPlane } from './supervise.ts';

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
  dataPlane = superviseDataPlane({
    name: 'gateway',
    program,
    args: (previous) => {
      started.push(previous);
      return [];
    },
    log: pino({ level: 'silent' }),
    onReady: (ready) => {
      const waiter = waiting.shift();
      if (waiter === undefined) reports.push(ready);
      else waiter(ready);
    },
  });
  const next = () => {
    const report = reports.shift();
    return report === undefined
      ? new Promise<DataPlaneReady>((resolve) => waiting.push(resolve))
      : Promise.resolve(report);
  };
  return { dataPlane, next, started };
}

const READY = `process.send({ type: 'ready', admin: '127.0.0.1:' + process.pid, published: [] });
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
    const { dataPlane, started } = supervise(
      `process.send({ type: 'fatal', message: '127.0.0.1:80 is taken' }, () => process.exit(1));`,
    );
    await expect(dataPlane.ready).rejects.toThrow('127.0.0.1:80 is taken');
    expect(started).toHaveLength(1);
  });

  it('is gone after a drain, and stays gone', async () => {
    const { dataPlane, next } = supervise(READY);
    const { admin } = await next();
    await dataPlane.drain();
    expect(() => process.kill(Number(admin.split(':')[1]), 0)).toThrow();
  });
});
