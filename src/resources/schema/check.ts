// Checks an object against its kind's schema: unknown fields, types, enums, limits, formats, required fields.

import { type FieldPath, valueAt } from '../field-path.ts';
import type { Finding } from '../finding.ts';
import type { Kind } from '../kinds.ts';
import { nearest } from '../nearest.ts';
import { kindId } from '../object.ts';
import { schemaOf } from '../openapi/definitions.ts';
import { type SchemaError, validate } from '../openapi/validate.ts';
import { KIND_IDS } from '../types.ts';

/**
 * What an API server with strict field validation refuses: fields the kind does not have, and values its schema does not allow.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
 *
 * @param kind the kind of the object
 * @param object the object; its `apiVersion` may be any served one
 */
export function checkSchema(kind: Kind, object: object): Finding[] {
  const schema = schemaOf(kind);
  if (schema === undefined) return [];
  const isSecret = kindId(kind.group, kind.name) === KIND_IDS.Secret;
  return validate(schema, object).map((error) => {
    const { path } = error;
    if (isSecret && (path[0] === 'data' || path[0] === 'stringData')) return secretFinding(path);
    return describe(error, valueAt(object, path));
  });
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

/** An error of the schema as a finding people can act on. */
function describe(error: SchemaError, value: unknown): Finding {
  const finding = (message: string, more: Pick<Finding, 'hint' | 'at'> = {}): Finding => ({
    path: error.path,
    severity: 'error',
    message,
    ...more,
  });
  switch (error.keyword) {
    case 'unknown':
      return finding('unknown field', { at: 'key', hint: hintFor(String(error.path.at(-1)), error.fields) });
    case 'type': {
      const wanted = new Set(error.types);
      return finding(
        `expected ${[...wanted].map(withArticle).join(' or ')}, found ${show(value)}`,
        typeHint(value, wanted),
      );
    }
    case 'required':
      return finding('is required');
    case 'enum': {
      const allowed = error.values.map(String);
      const guess = typeof value === 'string' ? nearest(value, allowed) : undefined;
      const hint = guess === undefined ? {} : { hint: `did you mean ${guess}?` };
      return finding(`expected one of ${allowed.join(', ')}, found ${show(value)}`, hint);
    }
    case 'oneOf': {
      const set = Object.keys((value ?? {}) as object);
      const several = error.fitting > 1 || set.length > 1;
      return finding(
        several ? `only one of ${set.join(', ')} may be set` : `one of ${error.fields.join(', ')} must be set`,
      );
    }
    case 'minimum':
      return finding(`must be ${error.exclusive ? '>' : '>='} ${error.limit}, found ${show(value)}`);
    case 'maximum':
      return finding(`must be ${error.exclusive ? '<' : '<='} ${error.limit}, found ${show(value)}`);
    case 'multipleOf':
      return finding(`must be a multiple of ${error.limit}, found ${show(value)}`);
    case 'maxLength':
      return finding(`is longer than ${error.limit} characters`);
    case 'maxItems':
    case 'maxProperties':
      return finding(`has more than ${error.limit}`);
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return finding(error.limit === 1 ? 'must not be empty' : `needs at least ${error.limit}`);
    case 'pattern':
      return finding(`${show(value)} does not match ${error.pattern}`);
    case 'format':
      return finding(`${show(value)} is no ${FORMATS[error.format] ?? error.format}`);
    case 'uniqueItems':
      return finding('has an item twice');
    case 'anyOf':
    case 'not':
      return finding(`${show(value)} is not allowed here`);
  }
}

function hintFor(key: string, fields: readonly string[]): string {
  const guess = nearest(key.replaceAll(/[_-]/g, ''), fields);
  return guess === undefined ? `the fields here: ${fields.toSorted().join(', ')}` : `did you mean ${guess}?`;
}

const FORMATS: Readonly<Record<string, string>> = {
  byte: 'base64 text',
  int32: 'number of 32 bits',
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
