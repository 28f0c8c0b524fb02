// The rooms of docs/architecture.md: imports point down the list only.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** Which rooms each room may import, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: ['apiserver', 'workloads', 'sources', 'controlplane', 'store', 'resources', 'dataplane', 'xds'],
  apiserver: ['store', 'resources'],
  workloads: ['store', 'resources'],
  sources: ['store', 'resources'],
  controlplane: ['resources', 'xds'],
  store: ['resources'],
  resources: [],
  dataplane: ['xds'],
  xds: [],
};

const files = globSync('**/*.ts', { cwd: SRC }).filter((file) => !/\.test\.ts$|\.d\.ts$|\/gen\//.test(file));
const roomOf = (path: string) => path.split(/[\\/]/)[0] ?? '';

/** The relative imports of a file, as paths below src. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = [...text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1] as string);
  return found.map((path) => relative(SRC, resolve(SRC, dirname(file), path)));
}

describe('rooms', () => {
  it('are those the architecture lists', () => {
    expect([...new Set(files.map(roomOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it.each(Object.keys(MAY_IMPORT))('%s imports only the rooms below it', (room) => {
    const allowed = new Set([room, ...(MAY_IMPORT[room] ?? [])]);
    const wrong = files
      .filter((file) => roomOf(file) === room)
      .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
      .filter(({ target }) => !target.startsWith('..') && !allowed.has(roomOf(target)))
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it('hold small files that say in their first line what they are for', () => {
    const wrong = files.filter((file) => !/^(\/\/|\/\*\*|#!)/.test(readFileSync(join(SRC, file), 'utf8')));
    expect(wrong).toEqual([]);
  });

  it('have no file named for nothing in particular', () => {
    // `connection-manager` is Envoy's own term (HTTP connection manager).
    const vague = /(^|[/-])(utils?|helpers?|common|(?<!connection-)manager|misc)\.ts$/;
    expect(files.filter((file) => vague.test(file))).toEqual([]);
  });
});
