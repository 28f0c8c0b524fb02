// A value of a wrong type in an object of Kubernetes' own kinds, in the words of kube-apiserver's decoder: people search for them.
// https://pkg.go.dev/encoding/json#UnmarshalTypeError

import { type FieldPath, formatFieldPath } from '../../resources/field-path.ts';
import { resolveRef } from '../../resources/openapi/definitions.ts';
import { referredName } from '../../resources/openapi/names.ts';
import type { Schema } from '../../resources/openapi/schema.ts';

/**
 * `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`. Go names no places in lists
 * and no entries of maps: where there are some, the whole path follows in brackets.
 *
 * @param root the schema of the kind
 * @param kind its name
 * @param path where the value is
 */
export function describeTypeError(root: Schema, kind: string, path: FieldPath, value: unknown): string {
  let struct = kind;
  let schema = root;
  const fields: string[] = [];
  for (const segment of path) {
    const { properties, additionalProperties, items } = resolveRef(schema);
    if (typeof segment === 'number') schema = items ?? {};
    else if (properties !== undefined && Object.hasOwn(properties, segment)) {
      struct = fields.length === 0 ? kind : (nameOf(schema) ?? struct);
      fields.push(segment);
      schema = properties[segment] as Schema;
    } else schema = typeof additionalProperties === 'object' ? additionalProperties : {}; // an entry of a map has no name in Go
  }
  const place = fields.length < path.length ? ` (${formatFieldPath(path)})` : '';
  const shown = typeof value === 'number' && isInteger(schema) ? `number ${value}` : kindOfValue(value);
  return `json: cannot unmarshal ${shown} into Go struct field ${[struct, ...fields].join('.')} of type ${goType(schema)}${place}`;
}

/** What Go calls what stands in JSON. */
function kindOfValue(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** What the field is in Go, as far as the schema tells. */
function goType(reference: Schema): string {
  const schema = resolveRef(reference);
  switch (schema.type) {
    case 'integer':
      return schema.format ?? 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'array':
      return `[]${goType(schema.items ?? {})}`;
    case 'object': {
      const entries = schema.additionalProperties;
      const name = qualifiedNameOf(reference);
      return name ?? `map[string]${typeof entries === 'object' ? goType(entries) : 'interface {}'}`;
    }
    default:
      return schema.format === 'byte' ? '[]uint8' : 'string';
  }
}

function isInteger(reference: Schema): boolean {
  return resolveRef(reference).type === 'integer';
}

/** `io.k8s.api.core.v1.EnvVar` of a reference to it. */
function definitionOf({ $ref, allOf }: Schema): string | undefined {
  const reference = $ref ?? (allOf?.length === 1 ? allOf[0]?.$ref : undefined);
  return reference === undefined ? undefined : referredName(reference);
}

/** `EnvVar` */
function nameOf(schema: Schema): string | undefined {
  return definitionOf(schema)?.split('.').at(-1);
}

/** `v1.EnvVar` */
function qualifiedNameOf(schema: Schema): string | undefined {
  return definitionOf(schema)?.split('.').slice(-2).join('.');
}
