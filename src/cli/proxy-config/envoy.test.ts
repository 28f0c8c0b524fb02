import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayCertificates } from '../../../test/golden/proxy-config/certificates.ts';
import { type RunningEnvoy, startEnvoy } from '../../../test/golden/proxy-config/envoy.ts';
import { tlsSecret } from '../../../test/golden/proxy-config/gateway.ts';
import { run } from '../../../test/golden/proxy-config/run.ts';
import { writeInstance } from '../instance.ts';

const GOLDEN = join(import.meta.dirname, '../../../test/golden/proxy-config');
const hasEnvoy = spawnSync('envoy', ['--version']).status === 0;

// Without envoy on the PATH there is nothing to ask; with LIMEN_TEST_STRICT that is a failure.
describe.skipIf(!hasEnvoy && !process.env.LIMEN_TEST_STRICT)('a running Envoy with the gateway’s resources', () => {
  let envoy: RunningEnvoy | undefined;
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'limen-home-'));
    const { webapp, expired } = await gatewayCertificates();
    envoy = await startEnvoy([
      tlsSecret('webapp-credential', webapp.certificate, webapp.key),
      tlsSecret('test-cred', expired.certificate, expired.key),
    ]);
    const proxy = { workload: 'istio-ingressgateway', namespace: 'istio-system', pod: 'istio-ingressgateway-0' };
    writeInstance(home, {
      pid: process.pid,
      startedAt: '',
      version: '0.1.0',
      xds: '',
      proxies: [{ ...proxy, nodeId: '', ip: '', admin: envoy.admin, published: [] }],
    });
  });
  afterAll(async () => {
    await envoy?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const output = async (...args: string[]) => {
    const { stdout, error } = await run(['pc', ...args, '-n', 'istio-system'], { LIMEN_HOME: home });
    expect(error).toBeUndefined();
    return stdout;
  };

  // Envoy keeps routes and secrets in no order, so only the ordered tables are compared as a whole.
  it.each([
    ['listeners', 'envoy/listeners.txt'],
    ['clusters', 'envoy/clusters.txt'],
    ['endpoints', 'envoy/endpoints-clusters.txt'],
    ['eds', 'envoy/eds.txt'],
  ])('shows the same %s as ever', async (table, golden) => {
    await expect(await output(table, 'deploy/istio-ingressgateway')).toMatchFileSnapshot(join(GOLDEN, golden));
  });

  it('shows its routes and secrets', async () => {
    expect(await output('routes', 'istio-ingressgateway-0')).toMatch(
      /^http\.8080 +webapp\.istioinaction\.io:80 +webapp\.istioinaction\.io +\/\* +webapp-vs-from-gw\.istioinaction$/m,
    );
    expect(await output('secrets', 'istio-ingressgateway-0')).toMatch(
      /^kubernetes:\/\/webapp-credential +Cert Chain +ACTIVE +true +0193a543fe2b0d9cd4847675394dfc54 +2125-01-01T00:00:00Z +2025-01-01T00:00:00Z$/m,
    );
  });

  it('tells its version', async () => {
    expect(await output('bootstrap', 'istio-ingressgateway-0', '-o', 'short')).toMatch(
      /^Envoy Version: +\d+\.\d+\.\d+\//m,
    );
    const { stdout } = await run(['version'], { LIMEN_HOME: home });
    expect(stdout).toMatch(/^data plane version: \d+\.\d+\.\d+ \(1 proxies\)$/m);
  });
});
