// Reads configuration files: their text, and once and for all what whole paths hold.

import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { error } from '../resources/finding.ts';
import {
  type LoadedObject,
  loadDocuments,
  MAX_TEXT_LENGTH,
  problemOf,
  SAME_KEY_HINT,
  tooLong,
} from '../resources/load.ts';
import { keyId, keyOf } from '../resources/object.ts';
import type { Problem } from '../resources/problem.ts';
import type { Conflict, Store } from '../store/store.ts';
import { statOf, walk } from './walk.ts';

/** What files and folders hold. */
export interface ReadFiles {
  /** How many files were read. */
  files: number;
  objects: LoadedObject[];
  problems: Problem[];
}

/** Loads files and folders into the store once, without watching them. Never rejects: what is wrong is among the problems. */
export async function readFiles(paths: readonly string[], store: Store): Promise<ReadFiles> {
  const result: ReadFiles = { files: 0, objects: [], problems: [] };
  const found = new Set<string>();
  for (const root of new Set(paths.map((path) => resolve(path)))) {
    const { files, problem } = findFiles(root);
    if (problem !== undefined) result.problems.push(problem);
    for (const path of files ?? []) found.add(path);
  }
  store.batch(() => {
    for (const path of found) {
      const read = readText(path);
      if (read === undefined) continue;
      const name = displayName(path);
      const { objects, problems } =
        read.text === undefined ? { objects: [], problems: [read.problem(name)] } : loadDocuments(read.text, name);
      const conflicts = store.apply(
        path,
        objects.map(({ object }) => object),
      );
      result.files++;
      result.objects.push(...objects);
      result.problems.push(...problems, ...conflicts.map((conflict) => describeConflict(conflict, objects)));
    }
  });
  return result;
}

/** The files and folders of a path given by the user, or the problem that it cannot be read. */
export function findFiles(
  root: string,
  onFolder?: (folder: string) => void,
): { files?: string[]; folders: string[]; problem?: Problem } {
  const file = displayName(root);
  try {
    const { files, folders } = walk(root, onFolder);
    if (files !== undefined) return { files, folders };
    return {
      folders,
      problem: { severity: 'error', file, line: 0, column: 0, message: 'does not exist', hint: 'check the path' },
    };
  } catch (cause) {
    const message = `cannot be read: ${(cause as Error).message}`;
    return { folders: [], problem: { severity: 'error', file, line: 0, column: 0, message } };
  }
}

/** Differs when a file may have changed; '' when there is none. */
export function signatureOf(path: string): string {
  const stats = statOf(path);
  return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

export type ReadText = { text: string } | { text: undefined; problem: (name: string) => Problem };

/** The text of a file, why it has none, or undefined when there is no file. */
export function readText(path: string): ReadText | undefined {
  const stats = statOf(path);
  if (stats?.isFile() !== true) return undefined;
  if (stats.size > MAX_TEXT_LENGTH) return { text: undefined, problem: (name) => tooLong(name, stats.size) };
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const message = `cannot be read: ${(error as Error).message}`;
    return { text: undefined, problem: (file) => ({ severity: 'error', file, line: 0, column: 0, message }) };
  }
}

/** A conflict of the store as a problem of the file whose object waits. */
export function describeConflict({ key, heldBy }: Conflict, objects: readonly LoadedObject[]): Problem {
  const id = keyId(key);
  const loaded = objects.find(({ object }) => keyId(keyOf(object)) === id) as LoadedObject;
  const where = heldBy === '' ? 'in the running configuration' : `in ${displayName(heldBy)}`;
  return problemOf(loaded, error(['metadata', 'name'], `stands ${where} too; that one is served`, SAME_KEY_HINT));
}

/** A path as a user of this folder would write it. */
export function displayName(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') ? path : short;
}
