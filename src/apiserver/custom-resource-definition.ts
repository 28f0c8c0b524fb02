// A CustomResourceDefinition: what it says of a kind, and what may be wrong with it.

import { type Kind, type PrinterColumn, SCALE, STATUS, type Subresource, VERBS } from '../resources/kinds/kind.ts';
import type { ResourceObject } from '../resources/object.ts';
import { OBJECT_FIELDS } from '../resources/openapi/definitions.ts';
import type { Schema } from '../resources/openapi/schema.ts';
import type { StatusCause } from './status.ts';

/** The kind id of definitions. */
export const DEFINITION = 'CustomResourceDefinition.apiextensions.k8s.io';

/** One version of a definition's kind. */
export interface DefinitionVersion {
  name: string;
  served: boolean;
  storage: boolean;
  schema?: { openAPIV3Schema?: Schema };
  subresources?: {
    status?: object;
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
  };
  additionalPrinterColumns?: PrinterColumn[];
}

/** What a definition's kind is called. */
export interface DefinitionNames {
  plural: string;
  kind: string;
  singular?: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
}

interface DefinitionSpec {
  group: string;
  scope: 'Namespaced' | 'Cluster';
  names: DefinitionNames;
  versions: DefinitionVersion[];
}

/** https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/ */
export interface CustomResourceDefinition
  extends ResourceObject<DefinitionSpec, { conditions?: object[]; storedVersions?: string[]; acceptedNames?: object }> {
  spec: DefinitionSpec;
}

/** What the definition of a kind is called. */
export function definitionNameOf({ plural, group }: Pick<Kind, 'plural' | 'group'>): string {
  return `${plural}.${group}`;
}

/** The kind that a definition brings; undefined when it serves no version. The version that is stored comes first. */
export function customKind({ spec, metadata }: CustomResourceDefinition): Kind | undefined {
  const { group, names, scope } = spec;
  const served = spec.versions.filter((version) => version.served);
  const ordered = [...served].sort((a, b) => Number(b.storage) - Number(a.storage));
  const [first] = ordered;
  if (first === undefined) return undefined;
  return {
    name: names.kind,
    group,
    versions: ordered.map(({ name }) => name) as [string, ...string[]],
    plural: names.plural,
    singular: names.singular || names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    // Nothing new comes while it goes.
    verbs: metadata.deletionTimestamp === undefined ? VERBS : VERBS.filter((verb) => verb !== 'create'),
    subresources: subresourcesOf(first),
    ...(first.additionalPrinterColumns === undefined ? {} : { columns: first.additionalPrinterColumns }),
    versionColumns: new Map(ordered.map(({ name, additionalPrinterColumns }) => [name, additionalPrinterColumns])),
    schemas: new Map(
      ordered.flatMap(({ name, schema }) => {
        const content = schema?.openAPIV3Schema;
        return content === undefined
          ? []
          : [[name, withObjectFields(content, { group, version: name, kind: names.kind })]];
      }),
    ),
  };
}

function subresourcesOf({ subresources }: DefinitionVersion): Subresource[] {
  return [
    ...(subresources?.status === undefined ? [] : [STATUS]),
    ...(subresources?.scale === undefined ? [] : [{ ...SCALE, scale: subresources.scale }]),
  ];
}

/** The schema with what every object has. */
function withObjectFields(schema: Schema, gvk: { group: string; version: string; kind: string }): Schema {
  return {
    ...schema,
    properties: { ...schema.properties, ...OBJECT_FIELDS },
    'x-kubernetes-group-version-kind': [gvk],
  };
}

/** What is allowed in a definition and has no effect here. */
export function definitionWarnings({ spec }: CustomResourceDefinition): string[] {
  return spec.versions.flatMap(({ schema }, index) =>
    JSON.stringify(schema ?? {}).includes('"x-kubernetes-validations":')
      ? [`spec.versions[${index}].schema: rules in CEL (x-kubernetes-validations) are kept, and not evaluated by Limen`]
      : [],
  );
}

/** What is wrong with a definition whose fields are in order. */
export function checkDefinition({ metadata, spec }: CustomResourceDefinition): StatusCause[] {
  const causes: StatusCause[] = [];
  const refuse = (field: string, value: unknown, message: string) =>
    causes.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${message}` });
  const name = definitionNameOf({ plural: spec.names.plural, group: spec.group });
  if (metadata.name !== name) refuse('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  if (!spec.group.includes('.')) refuse('spec.group', spec.group, 'should be a domain with at least one dot');
  if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(spec.names.plural))
    refuse('spec.names.plural', spec.names.plural, 'must be a DNS-1035 label in lower case');
  if (!/^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$/.test(spec.names.kind))
    refuse('spec.names.kind', spec.names.kind, 'may have letters, digits and "-" only, starting with a letter');
  if (spec.scope !== 'Namespaced' && spec.scope !== 'Cluster')
    causes.push({
      reason: 'FieldValueNotSupported',
      field: 'spec.scope',
      message: `Unsupported value: ${JSON.stringify(spec.scope)}: supported values: "Cluster", "Namespaced"`,
    });
  const stored = spec.versions.filter(({ storage }) => storage).length;
  if (stored !== 1) refuse('spec.versions', stored, 'must have exactly one version marked as storage version');
  const names = new Set<string>();
  for (const [index, version] of spec.versions.entries()) {
    const field = `spec.versions[${index}]`;
    if (names.has(version.name)) refuse(`${field}.name`, version.name, 'must be unique');
    names.add(version.name);
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(version.name))
      refuse(`${field}.name`, version.name, 'must be a DNS-1035 label in lower case');
    if (version.schema?.openAPIV3Schema === undefined)
      causes.push({
        reason: 'FieldValueRequired',
        field: `${field}.schema.openAPIV3Schema`,
        message: 'Required value: schemas are required',
      });
    else if (version.schema.openAPIV3Schema.type !== 'object')
      refuse(`${field}.schema.openAPIV3Schema.type`, version.schema.openAPIV3Schema.type, 'must be object at the root');
  }
  return causes;
}
