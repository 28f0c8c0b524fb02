// How long a pod's containers have between being asked to end and being killed.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination

import type { Pod } from './types.ts';

/** Kubernetes' terminationGracePeriodSeconds where a pod says none. */
export const DEFAULT_GRACE_SECONDS = 30;

/** What a pod says of it, seconds. */
export function graceSecondsOf({ spec }: Pick<Pod, 'spec'>): number {
  return spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}
