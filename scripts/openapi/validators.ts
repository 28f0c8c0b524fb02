// Reads the constraints out of a compiled validator of the kubernetes-models packages (ajv's standalone code, minified): types, formats,
// enums, patterns, limits, required fields, oneOf. In that code each function checks one schema, calls the functions of the schemas
// beneath it, and says in the errors it makes what it checks, keyword by keyword.

import type { Schema } from '../../src/resources/openapi/schema.ts';

const TEXT = `"(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|\`(?:[^\`\\\\]|\\\\.)*\``;
const ERROR = `schemaPath:"#/(?<keyword>\\w+)",keyword:"\\w+",params:\\{(?<params>(?:[^"'\`{}]|${TEXT})*)\\}`;
const CALL = `validate(?<callee>\\d+)\\(data(?:\\.(?<field>[\\w$]+)|\\[(?<quoted>${TEXT})\\]|\\[(?<variable>\\w+)\\])?,\\{`;

/** The schema that a validator's module (`export const validate`) checks, without descriptions. References to other modules are left out. */
export function readValidator(source: string): Schema {
  const enums = new Map<string, unknown[]>();
  for (const match of source.matchAll(/(\w+)=(\[(?:"(?:[^"\\]|\\.)*"|[\d,.\s-])*\])/g))
    enums.set(match[1]!, JSON.parse(match[2]!) as unknown[]);
  const bodies = new Map<string, string>();
  for (const part of source.split(/(?=function validate\d+\(data,)/)) {
    const name = /^function validate(\d+)\(/.exec(part)?.[1];
    if (name !== undefined) bodies.set(name, part.slice(part.indexOf('{let vErrors')));
  }
  const root = /export const validate=validate(\d+);/.exec(source)?.[1];
  if (root === undefined) throw new Error('exports no validator');
  const read = new Map<string, Schema>();

  const schemaOf = (name: string): Schema => {
    const known = read.get(name);
    if (known !== undefined) return known;
    const schema: Schema = {};
    read.set(name, schema);
    // A function that is not here is imported: a reference.
    const body = bodies.get(name) ?? '';
    let sameValue: Schema[] = [];
    for (const { groups } of body.matchAll(new RegExp(`${ERROR}|${CALL}`, 'g'))) {
      const { keyword, params, callee, field, quoted, variable } = groups!;
      if (callee !== undefined) {
        const inner = schemaOf(callee);
        const property = field ?? (quoted === undefined ? undefined : literal(quoted));
        if (property !== undefined) {
          schema.properties ??= {};
          schema.properties[property] = inner;
        } else if (variable?.startsWith('key')) schema.additionalProperties = inner;
        else if (variable !== undefined) schema.items = inner;
        else sameValue.push(inner);
        continue;
      }
      if (keyword === 'anyOf' || keyword === 'oneOf') {
        schema[keyword] = sameValue;
        sameValue = [];
      } else if (keyword === 'not') {
        schema.not = sameValue[0]!;
        sameValue = [];
      } else constrain(schema, keyword!, params!, enums);
    }
    return schema;
  };
  return schemaOf(root);
}

function constrain(schema: Schema, keyword: string, params: string, enums: ReadonlyMap<string, unknown[]>): void {
  const value = params.slice(params.lastIndexOf(`${PARAMETERS[keyword]}:`) + `${PARAMETERS[keyword]}:`.length);
  switch (keyword) {
    case 'type':
      schema.type = literal(value) as Schema['type'] & string;
      break;
    case 'format':
      schema.format = literal(value);
      break;
    case 'pattern':
      schema.pattern = literal(params.slice('pattern:'.length));
      break;
    case 'required':
      schema.required ??= [];
      schema.required.push(literal(value));
      break;
    case 'enum': {
      const values = enums.get(value);
      if (values === undefined) throw new Error(`the values of ${value} are not found`);
      schema.enum = values;
      break;
    }
    case 'minimum':
    case 'maximum':
    case 'minLength':
    case 'maxLength':
    case 'minItems':
    case 'maxItems':
    case 'minProperties':
    case 'maxProperties':
      schema[keyword] = Number(value);
      if (!Number.isFinite(schema[keyword])) throw new Error(`${keyword} ${value}`);
      break;
    default:
      throw new Error(`the keyword ${keyword} is not known here`);
  }
}

/** The parameter of ajv's error that holds the keyword's value. */
const PARAMETERS: Readonly<Record<string, string>> = {
  type: 'type',
  format: 'format',
  pattern: 'pattern',
  required: 'missingProperty',
  enum: 'allowedValues',
  minimum: 'limit',
  maximum: 'limit',
  minLength: 'limit',
  maxLength: 'limit',
  minItems: 'limit',
  maxItems: 'limit',
  minProperties: 'limit',
  maxProperties: 'limit',
};

/** The value of a string literal, however the minifier quoted it. */
function literal(text: string): string {
  if (text.startsWith('"')) return JSON.parse(text) as string;
  const inner = text.slice(1, -1).replaceAll(/\\(['`])/g, '$1');
  return JSON.parse(`"${inner.replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`) as string;
}
