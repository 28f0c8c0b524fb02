// The OpenAPI definitions that scripts/generate-openapi.ts made: each group and version is read when something of it is first asked for.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '../kinds/kind.ts';
import { definitionName, referenceTo, referredName } from './names.ts';
import type { Schema } from './schema.ts';

const folder = join(import.meta.dirname, 'gen');
let digest: string | undefined;
let prefixes: ReadonlySet<string> | undefined;
const files = new Map<string, Readonly<Record<string, Schema>>>();

/** A definition by its full name, `io.k8s.api.core.v1.PodSpec`; undefined when there is none. */
export function definition(name: string): Schema | undefined {
  const prefix = name.slice(0, name.lastIndexOf('.'));
  let file = files.get(prefix);
  if (file === undefined) {
    prefixes ??= new Set(listFolder().map((entry) => entry.slice(0, -'.json'.length)));
    if (!prefixes.has(prefix)) return undefined;
    file = JSON.parse(readFileSync(join(folder, `${prefix}.json`), 'utf8')) as Record<string, Schema>;
    files.set(prefix, file);
  }
  return Object.hasOwn(file, name) ? file[name] : undefined;
}

/** Tells the generated definitions of one build from those of another. */
export function generatedDigest(): string {
  digest ??= readFileSync(join(folder, 'digest.txt'), 'utf8');
  return digest;
}

function listFolder(): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new Error(`the schemas of the kinds are not there (${folder}): run npm run generate`, { cause });
  }
}

const schemas = new WeakMap<Kind, Map<string, Schema | undefined>>();

/**
 * The schema of a kind's objects.
 *
 * @param version one of `kind.versions`; without it the newest. Versions of one kind differ in their name only.
 * @returns undefined for a CustomResourceDefinition's kind that has no schema
 */
export function schemaOf(kind: Kind, version: string = kind.versions[0]): Schema | undefined {
  if (kind.schemas !== undefined) return kind.schemas.get(version);
  let ofKind = schemas.get(kind);
  if (ofKind === undefined) {
    ofKind = new Map();
    schemas.set(kind, ofKind);
  }
  if (!ofKind.has(version)) ofKind.set(version, generated(kind, version));
  return ofKind.get(version);
}

function generated({ group, versions, name }: Kind, version: string): Schema | undefined {
  const schema = definition(definitionName(group, versions[0], name));
  if (schema === undefined || version === versions[0]) return schema;
  return { ...schema, 'x-kubernetes-group-version-kind': [{ group, version, kind: name }] };
}

const resolved = new WeakMap<Schema, Schema>();

/**
 * The schema with the definition it refers to (by `$ref`, or `allOf` with one `$ref`) put in its place; what it says itself goes before what
 * the definition says. The same object each time for one schema.
 */
export function resolveRef(schema: Schema): Schema {
  const only = schema.allOf?.length === 1 ? schema.allOf[0]!.$ref : undefined;
  const reference = schema.$ref ?? only;
  if (reference === undefined) return schema;
  let result = resolved.get(schema);
  if (result === undefined) {
    const { $ref: _, allOf, ...own } = schema;
    const target = definition(referredName(reference));
    if (target === undefined) throw new Error(`no definition ${reference}`);
    result = { ...resolveRef(target), ...own };
    if (only === undefined && allOf !== undefined) result.allOf = allOf;
    resolved.set(schema, result);
  }
  return result;
}

/** What every object has beside its own fields, for the schema of a CustomResourceDefinition. */
export const OBJECT_FIELDS: Readonly<Record<'apiVersion' | 'kind' | 'metadata', Schema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { allOf: [{ $ref: referenceTo('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta') }] },
};
