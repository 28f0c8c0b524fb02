import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfig } from '../../apiserver/pki/kubeconfig.ts';
import { TestServer } from '../../apiserver/test-support.ts';
import type { PodAccess } from '../../resources/pod-access.ts';
import { Store } from '../../store/store.ts';
import { writeInstance } from '../instance.ts';
import { kubeconfigFile } from '../kubeconfig-file.ts';
import { logs } from './logs.ts';
import type { LogsOptions } from './options.ts';

/** Pods whose log says what was asked for. */
const access = {
  logs: async (container, options) =>
    Readable.from([`${container.namespace}/${container.pod}\n`, JSON.stringify(options)]),
} as Partial<PodAccess> as PodAccess;

let api: TestServer;
let home: string;
beforeAll(async () => {
  api = await TestServer.start(new Store(), { podAccess: access });
  home = mkdtempSync(join(tmpdir(), 'limen-logs-'));
  writeInstance(home, { pid: process.pid, startedAt: '', version: '0.0.0', xds: '127.0.0.1:1', proxies: [] });
  writeFileSync(kubeconfigFile(home), kubeconfig(api.server.url, api.pki), { mode: 0o600 });
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } };
  for (const name of ['web-a', 'web-b'])
    await api.post('/api/v1/namespaces/default/pods', { metadata: { name, labels }, spec: template.spec });
  await api.post('/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels }, template },
  });
  await api.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'lonely' },
    spec: { selector: { app: 'none' }, ports: [{ port: 80 }] },
  });
});
afterAll(async () => {
  await api.stop();
  rmSync(home, { recursive: true, force: true });
});

async function run(word: string, options: LogsOptions = {}) {
  let [stdout, stderr] = ['', ''];
  await logs(
    word,
    { home, ...options },
    {
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      env: {},
    },
  );
  return { stdout, stderr };
}

describe('limen logs', () => {
  it.each(['web-b', 'pod/web-b', 'po/web-b'])('of a pod (%s)', async (word) => {
    const { stdout, stderr } = await run(word, { follow: true, tail: 5, timestamps: true });
    const options = { follow: true, previous: false, timestamps: true, tailLines: 5 };
    expect([stdout, stderr]).toEqual([`default/web-b\n${JSON.stringify(options)}`, '']);
  });

  it("of a deployment are its first pod's, and say which", async () => {
    const { stdout, stderr } = await run('deploy/web');
    expect(stdout).toMatch(/^default\/web-a\n/);
    expect(stderr).toBe('Found 2 pods, using pod/web-a\n');
  });

  it.each([
    ['nobody', {}, 'pods "nobody" not found'],
    ['deploy/nobody', {}, 'deployments.apps "nobody" not found'],
    ['web-a', { container: 'other' }, 'container other is not valid for pod web-a'],
    ['svc/lonely', {}, 'svc/lonely has no pods'],
    ['ns/default', {}, 'ns/default has no pods of its own'],
    ['a/b/c', {}, 'expected a pod'],
    ['web-a', { namespace: '../../secrets' }, 'a path segment may not contain'],
  ])('of %s %j are refused: %s', async (word, options, message) => {
    await expect(run(word, options)).rejects.toThrow(message);
  });
});
