// JSON patches (RFC 6902), with the messages of Kubernetes' API server.

import { applyPatch, type Operation } from 'rfc6902';
import { isJsonObject } from './json-value.ts';
import { PatchError } from './patch-error.ts';

/** The API server's bound: a patch of many copies can make an object of any size. */
const MAX_OPERATIONS = 10_000;
const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/**
 * Applies the operations in order, all of them or none.
 * https://www.rfc-editor.org/rfc/rfc6902
 * @param operations what the client sent; checked here
 * @returns a new value
 * @throws PatchError
 */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  const checked = check(operations);
  const result = { document: structuredClone(target) };
  // Paths lead into `document`, so that an operation on the whole document ('') is one like the others.
  for (const operation of checked.map(underDocument)) {
    const [error] = applyPatch(result, [operation]);
    if (error !== null && error !== undefined) throw new PatchError('unprocessable', explain(operation, error));
  }
  return result.document;
}

function check(operations: unknown): Operation[] {
  if (!Array.isArray(operations)) {
    throw new PatchError('malformed', 'error decoding patch: a JSON patch is a list of operations');
  }
  if (operations.length > MAX_OPERATIONS) {
    throw new PatchError(
      'malformed',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${operations.length}`,
    );
  }
  for (const [index, operation] of operations.entries()) {
    const at = `operation ${index}`;
    if (!isJsonObject(operation)) throw new PatchError('malformed', `error decoding patch: ${at} is not an object`);
    const { op, path, from } = operation;
    if (typeof op !== 'string' || !OPERATIONS.has(op)) {
      throw new PatchError(
        'malformed',
        `Unexpected kind: ${String(op)} (${at}: op is one of ${[...OPERATIONS].join(', ')})`,
      );
    }
    checkPointer(path, `${at}: path`);
    if (op === 'move' || op === 'copy') checkPointer(from, `${at}: from`);
    if ((op === 'add' || op === 'replace' || op === 'test') && !('value' in operation)) {
      throw new PatchError('malformed', `error decoding patch: ${at} (${op} ${String(path)}) has no value`);
    }
  }
  return operations as Operation[];
}

function checkPointer(pointer: unknown, at: string): void {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/'))) {
    throw new PatchError('malformed', `error decoding patch: ${at} is not a JSON pointer ("/spec/replicas")`);
  }
  if (pointer.split('/').includes('__proto__')) throw new PatchError('malformed', `${at}: __proto__ is not a field`);
}

function underDocument(operation: Operation): Operation {
  const moved = { ...operation, path: `/document${operation.path}` };
  return 'from' in moved ? { ...moved, from: `/document${moved.from}` } : moved;
}

function explain(operation: Operation, error: Error): string {
  const path = operation.path.slice('/document'.length);
  if (operation.op === 'test')
    return `the server rejected our request due to an error in our request: testing value ${path} failed`;
  const why = error.name === 'MissingError' ? 'missing value' : error.message;
  return `the server rejected our request due to an error in our request: ${operation.op} operation does not apply: doc is missing path: "${path}": ${why}`;
}
