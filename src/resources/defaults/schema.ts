// The defaults that a custom resource's schema says. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting

import { resolveRef } from '../openapi/definitions.ts';
import type { Schema } from '../openapi/schema.ts';

/** The value with the schema's defaults where fields are left out. The same value where there are none. */
export function withSchemaDefaults<Value>(value: Value, reference: Schema | undefined): Value {
  return reference === undefined ? value : (fill(value, reference) as Value);
}

function fill(value: unknown, reference: Schema): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const schema = resolveRef(reference);
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    const filled = value.map((item) => fill(item, items));
    return filled.some((item, index) => item !== value[index]) ? filled : value;
  }
  let filled = value as Record<string, unknown>;
  const set = (name: string, inner: unknown) => {
    if (filled === value) filled = { ...filled };
    filled[name] = inner;
  };
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const has = Object.hasOwn(value, name);
    const before: unknown = has ? (value as Record<string, unknown>)[name] : defaultOf(property);
    if (before === undefined) continue;
    const after = fill(before, property);
    if (!has || after !== before) set(name, after);
  }
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object')
    for (const [name, before] of Object.entries(value)) {
      if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) continue;
      const after = fill(before, additionalProperties);
      if (after !== before) set(name, after);
    }
  return filled;
}

function defaultOf(property: Schema): unknown {
  const value = resolveRef(property).default;
  return value === undefined ? undefined : structuredClone(value);
}
