// Who owns what: a ReplicaSet its pods, a Deployment its ReplicaSets.

import { groupOf, type OwnerReference, type ResourceObject } from '../../resources/object.ts';

/** `namespace/name` of an object. */
export function nameOf({ metadata }: ResourceObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

/** The two parts of `namespace/name`. */
export function splitName(name: string): [namespace: string, name: string] {
  const slash = name.indexOf('/');
  return [name.slice(0, slash), name.slice(slash + 1)];
}

/** The owner that controls an object. */
export function controllerOf({ metadata }: ResourceObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** The reference by which `owner` controls an object. */
export function controllerReference({ apiVersion, kind, metadata }: ResourceObject): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: true };
}

/** `namespace/name` of the owner of this kind that controls an object, if one does. */
export function ownerName(object: ResourceObject, group: string, kind: string): string[] {
  const owner = controllerOf(object);
  return owner?.kind === kind && groupOf(owner.apiVersion) === group
    ? [`${object.metadata.namespace ?? ''}/${owner.name}`]
    : [];
}
