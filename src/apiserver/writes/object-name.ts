// Which names objects may have, in kube-apiserver's words. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/

import { isDnsLabel } from '../../resources/names.ts';
import type { ObjectMeta } from '../../resources/object.ts';
import type { ApiResource } from '../api-resource.ts';
import type { StatusCause } from '../status.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/** Kinds whose names are path segments and nothing more: `system:node`. */
const FREE_NAMES = new Set([
  'Role.rbac.authorization.k8s.io',
  'RoleBinding.rbac.authorization.k8s.io',
  'ClusterRole.rbac.authorization.k8s.io',
  'ClusterRoleBinding.rbac.authorization.k8s.io',
]);

/** What is wrong with an object's name. */
export function checkObjectName({ name }: ObjectMeta, resource: ApiResource): StatusCause[] {
  const field = 'metadata.name';
  if (name === undefined || name === '')
    return [{ reason: 'FieldValueRequired', field, message: 'Required value: name or generateName is required' }];
  const refuse = (message: string): StatusCause[] => [
    { reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(name.slice(0, 300))}: ${message}` },
  ];
  const { kindId } = resource;
  if (FREE_NAMES.has(kindId))
    return name === '.' || name === '..' || /[/%]/.test(name) ? refuse('may not contain "/" or "%"') : [];
  if (kindId === 'Service') {
    if (name.length > 63) return refuse('must be no more than 63 characters');
    return isDnsLabel(name) && /^[a-z]/.test(name) ? [] : refuse(LABEL_1035);
  }
  if (kindId === 'Namespace') {
    if (name.length > 63) return refuse('must be no more than 63 characters');
    return isDnsLabel(name) ? [] : refuse(LABEL);
  }
  if (name.length > 253) return refuse('must be no more than 253 characters');
  return name.split('.').every((label) => /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(label)) ? [] : refuse(SUBDOMAIN);
}
