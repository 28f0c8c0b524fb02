// Text (YAML or JSON) to checked objects: parse, look up the kind, check schema and semantics, set defaults.

import { withDefaults } from './defaults.ts';
import { type Chunk, type Position, parseDocuments, splitDocuments, type YamlDocument } from './documents.ts';
import { type FieldPath, formatFieldPath, parseFieldPath } from './field-path.ts';
import { error, type Finding, warning } from './finding.ts';
import { type Kind, lookUpKind } from './kinds.ts';
import { checkName } from './names.ts';
import { describeKey, keyId, keyOf, type ResourceObject } from './object.ts';
import type { Problem } from './problem.ts';
import { checkSchema } from './schema/check.ts';
import { checkSemantics } from './validation/semantics.ts';
import { withoutNulls } from './without-nulls.ts';

/** An object and where it was written. */
export interface LoadedObject {
  readonly object: ResourceObject;
  readonly file: string;
  /** The line its document starts on. */
  readonly line: number;
  /**
   * Where a field (`spec.servers[0].port.number`) stands, or with `key` its name; the nearest parent when there is no such field. Parses the
   * object's text again, so that ten thousand objects need not keep ten thousand syntax trees.
   */
  locate(field: string | FieldPath, at?: 'key'): Position;
  /** One line of the file, for showing what a problem points at; undefined when it may hold a secret. */
  sourceLine(line: number): string | undefined;
}

/** What a file holds. An object with an error is not among `objects`; one with warnings is. */
export interface LoadResult {
  objects: LoadedObject[];
  problems: Problem[];
}

export interface LoadOptions {
  /** Remembers what the documents of one file became, so that a file with one changed document has only that one parsed again. */
  cache?: DocumentCache;
  /** For the dates of certificates. */
  now?: Date;
}

/** After so many problems nobody reads on. */
const MAX_PROBLEMS = 200;

/** What to do when two objects have one key. */
export const SAME_KEY_HINT = 'give one of them another name, or delete it';

/** The longest text that is read. A file with ten thousand VirtualServices has about 4 MB. */
export const MAX_TEXT_LENGTH = 8 * 1024 * 1024;

/**
 * Reads all objects of a YAML or JSON text: several documents, `List`s, objects. Never throws: what is wrong with the text is among the problems.
 *
 * @param text the content of the file
 * @param file its name, for messages
 */
export function loadDocuments(text: string, file: string, options: LoadOptions = {}): LoadResult {
  const steps = loadSteps(text, file, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function tooManyProblems(file: string): Problem {
  const message = `has more than ${MAX_PROBLEMS} problems; the rest of it was not read`;
  return { severity: 'error', file, line: 0, column: 0, message, hint: 'is it a configuration file at all?' };
}

/** The problem of a file that is too long to be read. */
export function tooLong(file: string, length: number): Problem {
  const message = `has ${megabytes(length)} MB, more than the ${megabytes(MAX_TEXT_LENGTH)} MB that one file may have`;
  const hint = 'split it into several files, or leave it out of the folder when it is no configuration';
  return { severity: 'error', file, line: 0, column: 0, message, hint };
}

/** {@link loadDocuments} in steps of one document each, for a caller that has other things to do in between. */
export function* loadSteps(text: string, file: string, options: LoadOptions = {}): Generator<void, LoadResult> {
  if (text.length > MAX_TEXT_LENGTH) return { objects: [], problems: [tooLong(file, text.length)] };
  const now = options.now ?? new Date();
  const chunks = splitDocuments(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  const result: LoadResult = { objects: [], problems: [] };
  const seen = new Map<string, LoadedObject>();
  options.cache?.begin();
  for (const chunk of chunks) {
    if (/^(?:---)?\s*$/.test(chunk.text)) continue;
    let read = options.cache?.get(chunk.text);
    if (read === undefined) {
      read = readChunk(chunk.text, now);
      yield;
    }
    options.cache?.set(chunk.text, read);
    if (result.problems.length + read.problems.length > MAX_PROBLEMS) {
      result.problems.push(tooManyProblems(file));
      break;
    }
    for (const problem of read.problems) {
      const source = shownLine(chunk.text, problem.line);
      const line = problem.line + chunk.line;
      result.problems.push({ ...problem, file, line, ...(source === undefined ? {} : { source }) });
    }
    for (const found of read.objects) {
      const loaded = placed(found, chunk, file);
      const key = keyId(keyOf(found.object));
      const first = seen.get(key);
      if (first === undefined) {
        seen.set(key, loaded);
        result.objects.push(loaded);
      } else {
        result.problems.push(
          problemOf(
            loaded,
            error(['metadata', 'name'], `stands twice, first at ${first.file}:${first.line}`, SAME_KEY_HINT),
          ),
        );
      }
    }
  }
  options.cache?.end();
  return result;
}

/** What the documents of a text became the last time it was read. One for each file. */
export class DocumentCache {
  #last = new Map<string, ReadChunk>();
  #next = new Map<string, ReadChunk>();

  /** @internal Starts a reading. */
  begin(): void {
    this.#next = new Map();
  }

  /** @internal */
  get(text: string): ReadChunk | undefined {
    return this.#last.get(text) ?? this.#next.get(text);
  }

  /** @internal */
  set(text: string, read: ReadChunk): void {
    this.#next.set(text, read);
  }

  /** @internal Ends a reading: what the text no longer holds is forgotten. */
  end(): void {
    this.#last = this.#next;
  }
}

/** Objects and problems of one chunk; lines are those of the chunk. */
interface ReadChunk {
  objects: FoundObject[];
  problems: Omit<Problem, 'file' | 'source'>[];
}

/** An object, which document of its chunk it stands in, and where in the document (`items[3]` of a List). */
interface FoundObject {
  object: ResourceObject;
  document: number;
  path: FieldPath;
  line: number;
}

function readChunk(text: string, now: Date): ReadChunk {
  const read: ReadChunk = { objects: [], problems: [] };
  for (const [index, document] of parseDocuments(text).entries()) {
    for (const { position, message, hint } of document.errors)
      read.problems.push({ severity: 'error', ...position, message, ...(hint === undefined ? {} : { hint }) });
    if (document.value !== null && document.value !== undefined)
      readValue(document.value, [], document, index, now, read);
  }
  return read;
}

/** Reads an object, or each object of a List, that stands at `path` of a document. */
function readValue(
  value: unknown,
  path: FieldPath,
  document: YamlDocument,
  index: number,
  now: Date,
  read: ReadChunk,
): void {
  const report = (findings: readonly Finding[], object?: string) => {
    for (const { path: field, severity, message, hint, at, broken } of findings) {
      const full = [...path, ...field];
      const position = document.locate(full, at);
      const name = formatFieldPath(object === undefined ? full : field);
      read.problems.push({
        severity,
        ...position,
        ...(object === undefined ? {} : { object }),
        ...(name === '' ? {} : { field: name }),
        message,
        ...(hint === undefined ? {} : { hint }),
        ...(broken === undefined ? {} : { broken }),
      });
    }
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'nothing'
        : `the ${typeof value} ${JSON.stringify(value).slice(0, 40)}`;
    report([
      { path: [], severity: 'error', message: `expected an object with apiVersion, kind and metadata, found ${found}` },
    ]);
    return;
  }
  const object = withoutNulls(value) as Record<string, unknown>;
  const { apiVersion, kind: kindName } = object;
  if (typeof kindName === 'string' && kindName.endsWith('List') && Array.isArray(object.items)) {
    for (const [item, content] of object.items.entries())
      readValue(content, [...path, 'items', item], document, index, now, read);
    return;
  }
  const missing = (['apiVersion', 'kind'] as const).find(
    (field) => typeof object[field] !== 'string' || object[field] === '',
  );
  if (missing !== undefined) {
    const message = object[missing] === undefined ? 'is required' : 'must be a string that is not empty';
    report([
      {
        path: [missing],
        severity: 'error',
        message,
        hint: 'every object starts like "apiVersion: networking.istio.io/v1" and "kind: Gateway"',
      },
    ]);
    return;
  }
  const lookup = lookUpKind(apiVersion as string, kindName as string);
  if (lookup.found === 'unknown') {
    const { at, message, hint } = lookup;
    report([{ path: [at], severity: 'error', message, ...(hint === undefined ? {} : { hint }) }]);
    return;
  }
  if (lookup.found === 'not-served') {
    const message = `${kindName as string} (${apiVersion as string}) is not served yet, ignored`;
    report([{ path: ['kind'], severity: 'warning', message }]);
    return;
  }
  const { kind } = lookup;
  if (!kind.verbs.includes('get')) {
    const message = `${kind.name} is a question to the API server, not an object: ignored`;
    report([{ path: ['kind'], severity: 'warning', message }]);
    return;
  }
  const findings = [...notActedOn(kind), ...check(kind, object, now)];
  report(findings, nameOf(kind, object));
  if (findings.some(({ severity }) => severity === 'error')) return;
  const { line } = document.locate([...path, 'apiVersion'], 'key');
  read.objects.push({ object: withDefaults(kind, object as unknown as ResourceObject), document: index, path, line });
}

/** Limen has the object and does not act on it. Silence would let people believe that it protects or routes something. */
function notActedOn(kind: Kind): Finding[] {
  return kind.storedOnly === undefined
    ? []
    : [warning(['kind'], `${kind.name} is stored, not served yet: ${kind.storedOnly}`)];
}

/** Everything one object alone can have wrong. The semantic checks need the types to be right. */
function check(kind: Kind, object: Record<string, unknown>, now: Date): Finding[] {
  const schema = [...checkName(kind, object.metadata), ...checkSchema(kind, object)];
  if (schema.some(({ severity }) => severity === 'error')) return uniqueByPath(schema);
  return [...schema, ...checkSemantics(kind, object as unknown as ResourceObject, now)];
}

/** The name check and the schema may both miss `metadata.name`: once is enough. */
function uniqueByPath(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ path }) => {
    const key = formatFieldPath(path);
    return !seen.has(key) && seen.add(key);
  });
}

function nameOf(kind: Kind, object: Record<string, unknown>): string {
  const metadata = (typeof object.metadata === 'object' ? object.metadata : {}) as {
    name?: unknown;
    namespace?: unknown;
  };
  const name = typeof metadata.name === 'string' ? metadata.name : '(no name)';
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : 'default';
  return describeKey({ kind: kind.name, namespace: kind.namespaced ? namespace : '', name });
}

function placed({ object, document, path, line }: FoundObject, chunk: Chunk, file: string): LoadedObject {
  return {
    object,
    file,
    line: line + chunk.line,
    locate(field, at) {
      const full = [...path, ...(typeof field === 'string' ? parseFieldPath(field) : field)];
      const position = parseDocuments(chunk.text)[document]?.locate(full, at) ?? { line, column: 1 };
      return { line: position.line + chunk.line, column: position.column };
    },
    sourceLine: (at) => shownLine(chunk.text, at - chunk.line),
  };
}

/** A finding about a loaded object, with its place in the file. */
export function problemOf(loaded: LoadedObject, { path, severity, message, hint, at, broken }: Finding): Problem {
  const { line, column } = loaded.locate(path, at);
  const source = loaded.sourceLine(line);
  return {
    severity,
    file: loaded.file,
    line,
    column,
    object: describeKey(keyOf(loaded.object)),
    ...(path.length === 0 ? {} : { field: formatFieldPath(path) }),
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(source === undefined ? {} : { source }),
    ...(broken === undefined ? {} : { broken }),
  };
}

/** A line of a document for showing it; none of a document with a Secret, since it may be its private key. */
function shownLine(text: string, line: number): string | undefined {
  return /\bSecret\b/.test(text) ? undefined : lineOf(text, line);
}

function lineOf(text: string, line: number): string | undefined {
  let start = 0;
  for (let skipped = 1; skipped < line; skipped++) {
    start = text.indexOf('\n', start) + 1;
    if (start === 0) return undefined;
  }
  const end = text.indexOf('\n', start);
  return text.slice(start, end < 0 ? undefined : end).replace(/\r$/, '');
}

function megabytes(length: number): string {
  return (length / (1024 * 1024)).toFixed(length % (1024 * 1024) === 0 ? 0 : 1);
}
