// The documents of what `-f` names, as they are written, each with its place: of files, folders or standard input.

import { text as textOf } from 'node:stream/consumers';
import { parseDocuments, splitDocuments } from '../../resources/documents.ts';
import type { FieldPath } from '../../resources/field-path.ts';
import type { Problem } from '../../resources/problem.ts';
import { findFiles, readText } from '../../sources/read-files.ts';

/** Where something stands. */
export type Place = Pick<Problem, 'file' | 'line' | 'column'>;

/** A document that has a value. Of that nothing is checked. */
export interface WrittenDocument {
  /** What `-f` named, of which this is part. */
  readonly path: string;
  readonly value: unknown;
  /** Where a field stands, or with `key` its name; the nearest parent when there is no such field. */
  place(path: FieldPath, at?: 'key'): Place;
}

export interface WrittenDocuments {
  readonly documents: WrittenDocument[];
  /** What cannot be read. */
  readonly problems: Problem[];
}

/** Reads what `-f` names. @param standardInput read for `-` */
export async function readDocuments(
  paths: readonly string[],
  standardInput: NodeJS.ReadableStream,
): Promise<WrittenDocuments> {
  const result: WrittenDocuments = { documents: [], problems: [] };
  for (const path of paths) {
    if (path === '-') {
      readTextInto(await textOf(standardInput), path, 'standard input', result);
      continue;
    }
    const { files = [], problem } = findFiles(path);
    if (problem !== undefined) result.problems.push(problem);
    for (const file of files) {
      const read = readText(file);
      if (read?.text !== undefined) readTextInto(read.text, path, file, result);
      else if (read !== undefined) result.problems.push(read.problem(file));
    }
  }
  return result;
}

function readTextInto(text: string, path: string, file: string, { documents, problems }: WrittenDocuments): void {
  for (const chunk of splitDocuments(text)) {
    for (const { value, errors, locate } of parseDocuments(chunk.text)) {
      for (const { position, message, hint } of errors) {
        const at = { file, line: position.line + chunk.line, column: position.column };
        problems.push({ severity: 'error', ...at, message, ...(hint === undefined ? {} : { hint }) });
      }
      if (value === null || value === undefined) continue;
      const place = (field: FieldPath, at?: 'key') => {
        const { line, column } = locate(field, at);
        return { file, line: line + chunk.line, column };
      };
      documents.push({ path, value, place });
    }
  }
}
