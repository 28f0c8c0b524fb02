// `limen validate`: checks files of configuration without serving them.

import { type LoadedObject, problemOf } from '../resources/load.ts';
import { keyId, keyOf } from '../resources/object.ts';
import { formatProblem, type Problem } from '../resources/problem.ts';
import { findPortConflicts } from '../resources/validation/port-conflicts.ts';
import { findDanglingReferences } from '../resources/validation/references.ts';
import { readFiles } from '../sources/read-files.ts';
import { Store } from '../store/store.ts';
import { ingressGatewayObjects } from '../workloads/ingress-gateway.ts';

/** Where a command's output goes, and whether it may be coloured. */
export interface ValidateIo {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  color: boolean;
}

/**
 * Checks files and folders: each object, and the references between them. Prints what is wrong (problems on standard error) and a
 * summary.
 *
 * @returns the exit code: 0 when there are no errors (warnings are allowed), else 1
 */
export async function validate(paths: string[], io: ValidateIo): Promise<number> {
  const store = new Store();
  for (const object of ingressGatewayObjects()) store.put(object);
  const { files, objects, problems } = await readFiles(paths, store);
  const places = new Map<string, LoadedObject>();
  for (const loaded of objects) {
    // Of an object that stands in two files the store has the first.
    const key = keyId(keyOf(loaded.object));
    if (!places.has(key)) places.set(key, loaded);
  }
  const all: Problem[] = problems.map((problem) => (problem.broken ? { ...problem, severity: 'error' } : problem));
  const refused = new Set(
    problems.flatMap(({ severity, object }) => (severity === 'error' && object !== undefined ? [object] : [])),
  );
  for (const { object, finding } of [
    ...findPortConflicts(store.snapshot),
    ...findDanglingReferences(store.snapshot, refused),
  ]) {
    const loaded = places.get(keyId(keyOf(object)));
    if (loaded !== undefined) all.push(problemOf(loaded, finding));
  }
  all.sort((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column);
  for (const problem of all) io.stderr(`${formatProblem(problem, { color: io.color })}\n`);
  const errors = all.filter(({ severity }) => severity === 'error').length;
  const warnings = all.length - errors;
  const result = all.length === 0 ? 'all in order' : `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  io.stdout(`${count(objects.length, 'object')} in ${count(files, 'file')}: ${result}\n`);
  return errors > 0 ? 1 : 0;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
