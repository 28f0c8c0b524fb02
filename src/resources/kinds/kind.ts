// What the API says about a kind: its group, versions, names, scope, subresources and columns.

import type { Schema } from '../openapi/schema.ts';

/** A column that `kubectl get` prints for a kind: a CustomResourceDefinition's `additionalPrinterColumns`. */
export interface PrinterColumn {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** Kubernetes' simple JSONPath, `.spec.hosts`. */
  jsonPath: string;
  format?: string;
  description?: string;
  /** 0 or absent: always shown. Greater: with `-o wide`. */
  priority?: number;
}

/** What is beneath an object: `/status`, `/scale`, a pod's `/log`. */
export interface Subresource {
  name: string;
  verbs: readonly string[];
  /** What is sent and answered, where that is not the object's own kind. */
  kind?: { group: string; version: string; kind: string };
  /** For a scale subresource: where the object keeps its numbers. Absent: `spec.replicas`, `status.replicas`, `spec.selector`. */
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
}

/** What an API server's discovery says about a kind. */
export interface Kind<Name extends string = string> {
  name: Name;
  /** '' is the core group. */
  group: string;
  /** Served versions, the newest (the one objects are stored and read as) first. */
  versions: readonly [string, ...string[]];
  plural: string;
  singular: string;
  shortNames: readonly string[];
  /** Names for several kinds at once: `kubectl get all`, `kubectl get istio-io`. */
  categories: readonly string[];
  namespaced: boolean;
  verbs: readonly string[];
  subresources: readonly Subresource[];
  /** The columns after NAME of a kind that comes from a CustomResourceDefinition; absent for Kubernetes' own kinds. */
  columns?: readonly PrinterColumn[];
  /** The columns of each version, of a kind that a CustomResourceDefinition brought; undefined where it says none. */
  versionColumns?: ReadonlyMap<string, readonly PrinterColumn[] | undefined>;
  /** The schema of each version, of a kind that a CustomResourceDefinition brought. */
  schemas?: ReadonlyMap<string, Schema>;
  /** Limen stores and lists objects of this kind and does nothing else with them: what is missing then, as half a sentence. */
  storedOnly?: string;
}

/** What can be done with the objects of most kinds. */
export const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

/** The status, changed apart from the rest of an object. */
export const STATUS: Subresource = { name: 'status', verbs: ['get', 'patch', 'update'] };

/** The number of replicas, whatever the kind. */
export const SCALE: Subresource = {
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
};

/** What a list of a kind is called. */
export function listKindOf(kind: Pick<Kind, 'name'>): string {
  return `${kind.name}List`;
}

/** `group/version` of a kind, as `apiVersion` spells it. */
export function apiVersionOf(kind: Pick<Kind, 'group' | 'versions'>, version: string = kind.versions[0]): string {
  return kind.group === '' ? version : `${kind.group}/${version}`;
}
