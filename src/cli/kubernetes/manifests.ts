// Manifests: the objects of files, folders or standard input, as they are written, each with its place.

import { type FieldPath, parseFieldPath } from '../../resources/field-path.ts';
import { describeKey } from '../../resources/object.ts';
import type { Problem } from '../../resources/problem.ts';
import { readDocuments, type WrittenDocument } from './written-documents.ts';

/** An object as it is written: nothing is checked but that it has these. */
export interface Manifest {
  object: { apiVersion: string; kind: string; metadata: { name?: string; generateName?: string; namespace?: string } };
  /** A problem of this object, placed at a field (`spec.http[0]`) or at its start. */
  problem(message: string, field?: string): Problem;
}

export interface Manifests {
  manifests: Manifest[];
  problems: Problem[];
}

/** Reads what `-f` names. @param standardInput read for `-` */
export async function readManifests(
  paths: readonly string[],
  standardInput: NodeJS.ReadableStream,
): Promise<Manifests> {
  const { documents, problems } = await readDocuments(paths, standardInput);
  const result: Manifests = { manifests: [], problems };
  for (const { value, place } of documents) readValue(value, [], place, result);
  return result;
}

function readValue(value: unknown, path: FieldPath, place: WrittenDocument['place'], result: Manifests): void {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { apiVersion, kind, metadata, items } = fields;
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    for (const [index, item] of items.entries()) readValue(item, [...path, 'items', index], place, result);
    return;
  }
  const missing = [
    ...(typeof apiVersion === 'string' ? [] : ['apiVersion']),
    ...(typeof kind === 'string' ? [] : ['kind']),
    ...(typeof metadata === 'object' && metadata !== null ? [] : ['metadata']),
  ];
  if (missing.length > 0) {
    const message = `expected an object with apiVersion, kind and metadata; ${missing.join(', ')} missing`;
    result.problems.push({ severity: 'error', ...place(path), message });
    return;
  }
  const object = value as Manifest['object'];
  const { name = '', generateName = '', namespace = '' } = object.metadata;
  result.manifests.push({
    object,
    problem: (message, field) => ({
      severity: 'error',
      ...place(field === undefined ? path : [...path, ...parseFieldPath(field)]),
      object: describeKey({ kind: object.kind, namespace, name: name || `${generateName}*` }),
      ...(field === undefined ? {} : { field }),
      message,
    }),
  });
}
