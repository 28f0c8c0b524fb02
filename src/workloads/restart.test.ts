// Pods that are in the store when Limen starts: those of an earlier run.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Pod } from '../resources/types.ts';
import { openOrSetAside } from '../store/open.ts';
import { createAddressPool } from './addresses.ts';
import { sampleRuntime } from './samples/sample-runtime.ts';
import { deployment, TestCluster } from './test-cluster.ts';
import { runWorkloads } from './workloads.ts';

it('the pods of an earlier run are the same pods, with containers that were started once more; nobody is sent to them before', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'limen-restart-'));
  const path = join(directory, 'store.db');
  const cluster = await TestCluster.create();
  const pool = await createAddressPool(`restart test ${process.pid}`);
  const deps = {
    log: cluster.log,
    runtimes: [sampleRuntime()],
    allocateIp: () => pool.allocate(),
    lingerMs: 0,
  };
  try {
    const before = openOrSetAside({ path }).store;
    before.put(deployment());
    const first = runWorkloads(before, deps);
    await first.settled();
    const [old] = before.snapshot.list('Pod') as [Pod];
    await first.close();
    before.close();

    const after = openOrSetAside({ path }).store;
    const second = runWorkloads(after, deps);
    const isReady = () =>
      after.snapshot.list('Pod')[0]?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
    expect(isReady()).toBe(false);
    await second.settled();
    const [pod] = after.snapshot.list('Pod') as [Pod];
    expect(after.snapshot.list('Pod')).toHaveLength(1);
    expect(pod.metadata.uid).toBe(old.metadata.uid);
    expect(pod.status?.podIP).not.toBe(old.status?.podIP);
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 1 });
    expect((await fetch(`http://${pod.status?.podIP}:8080/`)).status).toBe(200);
    await second.close();
    after.close();
  } finally {
    await pool.close();
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
