// Golden files of the control plane: objects as YAML in, what a gateway gets as protobuf JSON out, one behaviour a pair.
// `npx vitest run test/controlplane -u` writes the outputs anew; the diff is what a reviewer reads.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { validateWithEnvoy, whyNoEnvoy } from './controlplane/envoy.ts';
import { translateYaml } from './controlplane/golden.ts';

const FOLDER = join(import.meta.dirname, 'golden/controlplane');
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => basename(file, '.in.yaml'));

describe('the control plane translates', () => {
  it.each(names)('%s', async (name) => {
    const { shown } = await translateYaml(readFileSync(join(FOLDER, `${name}.in.yaml`), 'utf8'), `${name}.in.yaml`);
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(join(FOLDER, `${name}.out.json`));
  });
});

describe('what the control plane makes', () => {
  const why = whyNoEnvoy();
  const title = 'is accepted by a stock Envoy';
  it.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, async () => {
    const all = await Promise.all(
      names.map(async (name) => {
        const { resources } = await translateYaml(readFileSync(join(FOLDER, `${name}.in.yaml`), 'utf8'), name);
        return { name, resources };
      }),
    );
    expect(await validateWithEnvoy(all)).toBe('');
  });
});
