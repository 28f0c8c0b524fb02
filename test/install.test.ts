// Golden files of installation: IstioOperators, a document a file (and `# set: PATH=VALUE` lines), in; what is wrong with it and the objects it stands for out.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { formatFieldPath } from '../src/resources/field-path.ts';
import type { IstioOperatorSpec } from '../src/resources/istio-operator.ts';
import type { ResourceObject } from '../src/resources/object.ts';
import { checkConfiguration, configure, type OriginatedFinding } from '../src/workloads/install/configure.ts';
import { manifestOf } from '../src/workloads/install/manifest.ts';

const FOLDER = join(import.meta.dirname, 'golden/install');
const UNNAMED = { metadata: { name: 'installed-state', namespace: 'istio-system' } };
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => basename(file, '.in.yaml'));

describe('an IstioOperator is installed', () => {
  it.each(names)('%s', async (name) => {
    const text = readFileSync(join(FOLDER, `${name}.in.yaml`), 'utf8');
    const files = parseAllDocuments(text).map((document) => document.toJS() as ResourceObject);
    const specs = files.map(({ spec }) => (spec ?? {}) as IstioOperatorSpec);
    const settings = [...text.matchAll(/^# set: (.*)$/gm)].map((match) => match[1] as string);
    const shown: Record<string, unknown> = {};
    const findings = checkConfiguration(specs, settings);
    if (findings.length > 0) shown.findings = findings.map((found) => describeFinding(found, files.length));
    if (!findings.some(({ finding }) => finding.severity === 'error'))
      Object.assign(
        shown,
        manifestOf({ ...UNNAMED, ...(files[0] as ResourceObject), spec: configure(specs, settings) }),
      );
    await expect(stringify(shown, { aliasDuplicateObjects: false, lineWidth: 0 })).toMatchFileSnapshot(
      join(FOLDER, `${name}.out.yaml`),
    );
  });
});

function describeFinding(
  { origin, finding: { severity, path, message, hint } }: OriginatedFinding,
  files: number,
): string {
  const places = { setting: '--set ', profile: 'profile ', file: 'file ' };
  const place = Object.entries(origin).map(([kind, which]) => `${places[kind as keyof typeof places]}${which}: `);
  const shown = 'file' in origin && files === 1 ? '' : place.join('');
  return `${shown}${severity}: ${formatFieldPath(path)}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
}
