// Objects survive `limen up`: its end, its death, and a file of the store that is damaged.

import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Limen } from './walkthroughs/limen.ts';
import { describeWith } from './walkthroughs/tools.ts';

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { a: b }\n`;

describeWith([], 'limen up after it was killed', () => {
  it('has what the API made and what its files say, and nothing of files that are no longer given', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'limen-restart-'));
    const file = (name: string, yaml: string) => {
      writeFileSync(join(directory, name), yaml);
      return join(directory, name);
    };
    const names = async (limen: Limen) =>
      (await limen.limen('get', 'configmaps', '-o', 'name')).stdout.trim().split('\n').sort();
    const first = await Limen.up(directory, ['-f', file('a.yaml', `${configMap('shared')}---\n${configMap('a')}`)], []);
    expect((await first.limen('apply', '-f', file('api.yaml', configMap('by-api')))).code).toBe(0);
    expect(await names(first)).toEqual(['configmap/a', 'configmap/by-api', 'configmap/shared']);
    await first.kill();

    const second = await Limen.up(directory, ['-f', file('b.yaml', configMap('shared'))], []);
    expect(await names(second)).toEqual(['configmap/by-api', 'configmap/shared']);
    expect(second.output).not.toMatch(/error/);
    await second.kill();

    for (const name of readdirSync(second.home).filter((name) => name.startsWith('limen.db')))
      writeFileSync(join(second.home, name), 'not a database');
    const third = await Limen.up(directory, ['-f', join(directory, 'b.yaml')], []);
    expect(third.output).toMatch(/limen\.db: .*kept under another name/);
    expect(readdirSync(third.home).filter((name) => name.startsWith('limen.db.corrupt-')).length).toBeGreaterThan(0);
    expect(await names(third)).toEqual(['configmap/shared']);
    expect(await third.stop()).toEqual({ code: 0, left: [] });
  });
});
