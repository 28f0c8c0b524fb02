import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import { KINDS } from '../kinds.ts';
import { resolveRef, schemaOf } from './definitions.ts';
import type { Schema } from './schema.ts';
import { type SchemaError, validate } from './validate.ts';

const errorsOf = (schema: Schema, value: unknown) =>
  validate(schema, value).map(({ path, keyword }) => [path.join('.'), keyword].join(' '));

describe('the check of a value against a schema', () => {
  const schema: Schema = {
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string', minLength: 2, maxLength: 3, pattern: '^[a-z]*$' },
      port: { type: 'integer', format: 'int32', minimum: 1, maximum: 65535 },
      target: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { known: { type: 'string' } } },
      list: {
        type: 'array',
        minItems: 1,
        maxItems: 2,
        items: { type: 'object', properties: { a: { type: 'string' } } },
      },
    },
  };

  it.each([
    ['nothing wrong', { name: 'ab', port: 80, target: 'http', labels: { x: 'y' }, list: [{ a: '1' }] }, []],
    ['a missing field', {}, ['name required']],
    ['a null, which is a missing field', { name: null }, ['name required']],
    ['a wrong type, and no more about that value', { name: 7 }, ['name type']],
    ['lengths in characters, not in UTF-16', { name: '😀😀😀' }, ['name pattern']],
    ['a text that is too short', { name: 'a' }, ['name minLength']],
    ['a text that is too long and does not match', { name: 'ABCD' }, ['name maxLength', 'name pattern']],
    ['a number that is no integer', { name: 'ab', port: 1.5 }, ['port type']],
    ['a number out of range', { name: 'ab', port: 0 }, ['port minimum']],
    ['a number of more than 32 bits', { name: 'ab', port: 2 ** 31 }, ['port maximum', 'port format']],
    ['a choice between types', { name: 'ab', target: true }, ['target type']],
    ['unknown fields, at any depth', { name: 'ab', nam: 1, list: [{ b: '1' }] }, ['nam unknown', 'list.0.b unknown']],
    ['free content, known fields aside', { name: 'ab', free: { any: 1, known: 2 } }, ['free.known type']],
    [
      'names of Object.prototype, which are fields like others',
      { name: 'ab', constructor: 1 },
      ['constructor unknown'],
    ],
    ['the size of a list', { name: 'ab', list: [] }, ['list minItems']],
  ])('finds %s', (_, value, expected) => {
    expect(errorsOf(schema, value)).toEqual(expected);
  });

  it('looks for no unknown fields in the branches of a choice', () => {
    const choice: Schema = {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      oneOf: [{ required: ['a'] }, { required: ['b'], properties: { b: { enum: ['x'] } } }],
    };
    expect(errorsOf(choice, { a: '1' })).toEqual([]);
    expect(errorsOf(choice, { b: 'x' })).toEqual([]);
    expect(errorsOf(choice, { a: '1', b: 'y' })).toEqual([]);
    expect(validate(choice, { a: '1', b: 'x' })).toEqual([
      { path: [], keyword: 'oneOf', fitting: 2, fields: ['a', 'b'] },
    ]);
    expect(validate(choice, {})).toEqual([{ path: [], keyword: 'oneOf', fitting: 0, fields: ['a', 'b'] }]);
  });

  it('takes a pattern that would need exponential time in linear time', () => {
    const hostile: Schema = { type: 'string', pattern: '^(a+)+$' };
    expect(errorsOf(hostile, `${'a'.repeat(5000)}!`)).toEqual([' pattern']);
  });

  it.each([
    [
      'date-time',
      ['2026-01-31T12:00:00Z', '2024-02-29T23:59:59.123+01:00'],
      ['2026-02-30T00:00:00Z', '2026-01-31', 'now'],
    ],
    ['byte', ['', 'YQ==', 'YWJj'], ['YQ', 'Y Q=', '*']],
    ['quantity', ['1', '500m', '1.5Gi', '12e6', '-1k'], ['', '1 Gi', 'Gi', '1Kib']],
  ])('knows the format %s', (format, good, bad) => {
    for (const text of good) expect([text, validate({ type: 'string', format }, text)]).toEqual([text, []]);
    for (const text of bad) expect([text, validate({ type: 'string', format }, text)]).not.toEqual([text, []]);
  });
});

interface Model {
  prototype: { validate(this: unknown): void };
}

/** What the compiled validator of the npm package says of the object: an independent reading of the same schema. */
async function modelOf({ group, versions, name }: Kind): Promise<(value: unknown) => { instancePath: string }[]> {
  const from = group.endsWith('.istio.io')
    ? '@kubernetes-models/istio'
    : group === 'gateway.networking.k8s.io'
      ? '@kubernetes-models/gateway-api'
      : 'kubernetes-models';
  const path = [from, ...(group === '' ? [] : [group]), versions[0], name].join('/');
  const model = ((await import(path)) as Record<string, Model>)[name]!;
  return (value) => {
    try {
      model.prototype.validate.call(value);
      return [];
    } catch (error) {
      return (error as { errors: { instancePath: string }[] }).errors;
    }
  };
}

/** A field whose type the package's validator leaves out, though its declaration has it. */
const NOT_IN_THE_PACKAGE: Readonly<Record<string, string>> = { GatewayClass: '/spec/description' };

const JUNK = [
  '',
  'a',
  'A b',
  'x.example.com',
  '/x',
  '2026-01-31T12:00:00Z',
  'YQ==',
  'x'.repeat(70),
  -1,
  0,
  1,
  80,
  99,
  1.5,
];
const MORE_JUNK = [65536, 2 ** 31, true, false, [], {}, ['a'], { a: 'b' }];

/** Reads an object that mostly fits the schema off a tape of numbers. */
function objectOf(reference: Schema, tape: Iterator<number>, depth = 0): unknown {
  const next = (below: number) => (tape.next().value as number) % below;
  const all = [...JUNK, ...MORE_JUNK];
  const schema = resolveRef(reference);
  if (depth > 0 && next(24) === 0) return structuredClone(all[next(all.length)]);
  if (schema.enum !== undefined) return next(8) === 0 ? 'NONE' : schema.enum[next(schema.enum.length)];
  switch (schema.type) {
    case 'object': {
      const value: Record<string, unknown> = {};
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        const wanted = schema.required?.includes(name) ? 20 : depth < 3 ? 3 : 1;
        if (next(21) < wanted) value[name] = objectOf(property, tape, depth + 1);
      }
      if (typeof schema.additionalProperties === 'object')
        for (let count = next(3); count > 0; count--)
          value[`key/${count}~`] = objectOf(schema.additionalProperties, tape, depth + 1);
      return value;
    }
    case 'array':
      return Array.from({ length: [1, 2, 0, 17][next(4)]! }, () => objectOf(schema.items ?? {}, tape, depth + 1));
    case 'boolean':
      return next(2) === 0;
    case 'integer':
    case 'number':
      return [0, 1, 80, 200, 302, 65535, 65536, -1, 1.5][next(9)];
    default:
      return JUNK[next(JUNK.length)];
  }
}

/** Deterministic numbers from a seed (an LCG): fast-check only chooses the seed, so that a failure has a short name. */
function* tapeOf(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 8;
  }
}

describe('the schemas of the kinds', () => {
  // IstioOperator has no schema in Istio's definition; a schema within CustomResourceDefinition is free content here.
  const compared = KINDS.filter(({ name }) => name !== 'IstioOperator' && name !== 'CustomResourceDefinition');

  it.each(compared.map((kind) => [`${kind.name} ${apiVersionOf(kind)}`, kind] as const))(
    'refuse what the compiled validator of %s refuses, in the same places',
    async (_, kind) => {
      const check = await modelOf(kind);
      const schema = schemaOf(kind)!;
      const roots = (paths: string[]) => [...new Set(paths)].sort();
      fc.assert(
        fc.property(fc.nat(), (seed) => {
          const drawn = objectOf(schema, tapeOf(seed)) as object;
          const value = { ...drawn, apiVersion: apiVersionOf(kind), kind: kind.name };
          const found = validate(schema, value).filter(({ keyword }) => keyword !== 'unknown');
          const pointers = found.map(pointerOf).filter((pointer) => pointer !== NOT_IN_THE_PACKAGE[kind.name]);
          expect(roots(pointers)).toEqual(roots(check(value).map(({ instancePath }) => instancePath)));
        }),
        { numRuns: 150 },
      );
    },
    60_000,
  );
});

/** Where ajv would report it: a missing field at its object. */
function pointerOf({ path, keyword }: SchemaError): string {
  const place = keyword === 'required' ? path.slice(0, -1) : path;
  return place.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
