// What a schema finds, in the words of kube-apiserver: unknown fields, and causes of an Invalid status.

import { type FieldPath, formatFieldPath, valueAt } from '../../resources/field-path.ts';
import { type SchemaError, validate } from '../../resources/openapi/validate.ts';
import type { ApiResource } from '../api-resource.ts';
import type { StatusCause } from '../status.ts';
import { describeTypeError } from './decoding-errors.ts';

/** What is wrong with an object by its schema. */
export interface SchemaFindings {
  /** Fields the kind does not have, as paths. */
  unknown: readonly FieldPath[];
  causes: readonly StatusCause[];
  /** Values that Kubernetes could not even decode, in its words: of wrong types, in its own kinds. Their causes are among `causes`. */
  undecodable: readonly string[];
}

const CLEAN: SchemaFindings = { unknown: [], causes: [], undecodable: [] };

/** Checks an object against the schema of its kind. */
export function checkAgainstSchema(object: object, resource: ApiResource): SchemaFindings {
  const { schema } = resource;
  if (schema === undefined) return CLEAN;
  const errors = validate(schema, object);
  if (errors.length === 0) return CLEAN;
  const isSecret = resource.kindId === 'Secret';
  const wrongTypes = resource.isCustom ? [] : errors.filter(({ keyword }) => keyword === 'type');
  return {
    undecodable: wrongTypes.map(({ path }) =>
      describeTypeError(schema, resource.kind.name, path, valueAt(object, path)),
    ),
    unknown: errors.filter(({ keyword }) => keyword === 'unknown').map(({ path }) => path),
    causes: errors
      .filter(({ keyword }) => keyword !== 'unknown')
      .map((error) => causeOf(error, isSecret ? undefined : object)),
  };
}

/** The object without fields that its kind does not have. */
export function prune<Kind extends object>(object: Kind, unknown: readonly FieldPath[]): Kind {
  return unknown.reduce<unknown>((pruned, path) => without(pruned, path), object) as Kind;
}

function without(value: unknown, [segment, ...rest]: FieldPath): unknown {
  if (segment === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => (index === segment ? without(item, rest) : item));
  const { [segment]: inner, ...others } = value as Record<string | number, unknown>;
  return rest.length === 0 ? others : { ...others, [segment]: without(inner, rest) };
}

/** `unknown field "spec.htp"` */
export function describeUnknown(path: FieldPath): string {
  return `unknown field "${formatFieldPath(path)}"`;
}

/** @param object whose values may be shown; undefined where they may not (a Secret) */
function causeOf(error: SchemaError, object: object | undefined): StatusCause {
  const field = formatFieldPath(error.path);
  const value = object === undefined ? undefined : valueAt(object, error.path);
  const isInvalid = (message: string): StatusCause => ({
    reason: 'FieldValueInvalid',
    field,
    message: `Invalid value: ${object === undefined ? '"<hidden>"' : showValue(value)}: ${message}`,
  });
  const inBody = `${field} in body`;
  switch (error.keyword) {
    case 'type': {
      const type = object === undefined ? 'hidden' : typeName(value);
      return {
        reason: 'FieldValueTypeInvalid',
        field,
        message: `Invalid value: "${type}": ${inBody} must be of type ${error.types.join(',')}: "${type}"`,
      };
    }
    case 'required':
      return { reason: 'FieldValueRequired', field, message: 'Required value' };
    case 'enum':
      return {
        reason: 'FieldValueNotSupported',
        field,
        message: `Unsupported value: ${object === undefined ? '"<hidden>"' : showValue(value)}: supported values: ${error.values
          .map((allowed) => JSON.stringify(allowed))
          .join(', ')}`,
      };
    case 'pattern':
      return isInvalid(`${inBody} should match '${error.pattern}'`);
    case 'format':
      return isInvalid(`${inBody} must be of type ${error.format}: ${object === undefined ? '' : showValue(value)}`);
    case 'minimum':
      return isInvalid(`${inBody} should be greater than ${error.exclusive ? '' : 'or equal to '}${error.limit}`);
    case 'maximum':
      return isInvalid(`${inBody} should be less than ${error.exclusive ? '' : 'or equal to '}${error.limit}`);
    case 'multipleOf':
      return isInvalid(`${inBody} should be a multiple of ${error.limit}`);
    case 'minLength':
      return isInvalid(`${inBody} should be at least ${error.limit} chars long`);
    case 'maxLength':
      return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${error.limit} bytes` };
    case 'minItems':
      return isInvalid(`${inBody} should have at least ${error.limit} items`);
    case 'maxItems':
      return {
        reason: 'FieldValueTooMany',
        field,
        message: `Too many: ${Array.isArray(value) ? value.length : 'more'}: must have at most ${error.limit} items`,
      };
    case 'minProperties':
      return isInvalid(`${inBody} should have at least ${error.limit} properties`);
    case 'maxProperties':
      return {
        reason: 'FieldValueTooMany',
        field,
        message: `Too many: must have at most ${error.limit} properties`,
      };
    case 'oneOf':
      return isInvalid(
        error.fitting === 0
          ? `${inBody} must validate one and only one schema (oneOf). Found none valid`
          : `${inBody} must validate one and only one schema (oneOf). Found ${error.fitting} valid alternatives`,
      );
    case 'anyOf':
      return isInvalid(`${inBody} must validate at least one schema (anyOf)`);
    case 'not':
      return isInvalid(`${inBody} must not validate the schema (not)`);
    case 'uniqueItems':
      return isInvalid(`${inBody} shouldn't contain duplicates`);
    case 'unknown':
      return { reason: 'FieldValueForbidden', field, message: 'Forbidden: unknown field' };
  }
}

/** Of long values: the beginning. */
const MAX_SHOWN = 512;

function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
