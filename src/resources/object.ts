// The shape every configuration object has, whatever its kind: Kubernetes' API conventions.

import type { ManagedFieldsEntry } from './managed-fields/entries.ts';

/** An owner of an object. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  /** A foreground deletion of the owner waits for this object. */
  blockOwnerDeletion?: boolean;
}

/** `metadata` of an object (Kubernetes ObjectMeta; the fields Limen reads). */
export interface ObjectMeta {
  name: string;
  /** Set on every namespaced object once it is loaded (`default` where the author wrote none); absent on cluster-scoped ones. */
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339, seconds. Set by the store when the object is first seen; decides conflicts (oldest wins). */
  creationTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  /** What this object belongs to and goes with: a pod to its ReplicaSet. */
  ownerReferences?: OwnerReference[];
  /** The prefix of a name that the API server made. */
  generateName?: string;
  /** What has to be done before the object may go, each by somebody who then takes his entry out. */
  finalizers?: string[];
  /** RFC 3339, seconds. The object is to go at that time, or when its finalizers are done. */
  deletionTimestamp?: string;
  /** How long a pod has to end. */
  deletionGracePeriodSeconds?: number;
  /** Who owns which field. https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
  managedFields?: readonly ManagedFieldsEntry[];
}

/** One configuration object. Immutable by convention once the store holds it: a change is a new object. */
export interface ResourceObject<Spec = unknown, Status = unknown> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: Spec;
  status?: Status;
}

/** What identifies an object: two objects with the same key are versions of one another. `namespace` is '' when cluster-scoped. */
export interface ObjectKey {
  /** The API group; '' is the core group. Two groups may have kinds of one name. */
  group: string;
  kind: string;
  namespace: string;
  name: string;
}

/** The group of an `apiVersion`: `networking.istio.io` of `networking.istio.io/v1`, '' of `v1`. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/** What identifies a kind: `Gateway.networking.istio.io`, and `Pod` for the core group. The spelling kubectl takes too. */
export function kindId(group: string, kind: string): string {
  return group === '' ? kind : `${kind}.${group}`;
}

/** What identifies an object, as text: for keys of maps. */
export function keyId({ group, kind, namespace, name }: ObjectKey): string {
  return `${kindId(group, kind)} ${namespace}/${name}`;
}

/**
 * The key as text, `Kind namespace/name` (or `Kind name`): the spelling of error messages and logs. It leaves the group out, so that two
 * objects may have one description; `keyId` tells them apart.
 */
export function describeKey(key: Pick<ObjectKey, 'kind' | 'namespace' | 'name'>): string {
  return key.namespace === '' ? `${key.kind} ${key.name}` : `${key.kind} ${key.namespace}/${key.name}`;
}

/** The key of an object. */
export function keyOf(object: ResourceObject): ObjectKey {
  const { name, namespace = '' } = object.metadata;
  return { group: groupOf(object.apiVersion), kind: object.kind, namespace, name };
}

/**
 * Orders objects as Istio does when they conflict: older `creationTimestamp` first, then name, then namespace.
 * https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services
 */
export function byAge(a: ResourceObject, b: ResourceObject): number {
  return (
    compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compare(a.metadata.name, b.metadata.name) ||
    compare(a.metadata.namespace ?? '', b.metadata.namespace ?? '')
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
