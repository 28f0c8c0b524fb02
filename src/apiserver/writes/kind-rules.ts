// What single kinds do on their way into the store: how they begin, and which of their fields never change.

import { isDeepStrictEqual } from 'node:util';
import { valueAt } from '../../resources/field-path.ts';
import type { ResourceObject } from '../../resources/object.ts';
import type { ApiResource } from '../api-resource.ts';
import { type CustomResourceDefinition, checkDefinition, DEFINITION } from '../custom-resource-definition.ts';
import { invalid, type StatusCause } from '../status.ts';
import { kindOf } from './admission.ts';

/** An object as it is when it is new: without the status that a client may have copied along. */
export function newObjectOf(object: ResourceObject, resource: ApiResource): ResourceObject {
  const { status, ...content } = object;
  switch (resource.kindId) {
    case 'Namespace': {
      const { name, labels } = object.metadata;
      return {
        ...content,
        // https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name
        metadata: { ...object.metadata, labels: { ...labels, 'kubernetes.io/metadata.name': name } },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: 'Active' },
      };
    }
    case 'Pod':
      return { ...content, status: { phase: 'Pending', qosClass: 'BestEffort' } };
    case 'Service':
      return { ...content, status: { loadBalancer: {} } };
    case 'Node':
      return object; // a node registers itself, status and all
    default:
      return resource.has('status') || status === undefined ? content : object;
  }
}

/** An object's next version with what only the server changes of its kind. */
export function nextObjectOf(object: ResourceObject, before: ResourceObject, resource: ApiResource): ResourceObject {
  if (resource.kindId !== 'Namespace') return object;
  const { name, labels } = object.metadata;
  return {
    ...object,
    metadata: { ...object.metadata, labels: { ...labels, 'kubernetes.io/metadata.name': name } },
    // Finalizers of a namespace are changed by its subresource `finalize`.
    spec: before.spec,
  };
}

/** Fields that never change, by kind id. */
const IMMUTABLE: Readonly<Record<string, readonly string[]>> = {
  'Deployment.apps': ['spec.selector'],
  'ReplicaSet.apps': ['spec.selector'],
  [DEFINITION]: ['spec.group', 'spec.scope', 'spec.names.plural', 'spec.names.kind'],
  Secret: ['type'],
};

/**
 * Checks that need to know what was there before, or more than one field.
 *
 * @param before undefined for a new object
 * @throws ApiError 422
 */
export function checkKindRules(
  object: ResourceObject,
  before: ResourceObject | undefined,
  resource: ApiResource,
): void {
  const causes = [
    ...(before === undefined ? [] : checkImmutable(object, before, resource.kindId)),
    ...(resource.group === 'apps' ? checkTemplateLabels(object) : []),
    ...(resource.kindId === DEFINITION ? checkDefinition(object as CustomResourceDefinition) : []),
  ];
  if (causes.length > 0) throw invalid(kindOf(resource), object.metadata.name, causes);
}

function checkImmutable(object: ResourceObject, before: ResourceObject, kindId: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const refuse = (field: string, message: string) => causes.push({ reason: 'FieldValueInvalid', field, message });
  for (const field of IMMUTABLE[kindId] ?? []) {
    const path = field.split('.');
    const value = valueAt(object, path);
    if (!isDeepStrictEqual(value, valueAt(before, path)))
      refuse(field, `Invalid value: ${JSON.stringify(value)}: field is immutable`);
  }
  if ((kindId === 'Secret' || kindId === 'ConfigMap') && valueAt(before, ['immutable']) === true) {
    if (valueAt(object, ['immutable']) !== true)
      causes.push({
        reason: 'FieldValueForbidden',
        field: 'immutable',
        message: 'Forbidden: field is immutable when `immutable` is set',
      });
    for (const field of ['data', 'binaryData'])
      if (!isDeepStrictEqual(valueAt(object, [field]), valueAt(before, [field])))
        causes.push({
          reason: 'FieldValueForbidden',
          field,
          message: 'Forbidden: field is immutable when `immutable` is set',
        });
  }
  return causes;
}

/** A Deployment or ReplicaSet selects the pods it makes. */
function checkTemplateLabels(object: ResourceObject): StatusCause[] {
  const wanted = (valueAt(object, ['spec', 'selector', 'matchLabels']) ?? {}) as Record<string, string>;
  const labels = (valueAt(object, ['spec', 'template', 'metadata', 'labels']) ?? {}) as Record<string, string>;
  if (Object.entries(wanted).every(([key, value]) => labels[key] === value)) return [];
  return [
    {
      reason: 'FieldValueInvalid',
      field: 'spec.template.metadata.labels',
      message: `Invalid value: ${JSON.stringify(labels)}: \`selector\` does not match template \`labels\``,
    },
  ];
}
