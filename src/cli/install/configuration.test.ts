import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatProblem } from '../../resources/problem.ts';
import { readConfiguration } from './configuration.ts';
import type { ConfigurationOptions } from './options.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'limen-install-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = 'apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n';
const GATEWAYS = 'spec: { profile: empty }\n';
let files = 0;
const file = (text: string) => {
  const path = join(folder, `${++files}.yaml`);
  writeFileSync(path, text);
  return path;
};
const read = (options: ConfigurationOptions, input = '') => readConfiguration(options, Readable.from([input]));
/** What is said of one file, its path left out. */
const saidOf = async (text: string) => {
  const path = file(text);
  const { operator, problems } = await read({ filename: [path] });
  expect(operator).toBeUndefined();
  return problems.map((problem) => formatProblem(problem, { color: false }).replaceAll(path, 'FILE'));
};

describe('the IstioOperator that is installed', () => {
  const metadataOf = async (options: ConfigurationOptions, input?: string) =>
    (await read(options, input)).operator?.metadata;

  it('is installed-state in istio-system where nothing has a name, wherever -n is', async () => {
    const standard = { name: 'installed-state', namespace: 'istio-system' };
    expect(await metadataOf({})).toEqual(standard);
    expect(await metadataOf({ namespace: 'shop' })).toEqual(standard);
    expect(await metadataOf({ filename: ['-'] }, `${HEAD}spec: {}\n`)).toEqual(standard);
  });

  it('of gateways alone goes where -n says, unless the file does', async () => {
    const named = `${HEAD}metadata: { name: mine, namespace: its-own, labels: { a: b } }\n${GATEWAYS}`;
    expect(await metadataOf({ filename: ['-'], namespace: 'shop' }, `${HEAD}${GATEWAYS}`)).toEqual({
      name: 'installed-state',
      namespace: 'shop',
    });
    expect(await metadataOf({ filename: ['-'], namespace: 'shop' }, named)).toEqual({
      name: 'installed-state-mine',
      namespace: 'its-own',
      labels: { a: 'b' },
    });
  });

  it('that was read from the API keeps its name', async () => {
    const name = async (text: string) =>
      (await metadataOf({ filename: ['-'] }, `${HEAD}metadata: { name: ${text} }`))?.name;
    expect(await name('installed-state')).toBe('installed-state');
    expect(await name('installed-state-mine')).toBe('installed-state-mine');
    expect(await name('installed-statement')).toBe('installed-state-installed-statement');
  });

  it('is all files in their order, and the settings', async () => {
    const first = file(`${HEAD}spec: { profile: empty, meshConfig: { accessLogFile: /a, accessLogEncoding: JSON } }\n`);
    const second = file(`${HEAD}spec: { meshConfig: { accessLogFile: /b } }\n`);
    const meshOf = async (...filename: string[]) =>
      (await read({ filename, set: ['meshConfig.enableTracing=false'] })).operator?.spec;
    const meshConfig = { accessLogEncoding: 'JSON', enableTracing: false };
    expect(await meshOf(first, second)).toEqual({
      profile: 'empty',
      meshConfig: { ...meshConfig, accessLogFile: '/b' },
    });
    expect(await meshOf(second, first)).toEqual({
      profile: 'empty',
      meshConfig: { ...meshConfig, accessLogFile: '/a' },
    });
  });
});

describe('refused, with its place', () => {
  it.each([
    ['an empty file', '', 'FILE: error: holds no IstioOperator'],
    ['a text', 'hello', 'FILE:1:1: error: is no IstioOperator'],
    ['no YAML', 'a: [', 'FILE:1:5: error: flow sequence'],
    ['another kind', 'apiVersion: v1\nkind: Service\n', 'FILE:2:7: error: kind: is no IstioOperator, but Service'],
    [
      'another version',
      HEAD.replace('v1alpha1', 'v1'),
      'FILE:1:13: error: apiVersion: expected install.istio.io/v1alpha1, found',
    ],
    [
      'two of them',
      `${HEAD}---\n${HEAD}`,
      'FILE:4:1: error: FILE contains multiple IstioOperator CRs, only one per file is supported',
    ],
    ['one and something else', `${HEAD}---\nkind: Service\n`, 'FILE:4:1: error: FILE contains something else besides'],
    [
      'a setting beside the spec',
      `${HEAD}profile: demo\n`,
      'FILE:3:1: error: profile: unknown field\n  hint: settings stand under "spec:"',
    ],
    ['a field misspelled', `${HEAD}spce: {}\n`, 'FILE:3:1: error: spce: unknown field\n  hint: did you mean spec?'],
    [
      'a name that is none',
      `${HEAD}metadata: { name: A_b }\n`,
      'FILE:3:19: error: metadata.name: "A_b" is no DNS name',
    ],
    [
      'a setting misspelled',
      `${HEAD}spec:\n  profil: demo\n`,
      'FILE:4:3: error: spec.profil: unknown field\n  hint: did you mean profile?',
    ],
    [
      'a mesh setting misspelled',
      `${HEAD}spec:\n  meshConfig: { acessLogFile: /a }\n`,
      'FILE:4:17: error: spec.meshConfig.acessLogFile: unknown field\n  hint: did you mean accessLogFile?',
    ],
  ])('%s', async (_, text, expected) => {
    const said = await saidOf(text);
    expect(said).toHaveLength(1);
    expect(said[0]?.slice(0, expected.length)).toBe(expected);
  });

  it('a file that is not there, and a folder', async () => {
    const missing = join(folder, 'missing.yaml');
    const { problems } = await read({ filename: [missing, folder] });
    expect(problems.map(({ message }) => message)).toEqual(['does not exist', 'is a folder']);
  });

  it('a setting, by its text', async () => {
    const { operator, problems } = await read({ set: ['meshConfig.acessLogFile=/dev/stdout'] });
    expect(operator).toBeUndefined();
    expect(problems.map((problem) => formatProblem(problem, { color: false }))).toEqual([
      '--set meshConfig.acessLogFile=/dev/stdout: error: spec.meshConfig.acessLogFile: unknown field\n  hint: did you mean accessLogFile?',
    ]);
  });
});
