// Schemas in the older OpenAPI v2, which has less to say: no choices, and references beside nothing else.

import { referredName } from '../../resources/openapi/names.ts';
import type { Schema } from '../../resources/openapi/schema.ts';

/** What Kubernetes says of the types that are texts or numbers in v2. */
const SPECIAL: Readonly<Record<string, Schema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'string' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: 'string', format: 'int-or-string' },
};

/** The definition `name` for the document of v2. */
export function asSwagger(name: string, schema: Schema): Schema {
  const special = SPECIAL[name];
  return special === undefined ? convert(schema) : { description: schema.description ?? '', ...special };
}

function convert(schema: Schema): Schema {
  const { $ref, allOf, anyOf: _, oneOf: __, not: ___, nullable: ____, ...kept } = schema;
  const reference = $ref ?? allOf?.[0]?.$ref;
  const converted: Schema = kept;
  if (reference !== undefined) converted.$ref = `#/definitions/${referredName(reference)}`;
  if (kept.properties !== undefined)
    converted.properties = Object.fromEntries(
      Object.entries(kept.properties).map(([name, property]) => [name, convert(property)]),
    );
  if (kept.items !== undefined) converted.items = convert(kept.items);
  if (typeof kept.additionalProperties === 'object')
    converted.additionalProperties = convert(kept.additionalProperties);
  return converted;
}
