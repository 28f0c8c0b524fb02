// How many replicas each ReplicaSet of a Deployment has next, so that enough pods serve at every moment. Pure.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy

import type { Deployment } from '../../resources/types.ts';

/** What a roll-out goes by. Numbers of pods. */
export interface RollOut {
  deployment: Deployment;
  /** The ReplicaSet of the present template, if there is one yet. */
  current: { replicas: number; available: number } | undefined;
  /** Those of earlier templates. `running`: pods that are still there. */
  before: readonly { replicas: number; available: number; running: number }[];
}

/** What they have next. `surge`: how many pods there may be beyond what is asked for. */
export interface NextReplicas {
  replicas: { current: number; before: number[] };
  surge: number;
}

/** One step of a roll-out. */
export function rollOut({ deployment, current, before }: RollOut): NextReplicas {
  const desired = deployment.spec?.replicas ?? 1;
  const kept = before.map(({ replicas }) => replicas);
  const now = current?.replicas ?? 0;
  if (deployment.spec?.paused === true) {
    // Paused: no roll-out, but it can be scaled: whichever set is the one that runs.
    const running = kept.findIndex((replicas) => replicas > 0);
    if (now > 0 || running === -1)
      return { replicas: { current: current === undefined ? 0 : desired, before: kept }, surge: 0 };
    return {
      replicas: { current: now, before: kept.map((replicas, index) => (index === running ? desired : replicas)) },
      surge: 0,
    };
  }
  if (deployment.spec?.strategy?.type === 'Recreate') {
    const left = before.some(({ running }) => running > 0);
    return { replicas: { current: left ? now : desired, before: kept.map(() => 0) }, surge: 0 };
  }
  const { surge, unavailable } = bounds(deployment, desired);
  const total = now + sum(kept);
  const next = now >= desired ? desired : now + Math.max(Math.min(desired + surge - total, desired - now), 0);

  // Of the old ones as many may go as leave enough that serve: first those that don't.
  const least = desired - unavailable;
  const available = current?.available ?? 0;
  let mayGo = Math.max(total - least - Math.max(now - available, 0), 0);
  const rest = before.map((set) => {
    const broken = Math.min(Math.max(set.replicas - set.available, 0), mayGo);
    mayGo -= broken;
    return set.replicas - broken;
  });
  const serving =
    available + before.reduce((count, set, index) => count + Math.min(set.available, rest[index] ?? 0), 0);
  let spare = Math.max(serving - least, 0);
  const left = rest.map((replicas) => {
    const gone = Math.min(replicas, spare);
    spare -= gone;
    return replicas - gone;
  });
  return { replicas: { current: next, before: left }, surge };
}

/** maxSurge and maxUnavailable as numbers of pods: a quarter each unless given; percentages are rounded up and down. */
function bounds({ spec }: Deployment, desired: number): { surge: number; unavailable: number } {
  const { maxSurge = '25%', maxUnavailable = '25%' } = spec?.strategy?.rollingUpdate ?? {};
  const surge = podsOf(maxSurge, desired, Math.ceil);
  const unavailable = podsOf(maxUnavailable, desired, Math.floor);
  // Neither more nor fewer would be no way forward.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function podsOf(value: number | string, desired: number, round: (number: number) => number): number {
  const number =
    typeof value === 'number'
      ? value
      : value.endsWith('%')
        ? round((Number(value.slice(0, -1)) * desired) / 100)
        : Number(value);
  return Number.isFinite(number) ? Math.max(number, 0) : 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
