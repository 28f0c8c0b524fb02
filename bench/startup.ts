// From `limen up -f examples/coolstore` to the first 200 through the gateway; and what it keeps of memory when nothing happens, with that and with
// no configuration at all.

import { join } from 'node:path';
import { get, type Limen, startLimen } from './limen.ts';
import { familyOf, memoryMB, removeFolder, temporaryFolder, until } from './processes.ts';
import { median, printTable } from './table.ts';

const RUNS = 5;
/** After so long nothing is left to do. */
const IDLE_AFTER_MS = 3_000;

/** Starts the example several times, after one run that warms the module cache. */
export async function benchStartup(): Promise<void> {
  const ready: number[] = [];
  const first200: number[] = [];
  const memory: number[] = [];
  const memoryOfNothing: number[] = [];
  const nothing = temporaryFolder();
  for (let run = 0; run <= RUNS; run += 1) {
    const startedAt = performance.now();
    const limen = await startLimen([join(import.meta.dirname, '../examples/coolstore')]);
    await until('the first 200', 10, async () => {
      const answer = await get(limen.port, 'webapp.istioinaction.io', '/api/catalog');
      return answer?.status === 200 || undefined;
    });
    const ms = performance.now() - startedAt;
    const idle = await idleMB(limen);
    await limen.stop();
    const empty = await startLimen([nothing]);
    const emptyIdle = await idleMB(empty);
    await empty.stop();
    if (run === 0) continue;
    first200.push(ms);
    ready.push(limen.readyMs);
    memory.push(idle);
    memoryOfNothing.push(emptyIdle);
  }
  removeFolder(nothing);
  printTable(
    `Start-up: limen up -f examples/coolstore (${RUNS} warm runs)`,
    ['', 'min', 'median', 'max'],
    [
      ['process start to Ready, ms', Math.min(...ready), median(ready), Math.max(...ready)],
      ['process start to first 200, ms', Math.min(...first200), median(first200), Math.max(...first200)],
      ['memory (PSS), all processes, MB', Math.min(...memory), median(memory), Math.max(...memory)],
      [
        'the same without configuration: one gateway, MB',
        Math.min(...memoryOfNothing),
        median(memoryOfNothing),
        Math.max(...memoryOfNothing),
      ],
    ],
  );
}

/** Of all processes: `limen up`, its data plane, the samples. */
async function idleMB(limen: Limen): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, IDLE_AFTER_MS));
  return familyOf(limen.process.pid as number).reduce((sum, pid) => sum + memoryMB(pid), 0);
}
