import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueCertificate } from '../apiserver/pki/issue.ts';
import { validate } from './validate.ts';

const GOLDEN = 'test/golden/validate';

async function run(...paths: string[]) {
  let output = '';
  const write = (text: string) => {
    output += text;
  };
  const code = await validate(paths, { stdout: write, stderr: write, color: false });
  return { code, output };
}

describe('limen validate', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'limen-validate-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(globSync(`${GOLDEN}/*.yaml`).sort())('says what is wrong, where, and what to do: %s', async (file) => {
    const { code, output } = await run(file);
    const golden = `../../${GOLDEN}/${basename(file, '.yaml')}.txt`;
    await expect(`${output}exit ${code}\n`).toMatchFileSnapshot(golden);
  });

  it('exits 1 when a path does not exist, and names it', async () => {
    const { code, output } = await run(join(folder, 'nowhere'));
    expect(code).toBe(1);
    expect(output).toContain('nowhere: error: does not exist');
  });

  it('exits 1 for a certificate that has expired, which limen up would serve with a warning', async () => {
    const { certificate, key } = await issueCertificate({
      commonName: 'www.example.com',
      use: 'server',
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    });
    const file = join(folder, 'secret.yaml');
    const stringData = { 'tls.crt': certificate, 'tls.key': key };
    const metadata = { name: 'old', namespace: 'istio-system' };
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, stringData }),
    );
    const { code, output } = await run(file);
    expect(output).toMatch(/secret\.yaml:1:\d+: error: Secret istio-system\/old: .*expired on 2021-01-01/);
    expect(output).toContain('renew it');
    expect(code).toBe(1);
  });

  it('exits 0 when there are only warnings', async () => {
    writeFileSync(
      join(folder, 'ingress.yaml'),
      'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n',
    );
    const { code, output } = await run(folder);
    expect(code).toBe(0);
    expect(output).toContain('1 object in 1 file: 0 errors, 1 warning');
  });

  it('names both files when an object stands in two', async () => {
    const text = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n';
    writeFileSync(join(folder, 'a.yaml'), text);
    writeFileSync(join(folder, 'b.yaml'), text);
    const { code, output } = await run(folder);
    expect(code).toBe(1);
    expect(output).toMatch(/b\.yaml:3:18: error: Namespace team: metadata\.name: stands in .*a\.yaml too/);
  });

  it('and says of the first of them what is wrong with it', async () => {
    const text = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs}\nspec:\n';
    const routes = '  hosts: ["*"]\n  gateways: [nowhere]\n  http: [{directResponse: {status: 200}}]\n';
    writeFileSync(join(folder, 'a.yaml'), text + routes);
    writeFileSync(join(folder, 'b.yaml'), `# the same\n${text}${routes}`);
    const { output } = await run(folder);
    expect(output).toMatch(
      /a\.yaml:6:14: error: VirtualService default\/vs: spec\.gateways\[0\]: Gateway default\/nowhere not found/,
    );
  });

  it('does not call the object missing that was refused for its own error', async () => {
    const gateway = readFileSync(`${GOLDEN}/ports.yaml`, 'utf8');
    const service =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs}\nspec:\n  hosts: ["*"]\n  gateways: [gw]\n  http: [{directResponse: {status: 200}}]\n';
    writeFileSync(join(folder, 'all.yaml'), `${gateway}---\n${service}`);
    const { output } = await run(folder);
    expect(output).not.toContain('Gateway default/gw not found');
  });
});
