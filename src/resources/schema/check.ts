// Checks an object against its kind's schema: unknown fields, types, enums, limits, formats, required fields.

import type { FieldPath } from '../field-path.ts';
import type { Finding } from '../finding.ts';
import type { Kind } from '../kinds.ts';
import { nearest } from '../nearest.ts';
import { kindId } from '../object.ts';
import { KIND_IDS } from '../types.ts';
import { type FieldSchema, fieldsOf } from './fields.ts';
import { type ModelError, modelCheck } from './models.ts';

/**
 * What an API server with strict field validation refuses: fields the kind does not have, and values its schema does not allow.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
 *
 * @param kind the kind of the object
 * @param object the object; its `apiVersion` may be any served one
 */
export function checkSchema(kind: Kind, object: object): Finding[] {
  const findings: Finding[] = [];
  const fields = fieldsOf(kind);
  findUnknown(object, fields, [], findings);
  const apiVersion = fields.child('apiVersion')?.values?.[0];
  const errors = modelCheck(kind)({ ...object, apiVersion });
  for (const [pointer, group] of groupBy(errors, (error) => error.instancePath)) {
    const path = resolvePointer(object, pointer);
    if (kindId(kind.group, kind.name) === KIND_IDS.Secret && (path[0] === 'data' || path[0] === 'stringData')) {
      findings.push(secretFinding(path));
      continue;
    }
    findings.push(...describe(group, path, valueAt(object, path), schemaAt(fields, path)));
  }
  return findings;
}

/** Says nothing of the value: what stands in a Secret must not reach a log. */
function secretFinding(path: FieldPath): Finding {
  const message =
    path.length === 1
      ? 'must be an object: names with text'
      : path[0] === 'data'
        ? 'must be base64 text'
        : 'must be a string';
  return {
    path,
    severity: 'error',
    message,
    hint: 'numbers, true and false need quotes; plain text belongs under stringData',
  };
}

function findUnknown(value: unknown, schema: FieldSchema | undefined, path: FieldPath, findings: Finding[]): void {
  if (typeof value !== 'object' || value === null || schema === undefined) return;
  if (Array.isArray(value)) {
    const items = schema.child(0);
    if (items !== undefined) value.forEach((item, index) => void findUnknown(item, items, [...path, index], findings));
    return;
  }
  for (const key of Object.keys(value)) {
    if (schema.fields !== undefined && !schema.fields.includes(key)) {
      findings.push({
        path: [...path, key],
        at: 'key',
        severity: 'error',
        message: 'unknown field',
        hint: hintFor(key, schema.fields),
      });
    } else {
      findUnknown((value as Record<string, unknown>)[key], schema.child(key), [...path, key], findings);
    }
  }
}

function hintFor(key: string, fields: readonly string[]): string {
  const guess = nearest(key.replaceAll(/[_-]/g, ''), fields);
  return guess === undefined ? `the fields here: ${fields.toSorted().join(', ')}` : `did you mean ${guess}?`;
}

/** All errors at one value as findings people can act on. */
function describe(
  errors: readonly ModelError[],
  path: FieldPath,
  value: unknown,
  schema: FieldSchema | undefined,
): Finding[] {
  const of = (keyword: string) => errors.filter((error) => error.keyword === keyword);
  const wrongType = of('type');
  if (wrongType.length > 0) {
    const wanted = new Set(wrongType.flatMap((error) => error.params.type as string));
    const hint = typeHint(value, wanted);
    return [
      {
        path,
        severity: 'error',
        message: `expected ${[...wanted].map(withArticle).join(' or ')}, found ${show(value)}`,
        ...hint,
      },
    ];
  }
  const choice = of('oneOf')[0];
  if (choice !== undefined) {
    const set = Object.keys((value ?? {}) as object);
    const several = choice.params.passingSchemas !== null || set.length > 1;
    const message = several
      ? `only one of ${set.join(', ')} may be set`
      : `one of ${(schema?.fields ?? []).join(', ')} must be set`;
    return [{ path, severity: 'error', message }];
  }
  return errors.flatMap((error) => describeOne(error, path, value));
}

function describeOne(error: ModelError, path: FieldPath, value: unknown): Finding[] {
  const { params } = error;
  switch (error.keyword) {
    case 'required':
      return [{ path: [...path, params.missingProperty as string], severity: 'error', message: 'is required' }];
    case 'enum': {
      const allowed = (params.allowedValues as unknown[]).map(String);
      const guess = typeof value === 'string' ? nearest(value, allowed) : undefined;
      const hint = guess === undefined ? {} : { hint: `did you mean ${guess}?` };
      return [
        { path, severity: 'error', message: `expected one of ${allowed.join(', ')}, found ${show(value)}`, ...hint },
      ];
    }
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return [
        {
          path,
          severity: 'error',
          message: `must be ${String(params.comparison)} ${String(params.limit)}, found ${show(value)}`,
        },
      ];
    case 'maxLength':
      return [{ path, severity: 'error', message: `is longer than ${String(params.limit)} characters` }];
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      if (params.limit === 1) return [{ path, severity: 'error', message: 'must not be empty' }];
      return [{ path, severity: 'error', message: `needs at least ${String(params.limit)}` }];
    case 'pattern':
      return [{ path, severity: 'error', message: `${show(value)} does not match ${String(params.pattern)}` }];
    case 'format':
      return [
        {
          path,
          severity: 'error',
          message: `${show(value)} is no ${FORMATS[String(params.format)] ?? String(params.format)}`,
        },
      ];
    case 'anyOf':
    case 'not':
      return [{ path, severity: 'error', message: `${show(value)} is not allowed here` }];
    default:
      return [{ path, severity: 'error', message: error.message ?? `fails the schema (${error.keyword})` }];
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  byte: 'base64 text',
  'date-time': 'RFC 3339 time such as 2026-01-31T12:00:00Z',
  quantity: 'quantity such as 500m or 1Gi',
};

function typeHint(value: unknown, wanted: ReadonlySet<string>): { hint?: string } {
  if (wanted.has('string') && (typeof value === 'number' || typeof value === 'boolean'))
    return { hint: `write it in quotes: "${String(value)}"` };
  if (wanted.has('integer') && typeof value === 'string' && /^-?\d+$/.test(value))
    return { hint: `write it without quotes: ${value}` };
  if (wanted.has('boolean') && typeof value === 'string') return { hint: 'write true or false, without quotes' };
  if (wanted.has('array')) return { hint: 'write a list: each item on its own line, behind "- "' };
  return {};
}

const NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function withArticle(type: string): string {
  return NAMES[type] ?? type;
}

/** A value as a message names it. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function schemaAt(root: FieldSchema, path: FieldPath): FieldSchema | undefined {
  return path.reduce<FieldSchema | undefined>((schema, segment) => schema?.child(segment), root);
}

function valueAt(root: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>(
    (value, segment) => (value as Record<string | number, unknown> | undefined)?.[segment],
    root,
  );
}

/** A JSON pointer as a path; whether `0` is an index or a key depends on the value it is applied to. */
function resolvePointer(root: unknown, pointer: string): FieldPath {
  let value = root;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const segment = Array.isArray(value) ? Number(name) : name;
      value = (value as Record<string | number, unknown> | null | undefined)?.[segment];
      return segment;
    });
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
