// Checks a value against a schema: types, limits, formats, required fields, and fields that the schema does not have.

import { RE2JS } from 're2js';
import type { FieldPath } from '../field-path.ts';
import { resolveRef } from './definitions.ts';
import type { Schema } from './schema.ts';

/** One thing that is wrong with a value. */
export type SchemaError = { path: FieldPath } & (
  | { keyword: 'type'; types: readonly string[] }
  /** `path` is the missing field's. */
  | { keyword: 'required' }
  /** A field the schema does not have; `fields` are those it has there. `path` is the unknown field's. */
  | { keyword: 'unknown'; fields: readonly string[] }
  | { keyword: 'enum'; values: readonly unknown[] }
  | { keyword: 'pattern'; pattern: string }
  | { keyword: 'format'; format: string }
  | { keyword: 'minimum' | 'maximum'; limit: number; exclusive: boolean }
  | {
      keyword: 'minLength' | 'maxLength' | 'minItems' | 'maxItems' | 'minProperties' | 'maxProperties' | 'multipleOf';
      limit: number;
    }
  /** How many of the choices fit, and the fields they are about. */
  | { keyword: 'oneOf'; fitting: number; fields: readonly string[] }
  | { keyword: 'anyOf' | 'not' | 'uniqueItems' }
);

/**
 * All that is wrong with a value. A field that is null counts as absent, as for Kubernetes' own kinds.
 *
 * @param schema what it should be
 * @param value parsed JSON or YAML
 */
export function validate(schema: Schema, value: unknown): SchemaError[] {
  const errors: SchemaError[] = [];
  check(schema, value, [], errors, true);
  return errors;
}

/**
 * @param closed whether fields are looked for that the schema does not have: not in a branch of anyOf, oneOf or not, which
 * speaks of some of the fields only
 */
function check(reference: Schema, value: unknown, path: FieldPath, errors: SchemaError[], closed: boolean): void {
  const schema = resolveRef(reference);
  const types = typesOf(schema);
  if (types !== undefined && !types.some((type) => isOfType(value, type))) {
    if (value !== null || schema.nullable !== true) errors.push({ path, keyword: 'type', types });
    return;
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    errors.push({ path, keyword: 'enum', values: schema.enum });
  if (typeof value === 'string') checkText(schema, value, path, errors);
  else if (typeof value === 'number') checkNumber(schema, value, path, errors);
  else if (Array.isArray(value)) checkList(schema, value, path, errors, closed);
  else if (typeof value === 'object' && value !== null) checkObject(schema, value, path, errors, closed);
  checkChoices(schema, value, path, errors, closed);
}

function checkText(schema: Schema, value: string, path: FieldPath, errors: SchemaError[]): void {
  const { minLength, maxLength, pattern, format } = schema;
  if (maxLength !== undefined && value.length > maxLength && lengthOf(value) > maxLength)
    errors.push({ path, keyword: 'maxLength', limit: maxLength });
  if (minLength !== undefined && lengthOf(value) < minLength)
    errors.push({ path, keyword: 'minLength', limit: minLength });
  if (pattern !== undefined && !matches(schema, pattern, value)) errors.push({ path, keyword: 'pattern', pattern });
  if (format !== undefined && TEXT_FORMATS[format]?.(value) === false) errors.push({ path, keyword: 'format', format });
}

function checkNumber(schema: Schema, value: number, path: FieldPath, errors: SchemaError[]): void {
  const { minimum, maximum, exclusiveMinimum = false, exclusiveMaximum = false, multipleOf, format } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    errors.push({ path, keyword: 'minimum', limit: minimum, exclusive: exclusiveMinimum });
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    errors.push({ path, keyword: 'maximum', limit: maximum, exclusive: exclusiveMaximum });
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    errors.push({ path, keyword: 'multipleOf', limit: multipleOf });
  if (format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) errors.push({ path, keyword: 'format', format });
}

function checkList(schema: Schema, value: unknown[], path: FieldPath, errors: SchemaError[], closed: boolean): void {
  const { minItems, maxItems, uniqueItems, items } = schema;
  if (maxItems !== undefined && value.length > maxItems) errors.push({ path, keyword: 'maxItems', limit: maxItems });
  if (minItems !== undefined && value.length < minItems) errors.push({ path, keyword: 'minItems', limit: minItems });
  if (uniqueItems === true && new Set(value.map((item) => JSON.stringify(item))).size < value.length)
    errors.push({ path, keyword: 'uniqueItems' });
  if (items !== undefined)
    for (const [index, item] of value.entries()) check(items, item, [...path, index], errors, closed);
}

function checkObject(schema: Schema, value: object, path: FieldPath, errors: SchemaError[], closed: boolean): void {
  const { minProperties, maxProperties, required, properties, additionalProperties } = schema;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== null);
  if (maxProperties !== undefined && entries.length > maxProperties)
    errors.push({ path, keyword: 'maxProperties', limit: maxProperties });
  if (minProperties !== undefined && entries.length < minProperties)
    errors.push({ path, keyword: 'minProperties', limit: minProperties });
  for (const name of required ?? []) {
    const present = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    if (present === undefined || present === null) errors.push({ path: [...path, name], keyword: 'required' });
  }
  const free = additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  for (const [name, inner] of entries) {
    const property = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property !== undefined) check(property, inner, [...path, name], errors, closed);
    else if (typeof additionalProperties === 'object')
      check(additionalProperties, inner, [...path, name], errors, closed);
    else if (closed && !free && schema.type === 'object')
      errors.push({ path: [...path, name], keyword: 'unknown', fields: Object.keys(properties ?? {}) });
  }
}

function checkChoices(schema: Schema, value: unknown, path: FieldPath, errors: SchemaError[], closed: boolean): void {
  const fits = (choice: Schema) => {
    const found: SchemaError[] = [];
    check(choice, value, path, found, false);
    return found.length === 0;
  };
  for (const part of schema.allOf ?? []) check(part, value, path, errors, closed && part.$ref !== undefined);
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) errors.push({ path, keyword: 'anyOf' });
  if (schema.not !== undefined && fits(schema.not)) errors.push({ path, keyword: 'not' });
  if (schema.oneOf !== undefined) {
    const fitting = schema.oneOf.filter(fits).length;
    if (fitting !== 1) errors.push({ path, keyword: 'oneOf', fitting, fields: Object.keys(schema.properties ?? {}) });
  }
}

const unions = new WeakMap<Schema, readonly string[] | false>();

/** The types a value may have; undefined where any will do. A choice between types alone is one of types. */
function typesOf(schema: Schema): readonly string[] | undefined {
  let types = unions.get(schema);
  if (types === undefined) {
    const choices = schema.anyOf ?? schema.oneOf ?? [];
    if (schema.type !== undefined) types = [schema.type];
    else if (
      choices.length > 0 &&
      choices.every((choice) => choice.type !== undefined && Object.keys(choice).length === 1)
    )
      types = choices.map((choice) => choice.type!);
    else types = schema['x-kubernetes-int-or-string'] === true ? ['integer', 'string'] : false;
    unions.set(schema, types);
  }
  return types === false ? undefined : types;
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

const patterns = new WeakMap<Schema, RE2JS | false>();

/** In linear time: the pattern may come with a CustomResourceDefinition. One that is no regular expression refuses nothing. */
function matches(schema: Schema, pattern: string, value: string): boolean {
  let compiled = patterns.get(schema);
  if (compiled === undefined) {
    try {
      compiled = RE2JS.compile(pattern);
    } catch {
      compiled = false;
    }
    patterns.set(schema, compiled);
  }
  return compiled === false || compiled.matcher(value).find();
}

/** In characters, as JSON Schema counts, not in UTF-16 units. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const RFC_3339 = /^\d{4}-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;
/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
const QUANTITY = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;

const TEXT_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  byte: (text) => BASE64.test(text),
  'date-time': isDateTime,
  quantity: (text) => QUANTITY.test(text),
};

function isDateTime(text: string): boolean {
  const parts = RFC_3339.exec(text)?.slice(1).map(Number) as [number, number, number, number, number] | undefined;
  if (parts === undefined) return false;
  const [month, day, hour, minute, second] = parts;
  return (
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= new Date(Date.UTC(Number(text.slice(0, 4)), month, 0)).getUTCDate() &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 60
  );
}
