// From `limen up -f examples/coolstore` to the first 200 through the gateway.

import { join } from 'node:path';
import { get, startLimen } from './limen.ts';
import { memoryMB, until } from './processes.ts';
import { median, printTable } from './table.ts';

const RUNS = 5;

/** Starts the example several times, after one run that warms the module cache. */
export async function benchStartup(): Promise<void> {
  const ready: number[] = [];
  const first200: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const startedAt = performance.now();
    const limen = await startLimen([join(import.meta.dirname, '../examples/coolstore')]);
    await until('the first 200', 10, async () => {
      const answer = await get(limen.port, 'webapp.istioinaction.io', '/api/catalog');
      return answer?.status === 200 || undefined;
    });
    const ms = performance.now() - startedAt;
    if (run > 0) {
      first200.push(ms);
      ready.push(limen.readyMs);
      memory.push(memoryMB(limen.process.pid as number) + memoryMB(limen.proxyPid));
    }
    await limen.stop();
  }
  printTable(
    `Start-up: limen up -f examples/coolstore (${RUNS} warm runs)`,
    ['', 'min', 'median', 'max'],
    [
      ['process start to Ready, ms', Math.min(...ready), median(ready), Math.max(...ready)],
      ['process start to first 200, ms', Math.min(...first200), median(first200), Math.max(...first200)],
      ['memory (PSS), both processes, MB', Math.min(...memory), median(memory), Math.max(...memory)],
    ],
  );
}
