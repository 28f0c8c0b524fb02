// The definitions that a document needs: its kinds', their lists', and all they refer to.

import { apiVersionOf, type Kind, listKindOf } from '../../resources/kinds/kind.ts';
import { definition, schemaOf } from '../../resources/openapi/definitions.ts';
import { definitionName, referenceTo, referredName } from '../../resources/openapi/names.ts';
import type { Schema } from '../../resources/openapi/schema.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** The definitions by name, in the order of their names. */
export function definitionsFor(kinds: readonly { kind: Kind; version: string }[]): Map<string, Schema> {
  const found = new Map<string, Schema>();
  const add = (name: string, schema: Schema | undefined) => {
    if (schema === undefined || found.has(name)) return;
    found.set(name, schema);
    for (const reference of referencesOf(schema)) add(reference, definition(reference));
  };
  for (const name of [`${META}.DeleteOptions`, `${META}.ListMeta`, `${META}.Patch`, `${META}.Status`])
    add(name, definition(name));
  for (const { kind, version } of kinds) {
    const name = definitionName(kind.group, version, kind.name);
    // Without a schema of its own it is free content, which explain and validation take as such.
    add(name, schemaOf(kind, version) ?? freeContent(kind, version));
    if (kind.verbs.includes('list')) add(definitionName(kind.group, version, listKindOf(kind)), listOf(kind, version));
    for (const { kind: other } of kind.subresources)
      if (other !== undefined) {
        const shape = definitionName(other.group, other.version, other.kind);
        add(shape, definition(shape));
      }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function freeContent({ group, name }: Kind, version: string): Schema {
  return {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    'x-kubernetes-group-version-kind': [{ group, version, kind: name }],
  };
}

function listOf(kind: Kind, version: string): Schema {
  return {
    description: `${listKindOf(kind)} is a list of objects of kind ${kind.name} (${apiVersionOf(kind, version)}).`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      items: { type: 'array', items: { $ref: referenceTo(definitionName(kind.group, version, kind.name)) } },
      kind: { type: 'string' },
      metadata: { allOf: [{ $ref: referenceTo(`${META}.ListMeta`) }] },
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, version, kind: listKindOf(kind) }],
  };
}

const references = new WeakMap<Schema, ReadonlySet<string>>();

/** The names of the definitions a schema refers to directly. */
function referencesOf(schema: Schema): ReadonlySet<string> {
  let names = references.get(schema);
  if (names === undefined) {
    names = new Set(collect(schema));
    references.set(schema, names);
  }
  return names;
}

function* collect(schema: Schema): Generator<string> {
  if (schema.$ref !== undefined) yield referredName(schema.$ref);
  for (const part of [...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) yield* collect(part);
  for (const part of Object.values(schema.properties ?? {})) yield* collect(part);
  if (schema.items !== undefined) yield* collect(schema.items);
  if (typeof schema.additionalProperties === 'object') yield* collect(schema.additionalProperties);
}
