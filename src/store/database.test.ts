// The store's file: what survives, what is refused, what happens when the disk does not take it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyOf, type ResourceObject } from '../resources/object.ts';
import { StoreOpenError } from './errors.ts';
import { openOrSetAside, openStore } from './open.ts';
import type { Store } from './store.ts';

let folder: string;
let path: string;
const open: Store[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'limen-store-'));
  path = join(folder, 'limen.db');
});
afterEach(async () => {
  for (const store of open.splice(0)) store.close();
  for (const child of children.splice(0)) await kill(child);
  rmSync(folder, { recursive: true, force: true });
});

const configMap = (name: string, value = '1'): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  ...{ data: { value } },
});
function start(): Store {
  const store = openStore({ path });
  open.push(store);
  return store;
}
const names = (store: Store) => store.snapshot.list('ConfigMap').map(({ metadata }) => metadata.name);
const failure = (): StoreOpenError => {
  try {
    start();
  } catch (error) {
    if (error instanceof StoreOpenError) return error;
    throw error;
  }
  throw new Error('the store opened');
};

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** In a soak: a file that only grows would make its rounds longer and longer. */
const ROUNDS_PER_FILE = 25;

/** Starts a writer; `lines` grows with what it says. */
function startWriter(first: number, limit?: number) {
  const args = [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'test-writer.ts'),
    path,
    String(first),
  ];
  // The soft limit only, so that it can be lifted again; in blocks of 1024 bytes.
  const child =
    limit === undefined
      ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('bash', ['-c', `ulimit -S -f ${limit}; exec "$0" "$@"`, process.execPath, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
  children.push(child);
  const written = { text: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written.text += text;
  });
  /** The numbers of the whole lines that begin so. */
  const numbers = (beginning: string) =>
    written.text
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith(`${beginning} `))
      .map((line) => Number(line.slice(beginning.length + 1)));
  return { child, numbers };
}

/** Every acknowledged object is there, but those that a later change deleted, or may have deleted unacknowledged. */
function expectAll(store: Store, acknowledged: readonly number[]): void {
  const there = new Set(names(store));
  const missing = acknowledged.filter((count) => (count + 100) % 3 !== 0 && !there.has(`w${count}`));
  expect(missing).toEqual([]);
  const back = acknowledged.filter((count) => count % 3 === 0 && there.has(`w${count - 100}`));
  expect(back).toEqual([]);
}

describe('a store on a file', () => {
  it('has after a restart the same objects, order and versions, and goes on counting', async () => {
    const first = start();
    first.apply('a.yaml', [configMap('z'), configMap('b')]);
    first.apply('b.yaml', [configMap('z', 'waits')]);
    await first.transact((writer) => writer.put(configMap('a')));
    await first.transact((writer) => writer.put(configMap('z', 'changed')));
    first.delete(keyOf(configMap('b')));
    first.close();
    const second = start();
    expect(second.snapshot.list('ConfigMap')).toEqual(first.snapshot.list('ConfigMap'));
    expect(second.snapshot.resourceVersion).toBe(5);
    expect([second.eventsSince(4), second.eventsSince(5)]).toEqual([undefined, []]);
    second.apply('a.yaml', [configMap('z')]); // says what it said: what was put stays
    expect(second.snapshot.get('ConfigMap', 'default', 'z')?.data).toEqual({ value: 'changed' });
    second.retainOwners((owner) => owner === 'b.yaml');
    expect(second.snapshot.get('ConfigMap', 'default', 'z')?.data).toEqual({ value: 'waits' });
    expect(second.snapshot.get('ConfigMap', 'default', 'z')?.metadata.resourceVersion).toBe('6');
    second.retainOwners(() => false);
    expect(names(second)).toEqual(['a']);
  });

  it('is readable by its user alone, its journal too', () => {
    start().put(configMap('a'));
    for (const file of readdirSync(folder))
      expect([file, statSync(join(folder, file)).mode & 0o777]).toEqual([file, 0o600]);
    expect(readdirSync(folder)).toContain('limen.db-wal');
  });

  it('has a journal that stays small, also after a change that was not', () => {
    const store = start();
    const journal = () => statSync(`${path}-wal`).size;
    store.batch(() => {
      for (let count = 0; count < 15_000; count++) store.put(configMap(`c${count}`, 'x'.repeat(1000)));
    });
    expect(journal()).toBeGreaterThan(16 * 1024 * 1024);
    for (let count = 0; count < 10; count++) store.put(configMap('again', String(count)));
    expect(journal()).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  it(
    'has every acknowledged write after its process was killed',
    async () => {
      const rounds = Number(process.env.LIMEN_KILL_ROUNDS ?? 4);
      let acknowledged: number[] = [];
      for (let round = 0; round < rounds; round++) {
        if (round > 0 && round % ROUNDS_PER_FILE === 0) {
          for (const file of readdirSync(folder)) rmSync(join(folder, file));
          acknowledged = [];
        }
        const before = acknowledged.length;
        const writer = startWriter(round * 1_000_000);
        const enough = 1 + Math.floor(Math.random() * 400);
        const progress = () => {
          if (writer.child.exitCode !== null) throw new Error(`the writer ended by itself in round ${round}`);
          return writer.numbers('ok').length;
        };
        await expect.poll(progress, { timeout: 60_000, interval: 1 }).toBeGreaterThan(enough);
        await kill(writer.child);
        acknowledged.push(...writer.numbers('ok'));
        expect(acknowledged.length).toBeGreaterThan(before);
        const store = start();
        expectAll(store, acknowledged);
        store.close();
        // A soak keeps nothing of its rounds.
        open.length = 0;
        children.length = 0;
      }
    },
    60_000 + 20_000 * Number(process.env.LIMEN_KILL_ROUNDS ?? 0),
  );

  it('refuses writes while its file may not grow, goes on when it may, and has lost nothing', async () => {
    const writer = startWriter(0, 400);
    await expect
      .poll(() => [...writer.numbers('failed full'), ...writer.numbers('failed not')].length, { timeout: 20_000 })
      .toBeGreaterThan(3);
    const before = writer.numbers('ok').length;
    const lift = spawn('prlimit', ['--pid', String(writer.child.pid), '--fsize=unlimited:unlimited'], {
      stdio: 'inherit',
    });
    expect(await once(lift, 'exit')).toEqual([0, null]);
    await expect.poll(() => writer.numbers('ok').length, { timeout: 20_000 }).toBeGreaterThan(before + 20);
    await kill(writer.child);
    expectAll(start(), writer.numbers('ok'));
  });
});

describe('a file that cannot be opened', () => {
  it.each([
    ['is no database', () => writeFileSync(path, 'apiVersion: v1\n'.repeat(300))],
    ['is a database of another program', () => edit('CREATE TABLE t (a)')],
    ['holds an object that is no JSON', () => spoil("UPDATE objects SET json = '{'")],
    ['has not the tables it should have', () => spoil('DROP TABLE claims')],
    ['is damaged', damage],
  ])('is kept aside when it %s, and a new one begun', (message, make) => {
    make();
    const before = readFileSync(path);
    expect(failure()).toMatchObject({ reason: 'corrupt', path, message: expect.stringContaining(message) });
    const { store, setAside } = openOrSetAside({ path, clock: () => new Date('2026-01-31T12:00:00Z') });
    open.push(store);
    expect(setAside?.path).toBe(`${path}.corrupt-20260131T120000Z`);
    expect(setAside?.cause.message).toContain(message);
    expect(readFileSync(setAside!.path).equals(before)).toBe(true);
    store.put(configMap('new'));
    expect(names(store)).toEqual(['new']);
  });

  it('is left alone when a newer Limen wrote it', () => {
    spoil('PRAGMA user_version = 99');
    expect(failure()).toMatchObject({ reason: 'newer', message: expect.stringContaining('schema 99') });
    expect(() => openOrSetAside({ path })).toThrow('newer Limen');
    expect(existsSync(path)).toBe(true);
  });

  it('is left alone while another process has it open', async () => {
    const writer = startWriter(0);
    await expect.poll(() => writer.numbers('ok').length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(failure()).toMatchObject({ reason: 'in-use' });
    expect(() => openOrSetAside({ path })).toThrow('in use');
  });

  it('is told when its folder is not there', () => {
    path = join(folder, 'none', 'limen.db');
    expect(failure()).toMatchObject({ reason: 'unreadable', message: expect.stringContaining('ENOENT') });
  });
});

/** A store with objects, changed by hand. */
function spoil(sql: string): void {
  const store = start();
  for (let count = 0; count < 200; count++) store.put(configMap(`c${count}`, 'x'.repeat(500)));
  store.close();
  edit(sql);
}

function edit(sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

/** Overwrites pages in the middle of the file. */
function damage(): void {
  spoil('SELECT 1');
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0x5a, 3 * 4096, 12 * 4096));
}
