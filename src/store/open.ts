// Opens a store on a file, and puts a file that is damaged aside.

import { existsSync, renameSync } from 'node:fs';
import { Database } from './database.ts';
import { StoreOpenError } from './errors.ts';
import { Store, type StoreOptions } from './store.ts';

export interface OpenOptions extends StoreOptions {
  /** The SQLite file; it is made when there is none. Its folder must be there. */
  path: string;
}

/** A damaged file that was put aside. */
export interface SetAside {
  /** Where it is now; its journal (`-wal`) is beside it, if it had one. */
  path: string;
  /** What is wrong with it. */
  cause: StoreOpenError;
}

/**
 * Opens the store that a file holds.
 * @throws StoreOpenError when it cannot be read; the file is as it was
 */
export function openStore({ path, ...options }: OpenOptions): Store {
  const database = new Database(path);
  try {
    return new Store(options, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens the store that a file holds; if the file is damaged, keeps it under another name and begins anew.
 *
 * @returns the store, and what was put aside
 * @throws StoreOpenError when the file is in order but not to be read: a newer Limen's, in use, not permitted
 */
export function openOrSetAside(options: OpenOptions): { store: Store; setAside?: SetAside } {
  try {
    return { store: openStore(options) };
  } catch (error) {
    if (!(error instanceof StoreOpenError) || error.reason !== 'corrupt') throw error;
    const path = setAside(options.path, options.clock?.() ?? new Date());
    return { store: openStore(options), setAside: { path, cause: error } };
  }
}

/** Renames a database and its journal to `<path>.corrupt-20260131T120000Z`; SQLite still finds the one by the other's name. */
function setAside(path: string, now: Date): string {
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
  let target = `${path}.corrupt-${time}`;
  for (let count = 2; existsSync(target); count++) target = `${path}.corrupt-${time}-${count}`;
  // The journal first: a new database beside an old journal would take it for its own.
  for (const suffix of ['-wal', '-shm', '-journal', ''])
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  return target;
}
