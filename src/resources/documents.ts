// YAML text as documents whose fields have places. Knows YAML (and JSON, a subset of it), not what the documents mean.

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseAllDocuments,
  type Scalar,
} from 'yaml';
import type { FieldPath } from './field-path.ts';

/** A piece of a file that can be parsed alone: mostly one document. */
export interface Chunk {
  text: string;
  /** Lines of the file before it. */
  line: number;
}

/** A place in a chunk, both counted from 1. */
export interface Position {
  line: number;
  column: number;
}

/** One document of a chunk: its value, or why it has none. */
export interface YamlDocument {
  /** The document as JavaScript data; null when it is empty or has errors. */
  value: unknown;
  errors: { position: Position; message: string; hint?: string }[];
  /** Where a field stands: its value, or its name where the value has no place of its own. The nearest parent when there is no such field. */
  locate(path: FieldPath, at?: 'key'): Position;
}

/**
 * Cuts YAML text at its document separators. `---` at the start of a line is one wherever it stands: YAML forbids it even
 * inside block scalars and quotes (https://yaml.org/spec/1.2.2/#912-document-markers, c-forbidden). Text with directives
 * (`%YAML 1.2`), which reach into the next document, stays in one piece.
 */
export function splitDocuments(text: string): Chunk[] {
  if (/^%/m.test(text)) return [{ text, line: 0 }];
  const chunks: Chunk[] = [];
  let start = 0;
  let line = 0;
  for (const match of text.matchAll(/^---(?=[ \t\r\n]|$)/gm)) {
    if (match.index === start) continue;
    const chunk = text.slice(start, match.index);
    chunks.push({ text: chunk, line });
    line += countLines(chunk);
    start = match.index;
  }
  chunks.push({ text: text.slice(start), line });
  return chunks;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

/**
 * The longest document, in characters: 1.5 MB, what etcd takes as one object by default and so the largest a Kubernetes cluster can
 * hold. Parsing costs several seconds and some hundred bytes of memory a byte for text made to be slow.
 */
const MAX_DOCUMENT_LENGTH = 1.5 * 1024 * 1024;
/** Aliases a document may resolve to, in all: far beyond honest use, far below a "billion laughs". */
const MAX_ALIASES = 1000;
/** Brackets or list dashes in one run: nesting that no configuration has, and that only serves to overflow the parser's stack. */
const TOO_DEEP = /(?:[[{][ \t\r\n]*){200}|(?:[-?][ \t]+){200}/;

const TOO_DEEP_MESSAGE = 'is nested too deeply';

/** Parses one chunk. Never throws. */
export function parseDocuments(text: string): YamlDocument[] {
  const start = { line: 1, column: 1 };
  if (text.length > MAX_DOCUMENT_LENGTH) {
    const size = (text.length / (1024 * 1024)).toFixed(1);
    return [
      failed(
        start,
        `the document has ${size} MB, more than the 1.5 MB that an object may have`,
        'split it, a List into documents of their own: put "---" between them',
      ),
    ];
  }
  if (TOO_DEEP.test(text)) return [failed(start, TOO_DEEP_MESSAGE)];
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      uniqueKeys: false,
    });
    if ('empty' in documents) return [];
    return documents.map((document) => readDocument(document, position));
  } catch (error) {
    // A RangeError of the parser's recursion; whatever else, a file must not end the process.
    return [
      failed(start, error instanceof RangeError ? TOO_DEEP_MESSAGE : `cannot be parsed: ${(error as Error).message}`),
    ];
  }
}

function failed(position: Position, message: string, hint?: string): YamlDocument {
  return {
    value: null,
    errors: [{ position, message, ...(hint === undefined ? {} : { hint }) }],
    locate: () => position,
  };
}

function readDocument(document: Document.Parsed, position: (offset: number) => Position): YamlDocument {
  const [first] = document.errors;
  // The first error of a document explains it; the ones after are mostly its consequences.
  if (first !== undefined) {
    const { message, hint } = explain(first.code, first.message);
    return failed(position(first.pos[0]), message, hint);
  }
  try {
    const twice = findDuplicateKey(document.contents);
    if (twice !== undefined)
      return failed(
        position(twice.range?.[0] ?? 0),
        `${String(twice.value)} stands twice in one object`,
        'keep one of the two; a list takes several items, each behind "- "',
      );
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { value, errors: [], locate: (path, at) => position(offsetOf(document, path, at)) };
  } catch (error) {
    const start = position(document.contents?.range?.[0] ?? 0);
    if (error instanceof ReferenceError && /alias/i.test(error.message))
      return failed(
        start,
        'its aliases expand to too much',
        `at most ${MAX_ALIASES} aliases a document: write the repeated parts out`,
      );
    if (error instanceof RangeError) return failed(start, TOO_DEEP_MESSAGE);
    return failed(start, `cannot be read: ${(error as Error).message}`);
  }
}

/** A key that its map has already. The parser's own check compares each key with each other one. */
function findDuplicateKey(node: unknown): Scalar | undefined {
  if (isMap(node)) {
    const seen = new Set<unknown>();
    for (const { key, value } of node.items) {
      if (isScalar(key) && key.value !== '<<') {
        if (seen.has(key.value)) return key;
        seen.add(key.value);
      }
      const inner = findDuplicateKey(value);
      if (inner !== undefined) return inner;
    }
  } else if (isSeq(node)) {
    for (const item of node.items) {
      const inner = findDuplicateKey(item);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

/** The parser's messages that can say more about what to do. */
function explain(code: string, message: string): { message: string; hint?: string } {
  const text = message.charAt(0).toLowerCase() + message.slice(1);
  switch (code) {
    case 'RESOURCE_EXHAUSTION':
      return { message: TOO_DEEP_MESSAGE };
    case 'TAB_AS_INDENT':
      return { message: 'a tab is used as indentation', hint: 'indent with spaces' };
    case 'BAD_INDENT':
      return { message: text, hint: 'fields of one object start in the same column' };
    case 'MULTILINE_IMPLICIT_KEY':
    case 'MISSING_CHAR':
    case 'BLOCK_AS_IMPLICIT_KEY':
      return { message: text, hint: 'look for a missing ":" or quote, here or on the line before' };
    default:
      return { message: text };
  }
}

function offsetOf(document: Document.Parsed, path: FieldPath, at: 'key' | undefined): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const [index, segment] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = (node.items as Pair[]).find(
        ({ key }) => String(isScalar(key) ? key.value : key) === String(segment),
      );
      if (pair === undefined) return offset;
      const key = startOf(pair.key) ?? offset;
      node = pair.value;
      const pointsAtKey = at === 'key' && index === path.length - 1;
      offset = !pointsAtKey && isScalar(node) && node.value !== null ? (startOf(node) ?? key) : key;
    } else if (isSeq(node) && typeof segment === 'number') {
      const item: unknown = node.items[segment];
      if (item === undefined) return offset;
      offset = startOf(item) ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
