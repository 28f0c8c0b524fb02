// The kinds that controllers write and the control plane does not read.

import type { IReplicaSet } from 'kubernetes-models/apps/v1/ReplicaSet';
import type { ResourceObject } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';

/** An apps/v1 ReplicaSet. */
export type ReplicaSet = ResourceObject<NonNullable<IReplicaSet['spec']>, IReplicaSet['status']>;

/** The `kindId` of ReplicaSets. */
const REPLICA_SET = 'ReplicaSet.apps';
export const APPS = 'apps';

/** All ReplicaSets. */
export function replicaSetsOf(snapshot: Snapshot): ReplicaSet[] {
  return snapshot.listOf(REPLICA_SET) as ReplicaSet[];
}

/** One ReplicaSet. */
export function replicaSetOf(snapshot: Snapshot, namespace: string, name: string): ReplicaSet | undefined {
  return snapshot.getOf(REPLICA_SET, namespace, name) as ReplicaSet | undefined;
}
