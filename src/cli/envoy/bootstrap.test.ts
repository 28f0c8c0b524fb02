import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BIND_METADATA, type Bind, bindMetadata } from '../../controlplane/bind.ts';
import { parseNode } from '../../controlplane/node.ts';
import { NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { proxyNode } from '../proxy-node.ts';
import { envoyBootstrap } from './bootstrap.ts';

const GOLDEN = join(import.meta.dirname, '../../../test/golden/bootstrap');
const NODE_ID = 'router~127.1.2.3~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local';
const BIND: Omit<Bind, 'publish'> = { address: '127.1.2.3', taken: [15090], reusePort: true };
const bootstrapOf = (bind?: Omit<Bind, 'publish'>) =>
  envoyBootstrap({
    node: proxyNode(
      { nodeId: NODE_ID, label: ['app=istio-ingressgateway', 'istio=ingressgateway'], serviceAccount: 'gateway' },
      bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) },
    ),
    xds: { host: '127.0.0.1', port: 15010 },
    admin: { host: '127.1.2.3', port: 15000 },
    bind,
  });

describe('the bootstrap of an Envoy', () => {
  it.each([
    ['plain.json', undefined],
    ['bound.json', BIND],
  ])('is %s', async (golden, bind) => {
    const text = `${JSON.stringify(bootstrapOf(bind), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(GOLDEN, golden));
  });

  it('introduces a node whose identity and bind rules the control plane reads', () => {
    const node = parseNode(fromJson(NodeSchema, bootstrapOf(BIND).node ?? null));
    expect(node).toMatchObject({
      id: NODE_ID,
      type: 'router',
      ip: '127.1.2.3',
      podName: 'istio-ingressgateway-0',
      namespace: 'istio-system',
      labels: { istio: 'ingressgateway' },
      bind: { ...BIND, publish: [] },
    });
  });

  it('looks the control plane up where it is named, not numbered', () => {
    const bootstrap = envoyBootstrap({
      node: proxyNode({ nodeId: NODE_ID }),
      xds: { host: 'limen.example', port: 15010 },
      admin: { host: '127.0.0.1', port: 15000 },
    });
    expect(JSON.stringify(bootstrap)).toContain('"name":"xds-grpc","type":"STRICT_DNS"');
  });

  const hasEnvoy = spawnSync('envoy', ['--version']).status === 0;
  // RE2's program size of it is far above the 100 that Envoy allows by itself.
  it.skipIf(!hasEnvoy && !process.env.LIMEN_TEST_STRICT)('lets Envoy take a large regular expression', () => {
    const regex = Array.from({ length: 500 }, (_, index) => `/shop-${index}/.*`).join('|');
    const text = JSON.stringify(bootstrapOf()).replace(
      '{"prefix":"/stats/prometheus"}',
      JSON.stringify({ safeRegex: { regex } }),
    );
    expect(text).toContain('safeRegex');
    expect(validate(text)).toMatch(/ OK\n$/);
    const limit = '"re2.max_program_size.error_level":"32768"';
    expect(text).toContain(limit);
    expect(validate(text.replace(limit, '"re2.max_program_size.error_level":"100"'))).toContain('program size');
  });

  it.skipIf(!hasEnvoy && !process.env.LIMEN_TEST_STRICT).each([
    ['plain', undefined],
    ['bound', BIND],
  ])('is one that Envoy takes with no warning but that of the tracer’s place, which is Istio’s (%s)', (_name, bind) => {
    const folder = mkdtempSync(join(tmpdir(), 'limen-bootstrap-'));
    try {
      const file = join(folder, 'bootstrap.json');
      writeFileSync(file, JSON.stringify(bootstrapOf(bind)));
      const outcome = spawnSync('envoy', ['--mode', 'validate', '-l', 'warning', '-c', file], { encoding: 'utf8' });
      const warnings = outcome.stderr.split('\n').filter((line) => line !== '');
      expect(warnings.filter((line) => !/bootstrap\.v3\.Bootstrap\.tracing/.test(line))).toEqual([]);
      expect(outcome.stdout).toContain(`configuration '${file}' OK`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** All that `envoy --mode validate` says of a bootstrap. */
function validate(bootstrap: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'limen-bootstrap-'));
  try {
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, bootstrap);
    const outcome = spawnSync('envoy', ['--mode', 'validate', '-l', 'error', '-c', file], { encoding: 'utf8' });
    return outcome.stderr + outcome.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
