// The CustomResourceDefinitions of Istio and the Gateway API: their kinds are built in, and clients look for the definitions all the same.

import { GATEWAY_API_KINDS } from '../resources/kinds/gateway-api.ts';
import { ISTIO_KINDS } from '../resources/kinds/istio.ts';
import { type Kind, listKindOf } from '../resources/kinds/kind.ts';
import type { ResourceObject } from '../resources/object.ts';
import { resolveRef, schemaOf } from '../resources/openapi/definitions.ts';
import type { Schema } from '../resources/openapi/schema.ts';
import {
  type CustomResourceDefinition,
  type DefinitionVersion,
  definitionNameOf,
} from './custom-resource-definition.ts';

const KINDS: ReadonlyMap<string, Kind> = new Map(
  [...ISTIO_KINDS, ...GATEWAY_API_KINDS].map((kind) => [definitionNameOf(kind), kind]),
);

/** The definition of a kind is stored without its schemas, which are long and are made when somebody reads it. */
const NO_SCHEMA: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** All of them, as they are stored. */
export function builtInDefinitions(): CustomResourceDefinition[] {
  return [...KINDS].map(([name, kind]) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group: kind.group,
      names: {
        categories: [...kind.categories],
        kind: kind.name,
        listKind: listKindOf(kind),
        plural: kind.plural,
        ...(kind.shortNames.length === 0 ? {} : { shortNames: [...kind.shortNames] }),
        singular: kind.singular,
      },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: kind.versions.map((version, index) => ({
        ...(kind.columns === undefined || kind.columns.length === 0
          ? {}
          : { additionalPrinterColumns: kind.columns.map((column) => ({ ...column })) }),
        name: version,
        schema: { openAPIV3Schema: NO_SCHEMA },
        served: true,
        storage: index === 0,
        subresources: { status: {} },
      })),
    },
  }));
}

/** Whether this is the definition of a kind that is there with it or without it. */
export function isBuiltInDefinition(name: string): boolean {
  return KINDS.has(name);
}

/** A stored definition as it is shown: the schemas that were left out are written down when it is. */
export function withSchemas(object: ResourceObject): ResourceObject {
  const kind = KINDS.get(object.metadata.name);
  if (kind === undefined) return object;
  const definition = object as CustomResourceDefinition;
  const versions = definition.spec.versions.map((version): DefinitionVersion => {
    const stored = version.schema?.openAPIV3Schema;
    if (stored?.properties !== undefined) return version; // somebody applied the definition's own text
    return {
      ...version,
      schema: {
        get openAPIV3Schema() {
          return structuralSchema(kind, version.name);
        },
      },
    };
  });
  return { ...definition, spec: { ...definition.spec, versions } } as CustomResourceDefinition;
}

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
function structuralSchema(kind: Kind, version: string): Schema {
  const schema = kind.versions.includes(version) ? schemaOf(kind, version) : undefined;
  if (schema === undefined) return NO_SCHEMA;
  const { properties, ...rest } = resolveRef(schema);
  const { metadata: _, ...own } = properties ?? {};
  return inPlace({ ...rest, properties: { ...own, metadata: { type: 'object' } } });
}

/** A schema with what it refers to in the references' place, and without what only OpenAPI documents have. */
function inPlace(schema: Schema): Schema {
  const {
    'x-kubernetes-group-version-kind': _,
    'x-kubernetes-patch-merge-key': __,
    'x-kubernetes-patch-strategy': ___,
    ...shown
  } = resolveRef(schema);
  const { properties, items, additionalProperties } = shown;
  if (properties !== undefined)
    shown.properties = Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inPlace(each)]));
  if (items !== undefined) shown.items = inPlace(items);
  if (typeof additionalProperties === 'object') shown.additionalProperties = inPlace(additionalProperties);
  return shown;
}
