import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Problem } from '../resources/problem.ts';
import { Store } from '../store/store.ts';
import { createDisk } from '../store/test-disk.ts';
import { type FileSource, watchFiles } from './files.ts';

const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`;

describe('watchFiles', () => {
  let folder: string;
  let store: Store;
  let source: FileSource | undefined;
  let log: string[];
  /** Called whenever the store or the problems changed. */
  let wake: () => void;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'limen-files-'));
    store = new Store();
    log = [];
    wake = () => undefined;
    store.subscribe(() => wake());
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  async function watch(...paths: string[]) {
    const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line).msg as string) });
    source = await watchFiles(paths, store, { log: logger, onProblems: () => wake() });
    return source;
  }
  const path = (name: string) => join(folder, name);
  const names = () =>
    store.snapshot
      .list('Service')
      .map(({ metadata }) => metadata.name)
      .sort();
  const port = (name: string) => store.snapshot.get('Service', 'default', name)?.spec?.ports?.[0]?.port;
  const errors = () => (source?.problems ?? []).filter(({ severity }: Problem) => severity === 'error');

  /** Resolves at the first change after which the condition holds. */
  function until(condition: () => boolean): Promise<void> {
    return new Promise((done) => {
      wake = () => {
        if (!condition()) return;
        wake = () => undefined;
        done();
      };
      wake();
    });
  }

  it("loads folders within folders, YAML and JSON; not hidden files, editors' files and others", async () => {
    mkdirSync(path('a/b'), { recursive: true });
    mkdirSync(path('.git'));
    writeFileSync(path('one.yaml'), service('one'));
    writeFileSync(path('a/two.yml'), service('two'));
    writeFileSync(
      path('a/b/three.json'),
      '{\n\t"apiVersion": "v1", "kind": "Service", "metadata": {"name": "three"},\n\t"spec": {"ports": [{"port": 80}]}\n}',
    );
    for (const name of ['.hidden.yaml', '.one.yaml.swp', 'one.yaml~', '#one.yaml#', 'readme.md', '.git/x.yaml'])
      writeFileSync(path(name), service('no'));
    await watch(folder);
    expect(names()).toEqual(['one', 'three', 'two']);
    expect(errors()).toEqual([]);
  });

  it('loads a file given by name whatever its extension', async () => {
    writeFileSync(path('config.txt'), service('web'));
    await watch(path('config.txt'));
    expect(names()).toEqual(['web']);
  });

  it('follows a save in place', async () => {
    writeFileSync(path('web.yaml'), service('web', 80));
    await watch(folder);
    writeFileSync(path('web.yaml'), service('web', 81));
    await until(() => port('web') === 81);
  });

  it('follows a save by renaming over the file, of a folder and of a single file', async () => {
    writeFileSync(path('web.yaml'), service('web', 80));
    await watch(path('web.yaml'));
    for (const saved of [81, 82]) {
      writeFileSync(path('.web.yaml.tmp'), service('web', saved));
      renameSync(path('.web.yaml.tmp'), path('web.yaml'));
      await until(() => port('web') === saved);
    }
  });

  it('follows new files, new folders, and files deleted and moved', async () => {
    await watch(folder);
    writeFileSync(path('one.yaml'), service('one'));
    await until(() => names().join() === 'one');
    mkdirSync(path('sub/deep'), { recursive: true });
    writeFileSync(path('sub/deep/two.yaml'), service('two'));
    await until(() => names().join() === 'one,two');
    writeFileSync(path('sub/deep/two.yaml'), service('two', 81));
    await until(() => port('two') === 81);
    renameSync(path('sub'), path('renamed.d'));
    await until(() => errors().length === 0 && names().join() === 'one,two');
    unlinkSync(path('one.yaml'));
    await until(() => names().join() === 'two');
    rmSync(path('renamed.d'), { recursive: true });
    await until(() => names().length === 0);
  });

  it('keeps serving during a half-written save, and takes it when it is whole', async () => {
    writeFileSync(path('web.yaml'), `${service('web')}---\n${service('db')}`);
    await watch(folder);
    const seen: string[] = [];
    store.subscribe(() => seen.push(names().join()));
    writeFileSync(path('web.yaml'), `${service('web', 81)}---\napiVersion: v1\nkind: Serv`);
    await until(() => errors().length > 0);
    expect(names()).toEqual(['db', 'web']);
    writeFileSync(path('web.yaml'), `${service('web', 81)}---\n${service('db', 81)}`);
    await until(() => port('db') === 81 && errors().length === 0);
    expect(seen.every((list) => list === 'db,web')).toBe(true);
    expect(log).toContainEqual(expect.stringMatching(/web\.yaml:\d+:\d+: error: .*; the last good version stays$/));
    expect(log).toContainEqual(expect.stringMatching(/web\.yaml: is in order again$/));
  });

  it('refuses an object with an error, keeps its last good version, and takes the good ones beside it', async () => {
    writeFileSync(path('all.yaml'), `${service('web', 80)}---\n${service('db', 80)}`);
    await watch(folder);
    writeFileSync(path('all.yaml'), `${service('web', 0)}---\n${service('db', 81)}`);
    await until(() => port('db') === 81);
    expect(port('web')).toBe(80);
    expect(errors()).toMatchObject([{ object: 'Service default/web', field: 'spec.ports[0].port', line: 4 }]);
  });

  it('keeps the objects of a folder that disappears until it is back', async () => {
    const root = path('config');
    mkdirSync(root);
    writeFileSync(join(root, 'web.yaml'), service('web'));
    await watch(root);
    rmSync(root, { recursive: true });
    await until(() => errors().length === 1);
    expect(names()).toEqual(['web']);
    expect(errors()).toMatchObject([{ message: 'does not exist' }]);
    mkdirSync(root);
    writeFileSync(join(root, 'other.yaml'), service('other'));
    await until(() => names().join() === 'other' && errors().length === 0);
  });

  it('loads a path that does not exist yet when it appears', async () => {
    await watch(path('later/config'));
    expect(errors()).toHaveLength(1);
    mkdirSync(path('later/config'), { recursive: true });
    writeFileSync(path('later/config/web.yaml'), service('web'));
    await until(() => names().join() === 'web');
  });

  it('follows a mounted ConfigMap: links through ..data that are swapped', async () => {
    for (const version of ['1', '2']) {
      mkdirSync(path(`..v${version}`));
      writeFileSync(path(`..v${version}/web.yaml`), service('web', Number(version)));
    }
    symlinkSync('..v1', path('..data'));
    symlinkSync('..data/web.yaml', path('web.yaml'));
    await watch(folder);
    expect(port('web')).toBe(1);
    symlinkSync('..v2', path('..data_tmp'));
    renameSync(path('..data_tmp'), path('..data'));
    rmSync(path('..v1'), { recursive: true });
    await until(() => port('web') === 2);
  });

  it('reports an object that stands in two files, and serves the second when the first goes', async () => {
    writeFileSync(path('a.yaml'), service('web', 1));
    writeFileSync(path('b.yaml'), service('web', 2));
    await watch(folder);
    expect(port('web')).toBe(1);
    expect(errors()).toMatchObject([
      { file: expect.stringMatching(/b\.yaml$/), line: 3, object: 'Service default/web' },
    ]);
    unlinkSync(path('a.yaml'));
    await until(() => port('web') === 2);
  });

  it('refuses a file of 10 MB unread', async () => {
    writeFileSync(path('big.yaml'), `${service('web')}${'#'.repeat(10 * 1024 * 1024)}`);
    await watch(folder);
    expect(errors()).toMatchObject([
      {
        file: expect.stringMatching(/big\.yaml$/),
        line: 0,
        message: expect.stringContaining('10.0 MB, more than the 8 MB'),
      },
    ]);
  });

  it('does not drop the objects of a file that is deleted and written again at once', async () => {
    writeFileSync(path('web.yaml'), service('web', 80));
    await watch(folder);
    const seen: string[] = [];
    store.subscribe(() => seen.push(names().join()));
    unlinkSync(path('web.yaml'));
    writeFileSync(path('web.yaml'), service('web', 81));
    await until(() => port('web') === 81);
    expect(seen).toEqual(['web']);
  });

  it('changes nothing any more once it is closed', async () => {
    writeFileSync(path('web.yaml'), service('web'));
    const watched = await watch(folder);
    await watched.close();
    writeFileSync(path('web.yaml'), service('web', 81));
    expect(port('web')).toBe(80);
  });

  it('tries again what could not be stored, and says so once', async () => {
    const { disk, persistence } = createDisk();
    disk.isFull = true;
    store = new Store({}, persistence);
    store.subscribe(() => wake());
    writeFileSync(path('one.yaml'), service('one'));
    await watch(folder);
    expect([names(), source?.objects]).toEqual([[], []]);
    await expect.poll(() => disk.refusals, { timeout: 15_000 }).toBeGreaterThan(1);
    expect(log).toEqual(['cannot take over the configuration files; what serves stays, and it is tried again']);
    disk.isFull = false;
    await until(() => names().includes('one'));
    await expect.poll(() => log).toContain('the configuration files are taken over again');

    disk.isFull = true;
    writeFileSync(path('one.yaml'), service('one', 81));
    await expect.poll(() => log.length, { timeout: 15_000 }).toBe(3);
    expect(port('one')).toBe(80);
    rmSync(path('one.yaml'));
    disk.isFull = false;
    await until(() => names().length === 0);
  });
});
