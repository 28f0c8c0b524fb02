// How the values at a place of an object merge: a view of its schema that patches and field management share.

import type { Schema } from './schema.ts';

/** Follows `$ref`s: the schema itself when it has none. */
export type ResolveRef = (schema: Schema) => Schema;

/** How values at one place merge. https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy */
export interface FieldType {
  /** Of a list: replaced as a whole, a set of scalars, or entries found by their keys. */
  readonly list: 'atomic' | 'set' | 'map';
  /** Of a list that is a map: the fields that tell its entries apart. */
  readonly listKeys: readonly string[];
  /** Of an object: replaced as a whole. */
  readonly isAtomic: boolean;
  /** Of a list, in a strategic merge patch: entries are merged by `mergeKey` (or united, where it is undefined). */
  readonly isMergedList: boolean;
  readonly mergeKey: string | undefined;
  /** What the API server fills in where the field is left out. */
  readonly default: unknown;
  /** The type of a field of an object. */
  field(name: string): FieldType;
  /** Does the object declare this field (a struct's), or is it an entry of a map? */
  declares(name: string): boolean;
  /** The type of a list's entries. */
  readonly items: FieldType;
}

/** A value that no schema describes: objects merge by field, lists are replaced. */
export const UNDESCRIBED: FieldType = {
  list: 'atomic',
  listKeys: [],
  isAtomic: false,
  isMergedList: false,
  mergeKey: undefined,
  default: undefined,
  field: () => UNDESCRIBED,
  declares: () => false,
  get items() {
    return UNDESCRIBED;
  },
};

const types = new WeakMap<Schema, FieldType>();

/** The merge behaviour of a schema. The same object for the same schema. */
export function fieldType(schema: Schema | undefined, resolve: ResolveRef): FieldType {
  if (schema === undefined) return UNDESCRIBED;
  let type = types.get(schema);
  if (type === undefined) {
    type = describe(flatten(schema, resolve), resolve);
    types.set(schema, type);
  }
  return type;
}

function describe(schema: Schema, resolve: ResolveRef): FieldType {
  const { properties, additionalProperties, items } = schema;
  const strategies = schema['x-kubernetes-patch-strategy']?.split(',') ?? [];
  const listType = schema['x-kubernetes-list-type'];
  return {
    list: listType ?? 'atomic',
    listKeys: schema['x-kubernetes-list-map-keys'] ?? [],
    isAtomic: schema['x-kubernetes-map-type'] === 'atomic',
    isMergedList: strategies.includes('merge'),
    mergeKey: schema['x-kubernetes-patch-merge-key'],
    default: schema.default,
    field(name) {
      if (properties !== undefined && Object.hasOwn(properties, name)) return fieldType(properties[name], resolve);
      return typeof additionalProperties === 'object' ? fieldType(additionalProperties, resolve) : UNDESCRIBED;
    },
    declares: (name) => properties !== undefined && Object.hasOwn(properties, name),
    get items() {
      return fieldType(items, resolve);
    },
  };
}

/** The schema with what its reference says; what stands beside the reference (extensions of the place) counts more. */
function flatten(schema: Schema, resolve: ResolveRef): Schema {
  const { $ref, allOf, ...own } = schema;
  if ($ref !== undefined) return { ...flatten(resolve(schema), resolve), ...own };
  if (allOf?.length === 1) return { ...flatten(allOf[0] as Schema, resolve), ...own };
  return schema;
}
