// Whether an object may be stored: its name, its schema, and what `limen validate` would say of it.

import { formatFieldPath } from '../../resources/field-path.ts';
import type { Finding } from '../../resources/finding.ts';
import type { ResourceObject } from '../../resources/object.ts';
import { checkSemantics } from '../../resources/validation/semantics.ts';
import type { ApiResource } from '../api-resource.ts';
import { type CustomResourceDefinition, DEFINITION, definitionWarnings } from '../custom-resource-definition.ts';
import { ApiError, badRequest, invalid, type StatusCause } from '../status.ts';
import { checkObjectName } from './object-name.ts';
import { checkAgainstSchema, describeUnknown, prune } from './schema-errors.ts';
import type { FieldValidation } from './write-options.ts';

/** The webhook that refuses Istio's objects in a cluster. */
const WEBHOOK = 'validation.istio.io';

/**
 * The object less the fields that its kind does not have.
 *
 * @param warn told of each such field with `Warn`
 * @param strictError makes the error of `Strict`, of the sentence that says which fields
 * @throws ApiError 400 with `Strict`, and for values of wrong types in Kubernetes' own kinds; 422 for values that the schema does not allow
 */
export function checkFields(
  object: ResourceObject,
  resource: ApiResource,
  validation: FieldValidation,
  warn: (text: string) => void,
  strictError: (sentence: string) => ApiError = (sentence) => cannotHandle(resource, sentence),
): ResourceObject {
  const { unknown, causes, undecodable } = checkAgainstSchema(object, resource);
  if (undecodable.length > 0) throw cannotHandle(resource, undecodable.join(', '), causes);
  if (unknown.length > 0) {
    const texts = unknown.map(describeUnknown);
    if (validation === 'Strict') throw strictError(`strict decoding error: ${texts.join(', ')}`);
    if (validation === 'Warn') for (const text of texts) warn(text);
  }
  if (causes.length > 0) throw invalid(kindOf(resource), object.metadata.name ?? '', causes);
  return unknown.length === 0 ? object : prune(object, unknown);
}

function cannotHandle({ kind, version }: ApiResource, why: string, causes?: readonly StatusCause[]): ApiError {
  return badRequest(`${kind.name} in version "${version}" cannot be handled as a ${kind.name}: ${why}`, causes);
}

/**
 * Checks a whole object, whose fields are in order.
 *
 * @param now for the dates of certificates
 * @param warn told of what is allowed and yet questionable
 * @throws ApiError 422; 400 in the form of Istio's webhook for Istio's kinds
 */
export function admit(object: ResourceObject, resource: ApiResource, now: Date, warn: (text: string) => void): void {
  const named = checkObjectName(object.metadata, resource);
  if (named.length > 0) throw invalid(kindOf(resource), object.metadata.name ?? '', named);
  const findings = checkSemantics(resource.kind, object, now);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw refusal(errors, object, resource);
  for (const finding of findings) warn(describe(finding));
  if (resource.kindId === DEFINITION)
    for (const text of definitionWarnings(object as CustomResourceDefinition)) warn(text);
  if (resource.kind.storedOnly !== undefined)
    warn(`${resource.kind.name} is stored, not served yet: ${resource.kind.storedOnly}`);
}

function refusal(errors: readonly Finding[], object: ResourceObject, resource: ApiResource): ApiError {
  if (!resource.group.endsWith('.istio.io'))
    return invalid(
      kindOf(resource),
      object.metadata.name,
      errors.map(({ path, message, hint }): StatusCause => {
        const field = formatFieldPath(path);
        return {
          reason: 'FieldValueInvalid',
          ...(field === '' ? {} : { field }),
          message: `Invalid value: ${message}${hint === undefined ? '' : ` (${hint})`}`,
        };
      }),
    );
  const texts = errors.map(describe);
  const reasons =
    texts.length === 1
      ? texts[0]
      : `${texts.length} errors occurred:\n${texts.map((text) => `\t* ${text}`).join('\n')}\n\n`;
  return new ApiError(
    400,
    '',
    `admission webhook ${JSON.stringify(WEBHOOK)} denied the request: configuration is invalid: ${reasons}`,
  );
}

/** `spec.servers[0].port: message (hint)` */
function describe({ path, message, hint }: Finding): string {
  const field = formatFieldPath(path);
  return `${field === '' ? '' : `${field}: `}${message}${hint === undefined ? '' : ` (${hint})`}`;
}

/** Group and kind for an Invalid status. */
export function kindOf({ group, kind }: ApiResource): { group: string; kind: string } {
  return { group, kind: kind.name };
}
