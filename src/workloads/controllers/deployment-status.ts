// The status of a Deployment: what `kubectl get deploy`, `rollout status` and `wait` look at. Pure.

import { timestamp } from '../../resources/timestamp.ts';
import type { Deployment } from '../../resources/types.ts';
import type { ReplicaSet } from './kinds.ts';

type Status = NonNullable<Deployment['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/**
 * @param current the ReplicaSet of the present template; a paused Deployment may have none
 * @param sets all of its ReplicaSets
 * @param now milliseconds since the epoch
 */
export function deploymentStatus(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  now: number,
): Status {
  const total = (field: 'replicas' | 'readyReplicas' | 'availableReplicas') =>
    sets.reduce((sum, { status }) => sum + (status?.[field] ?? 0), 0);
  const desired = deployment.spec?.replicas ?? 1;
  const replicas = total('replicas');
  const readyReplicas = total('readyReplicas');
  const availableReplicas = total('availableReplicas');
  const updatedReplicas = current?.status?.replicas ?? 0;
  const unavailableReplicas = Math.max(Math.max(desired, replicas) - availableReplicas, 0);
  const isComplete =
    updatedReplicas === desired && replicas === desired && availableReplicas === desired && current !== undefined;
  const set = current?.metadata.name ?? '';
  const isAvailable = availableReplicas >= desired - maxUnavailable(deployment, desired);
  const conditions = [
    isAvailable
      ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.')
      : condition('Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.'),
    deployment.spec?.paused === true
      ? condition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused')
      : isComplete
        ? condition('Progressing', 'True', 'NewReplicaSetAvailable', `ReplicaSet "${set}" has successfully progressed.`)
        : condition('Progressing', 'True', 'ReplicaSetUpdated', `ReplicaSet "${set}" is progressing.`),
  ];
  const others =
    deployment.status?.conditions?.filter(({ type }) => type !== 'Available' && type !== 'Progressing') ?? [];
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...(replicas > 0 ? { replicas } : {}),
    ...(updatedReplicas > 0 ? { updatedReplicas } : {}),
    ...(readyReplicas > 0 ? { readyReplicas } : {}),
    ...(availableReplicas > 0 ? { availableReplicas } : {}),
    ...(unavailableReplicas > 0 ? { unavailableReplicas } : {}),
    conditions: [...conditions, ...others],
  };

  function condition(type: string, status: string, reason: string, message: string): Condition {
    const old = deployment.status?.conditions?.find((each) => each.type === type);
    const time = timestamp(now);
    const isSame = old?.status === status && old.reason === reason && old.message === message;
    return {
      type,
      status,
      lastUpdateTime: isSame ? (old.lastUpdateTime ?? time) : time,
      lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? time) : time,
      reason,
      message,
    };
  }
}

/** How many may be missing before it no longer counts as available. */
function maxUnavailable({ spec }: Deployment, desired: number): number {
  if (spec?.strategy?.type === 'Recreate') return 0;
  const value = spec?.strategy?.rollingUpdate?.maxUnavailable ?? '25%';
  const number = typeof value === 'number' ? value : Math.floor((Number.parseFloat(value) * desired) / 100);
  return Number.isFinite(number) ? number : 0;
}
