// Golden files of installation: an IstioOperator (and `# set: PATH=VALUE` lines) in; what is wrong with it and the objects it stands for out.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { formatFieldPath } from '../src/resources/field-path.ts';
import type { IstioOperatorSpec } from '../src/resources/istio-operator.ts';
import type { ResourceObject } from '../src/resources/object.ts';
import { validateIstioOperator } from '../src/resources/validation/istio-operator.ts';
import { completeSpec, manifestOf } from '../src/workloads/install/manifest.ts';
import { setField } from '../src/workloads/install/set.ts';

const FOLDER = join(import.meta.dirname, 'golden/install');
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => basename(file, '.in.yaml'));

describe('an IstioOperator is installed', () => {
  it.each(names)('%s', async (name) => {
    const text = readFileSync(join(FOLDER, `${name}.in.yaml`), 'utf8');
    const written = parse(text) as ResourceObject;
    const settings = [...text.matchAll(/^# set: (.*)$/gm)].map((match) => match[1] as string);
    const spec = settings.reduce(setField, (written.spec ?? {}) as IstioOperatorSpec);
    const shown: Record<string, unknown> = {};
    const own = validateIstioOperator({ ...written, spec });
    // What the profile brings may mean nothing here either.
    const wrong = own.some(({ severity }) => severity === 'error');
    const findings = wrong ? own : validateIstioOperator({ ...written, spec: completeSpec(spec) });
    if (findings.length > 0)
      shown.findings = findings.map(
        ({ severity, path, message, hint }) =>
          `${severity}: ${formatFieldPath(path)}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
      );
    if (!wrong) Object.assign(shown, manifestOf({ ...written, spec }));
    await expect(stringify(shown, { aliasDuplicateObjects: false, lineWidth: 0 })).toMatchFileSnapshot(
      join(FOLDER, `${name}.out.yaml`),
    );
  });
});
