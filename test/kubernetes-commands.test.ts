// `limen apply`, `get` and `delete` against a running `limen up`.

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Limen, PROGRAM } from './walkthroughs/limen.ts';
import { describeWith } from './walkthroughs/tools.ts';

let running: Limen;
beforeAll(async () => {
  running = await Limen.start();
});
afterAll(async () => {
  await running.stop();
});

/** What a command printed that went well. */
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await running.limen(...args);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
  return stdout;
}

const file = (name: string, text: string) => join(running.scratch({ [name]: text }), name);

const namespace = (name: string) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;
const answering = (name: string, body: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.example]
  gateways: [web]
  http:
    - directResponse: { status: 200, body: { string: ${body} } }
`;
const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: web }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }]
`;

describe('limen apply', () => {
  it('creates, leaves as it is, changes; and what it applied is served', async () => {
    const all = file('all.yaml', `${namespace('served')}---\n${GATEWAY}---\n${answering('a', 'one')}`);
    const apply = ['apply', '-n', 'served', '-f', all];
    expect(await ok(...apply)).toBe(
      'namespace/served created\ngateway.networking.istio.io/web created\nvirtualservice.networking.istio.io/a created\n',
    );
    const url = ['-H', 'Host: a.example', 'http://127.0.0.1/'];
    await running.until('it answers', async () => (await running.curl(...url)).body === 'one');
    const service = file('a.yaml', answering('a', 'two'));
    expect(await ok('apply', '-n', 'served', '-f', service)).toBe('virtualservice.networking.istio.io/a configured\n');
    expect(await ok('apply', '-n', 'served', '-f', service)).toBe('virtualservice.networking.istio.io/a unchanged\n');
    await running.until('it answers anew', async () => (await running.curl(...url)).body === 'two');
  });

  it('says what the server refuses with file and line, and applies the rest', async () => {
    const bad = answering('bad', 'x').replace('  http:', '  htp: []\n  http:');
    const worse = GATEWAY.replace('number: 80', 'number: 80000').replace("'*'", 'short');
    const path = file('mixed.yaml', `${bad}---\n${worse}---\n${answering('good', 'x')}---\nkind: Odd\n`);
    const { code, stdout, stderr } = await running.limen('apply', '-f', path);
    expect([code, stdout]).toEqual([1, 'virtualservice.networking.istio.io/good created\n']);
    expect(stderr).toContain(`${path}:7:3: error: VirtualService bad: spec.htp: unknown field\n`);
    expect(stderr).toContain(`${path}:16:31: error: Gateway web: spec.servers[0].port.number: 80000 is no port number`);
    expect(stderr).toContain(`${path}:16:76: error: Gateway web: spec.servers[0].hosts[0]: "short" is a short name`);
    expect(stderr).toMatch(/mixed\.yaml:27:1: error: expected an object .*; apiVersion, metadata missing\n/);
  });

  it('says where text is no YAML, a file is not there, and a kind is unknown', async () => {
    const path = file('broken.yaml', `${GATEWAY}  oops: [\n---\napiVersion: a/v1\nkind: B\nmetadata: { name: c }\n`);
    const { code, stderr } = await running.limen('apply', '-f', path, '-f', '/no/such.yaml');
    expect(code).toBe(1);
    expect(stderr).toMatch(/broken\.yaml:\d+:\d+: error: /);
    expect(stderr).toContain('/no/such.yaml: error: does not exist');
    expect(stderr).toContain(`${path}:9:1: error: B c: the server has no kind "B" in "a/v1"`);
  });

  it('refuses fields that another manager owns, until it is told to take them', async () => {
    const map = (value: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: owned }\ndata: { a: ${value} }\n`;
    await ok('apply', '-f', file('map.yaml', map('one')));
    // As kubectl edit does it: without server-side apply, in the name of another.
    const theirs = file('theirs.json', JSON.stringify({ data: { a: 'theirs' } }));
    const { server, certificates } = connection();
    const patched = spawnSync('curl', [
      ...['-q', '-sS', '-X', 'PATCH', '-H', 'content-type: application/merge-patch+json', '--data', `@${theirs}`],
      ...[...certificates(), `${server}/api/v1/namespaces/default/configmaps/owned?fieldManager=someone`],
    ]);
    expect(String(patched.stdout)).toContain('theirs');
    const path = file('map.yaml', map('two'));
    const refused = await running.limen('apply', '-f', path);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain(`${path}:1:1: error: ConfigMap owned: Apply failed with 1 conflict`);
    expect(refused.stderr).toContain('--force-conflicts');
    expect(await ok('apply', '--force-conflicts', '-f', path)).toBe('configmap/owned configured\n');
  });

  it('keeps nothing of a dry run', async () => {
    const dry = await ok('apply', '--dry-run', '-f', file('dry.yaml', answering('dry', 'x')));
    expect(dry).toBe('virtualservice.networking.istio.io/dry created (server dry run)\n');
    expect((await running.limen('get', 'vs', 'dry')).stderr).toBe(
      'error: virtualservices.networking.istio.io "dry" not found\n',
    );
  });

  it('reads standard input, where it is told which namespace an object may not be in', async () => {
    const outcome = await piped(answering('piped', 'x').replace('name: piped', 'name: piped, namespace: other'), [
      'apply',
      '-n',
      'default',
      '-f',
      '-',
    ]);
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('standard input:1:1: error: VirtualService other/piped: its namespace "other"'),
    });
    expect((await piped(answering('piped', 'x'), ['apply', '-f', '-'])).stdout).toBe(
      'virtualservice.networking.istio.io/piped created\n',
    );
  });
});

describe('limen get', () => {
  beforeAll(async () => {
    await ok('apply', '-f', file('shown.yaml', `${namespace('shown')}`));
    const objects = `${answering('one', 'x')}---\n${answering('two', 'x').replace('name: two', 'name: two, labels: { tier: back }')}`;
    await ok('apply', '-n', 'shown', '-f', file('objects.yaml', `${objects}---\n${GATEWAY}`));
  });

  it('prints an object as YAML and as JSON, several as a List', async () => {
    const yaml = parse(await ok('get', 'vs/one', '-n', 'shown', '-o', 'yaml'));
    expect(yaml).toMatchObject({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'one', namespace: 'shown' },
      spec: { hosts: ['one.example'] },
    });
    expect(yaml.metadata).not.toHaveProperty('managedFields');
    const list = JSON.parse(await ok('get', 'virtualservices', '-n', 'shown', '-o', 'json', '-l', 'tier=back'));
    expect([list.kind, list.items.map((item: { metadata: { name: string } }) => item.metadata.name)]).toEqual([
      'List',
      ['two'],
    ]);
  });

  it('prints what it got even where something is not there', async () => {
    const { code, stdout, stderr } = await running.limen('get', 'vs', 'one', 'none', '-n', 'shown', '-o', 'name');
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: 'virtualservice.networking.istio.io/one\n',
      stderr: 'error: virtualservices.networking.istio.io "none" not found\n',
    });
  });

  it.each([
    [['nonsense'], 'the server doesn\'t have a resource type "nonsense"'],
    [['vs', 'a', '-A'], 'a name and --all-namespaces do not go together'],
    [['vs/one', 'two'], '"two": expected TYPE/NAME'],
    [['vs', '-l', 'a==='], 'unable to parse requirement'],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await running.limen('get', ...args);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });

  it('says so when there is nothing', async () => {
    const outcome = await running.limen('get', 'leases', '-n', 'shown');
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: 'No resources found in shown namespace\n' });
  });

  describeWith(['kubectl'], 'beside kubectl', () => {
    it.each([
      'get vs -n shown',
      'get gw,vs -n shown',
      'get gw,vs -A',
      'get virtualservice.networking.istio.io one -n shown -o yaml',
      'get vs -n shown -o json',
      'get ns,vs -A -o name',
      'get svc,deploy,pods -n istio-system',
      'get svc -n istio-system -o wide',
    ])('%s prints the same', async (line) => {
      const args = line.split(' ');
      const env = { ...process.env, HOME: running.home, KUBECONFIG: join(running.home, 'kubeconfig') };
      const expected = String(spawnSync('kubectl', args, { env }).stdout);
      expect(withoutAges(await ok(...args))).toBe(withoutAges(expected));
    });
  });
});

describe('limen delete', () => {
  it('deletes by name, and what manifests name', async () => {
    const both = file('both.yaml', `${answering('gone', 'x')}---\n${answering('gone-too', 'x')}`);
    await ok('apply', '-f', both);
    expect(await ok('delete', 'vs', 'gone')).toBe('virtualservice.networking.istio.io "gone" deleted\n');
    const { code, stdout, stderr } = await running.limen('delete', '-f', both);
    expect([code, stdout]).toEqual([1, 'virtualservice.networking.istio.io "gone-too" deleted\n']);
    expect(stderr).toContain(
      `${both}:1:1: error: VirtualService gone: virtualservices.networking.istio.io "gone" not found`,
    );
    expect(await ok('delete', '-f', both, '--ignore-not-found')).toBe('');
  });

  it.each([
    [['vs'], 'a name is required'],
    [[], 'say what to delete'],
    [['vs', 'x', '-f', 'y'], 'say what to delete'],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await running.limen('delete', ...args);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });
});

/** Ages go on between two commands. */
const withoutAges = (text: string) => text.replace(/\b\d+(?:m\d+)?s *$/gm, 'AGE').replace(/\b\d+(?:m\d+)?s +/g, 'AGE ');

/** A command that is given standard input. */
function piped(input: string, args: readonly string[]) {
  const env = { ...process.env, LIMEN_HOME: running.home, NO_COLOR: '1' };
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** The server, and what curl needs to be let in. */
function connection() {
  const { clusters, users } = parse(readFileSync(join(running.home, 'kubeconfig'), 'utf8'));
  const text = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
  return {
    server: clusters[0].cluster.server as string,
    certificates: () => {
      const folder = running.scratch({
        'ca.crt': text(clusters[0].cluster['certificate-authority-data']),
        'client.crt': text(users[0].user['client-certificate-data']),
        'client.key': text(users[0].user['client-key-data']),
      });
      const at = (name: string) => join(folder, name);
      return ['--cacert', at('ca.crt'), '--cert', at('client.crt'), '--key', at('client.key')];
    },
  };
}
