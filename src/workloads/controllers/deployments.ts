// Deployments: a ReplicaSet for each template, and from one to the next without an interruption.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/

import { isDeepStrictEqual } from 'node:util';
import { matchesSelector } from '../../resources/selectors.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Deployment } from '../../resources/types.ts';
import type { Happening } from '../events.ts';
import type { Controller, Edit } from './controller.ts';
import { deploymentStatus } from './deployment-status.ts';
import { templateHash } from './generated-names.ts';
import { APPS, type ReplicaSet, replicaSetsOf } from './kinds.ts';
import { controllerOf, controllerReference, nameOf, ownerName, splitName } from './owned.ts';
import type { PodTemplate } from './pods.ts';
import { isForeign } from './pods.ts';
import { rollOut } from './rolling-update.ts';

const HASH_LABEL = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';
const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Kubernetes' revisionHistoryLimit. */
const HISTORY = 10;

/** @param clock milliseconds since the epoch */
export function deployments(clock: () => number): Controller {
  return {
    name: 'deployments',
    all: (snapshot) => [
      ...snapshot.list('Deployment').map(nameOf),
      ...replicaSetsOf(snapshot).flatMap((set) => ownerName(set, APPS, 'Deployment')),
    ],
    concerns: ({ object }) =>
      object.kind === 'Deployment'
        ? [nameOf(object)]
        : object.kind === 'ReplicaSet'
          ? ownerName(object, APPS, 'Deployment')
          : [],
    reconcile: (name, snapshot) => reconcile(name, snapshot, clock()),
  };
}

function reconcile(name: string, snapshot: Snapshot, now: number): Edit[] {
  const [namespace, deploymentName] = splitName(name);
  const deployment = snapshot.get('Deployment', namespace, deploymentName);
  const sets = replicaSetsOf(snapshot).filter((set) => ownerName(set, APPS, 'Deployment').includes(name));
  // Those of a Deployment that is gone, also of one of the same name.
  const stale = sets.filter((set) => controllerOf(set)?.uid !== deployment?.metadata.uid);
  const edits: Edit[] = stale.map((set) => ({ delete: set }));
  if (deployment?.spec === undefined || deployment.metadata.deletionTimestamp !== undefined) return edits;
  const owned = sets.filter((set) => !stale.includes(set));
  if (owned.length === 0 && isRunBySomebodyElse(deployment, snapshot)) return edits;
  if (deployment.spec.template?.spec === undefined) return edits;

  const current = owned.find((set) => isOf(set, deployment));
  const before = owned.filter((set) => set !== current);
  // While it is paused, a new template makes no ReplicaSet, and what is there stays the present revision.
  const isPaused = deployment.spec.paused === true;
  const revision = current === undefined && isPaused ? newestOf(before) : revisionOf(current, before);
  const desired = deployment.spec.replicas ?? 1;
  const { replicas, surge } = rollOut({
    deployment,
    current: current && { replicas: current.spec?.replicas ?? 0, available: current.status?.availableReplicas ?? 0 },
    before: before.map((set) => ({
      replicas: set.spec?.replicas ?? 0,
      available: set.status?.availableReplicas ?? 0,
      running: set.status?.replicas ?? 0,
    })),
  });

  const next: ReplicaSet[] = [];
  if (current !== undefined) next.push(scaled(current, replicas.current));
  else if (!isPaused) {
    const fresh = newReplicaSet(deployment, replicas.current, revision, desired + surge, snapshot);
    next.push(fresh);
    edits.push({ put: fresh, ...scaling(deployment, fresh.metadata.name, 0, replicas.current) });
  }
  const present = next[0];
  for (const [index, set] of before.entries()) next.push(scaled(set, replicas.before[index] ?? 0));
  for (const set of owned) {
    const to = next.find(({ metadata }) => metadata.name === set.metadata.name) as ReplicaSet;
    const annotated =
      set === current
        ? withAnnotations(to, set, {
            [REVISION]: revision,
            [DESIRED]: String(desired),
            [MAX_REPLICAS]: String(desired + surge),
          })
        : to;
    if (annotated === set) continue;
    edits.push({
      put: annotated,
      ...scaling(deployment, set.metadata.name, set.spec?.replicas ?? 0, to.spec?.replicas ?? 0),
    });
  }
  const history = deployment.spec.revisionHistoryLimit ?? HISTORY;
  const retired = before.filter((set) => (set.spec?.replicas ?? 0) === 0 && (set.status?.replicas ?? 0) === 0);
  retired.sort((a, b) => numberOf(a) - numberOf(b));
  for (const set of retired.slice(0, Math.max(retired.length - history, 0))) edits.push({ delete: set });

  const status = deploymentStatus(deployment, present, next, now);
  const annotations = { ...deployment.metadata.annotations, ...(revision === '0' ? {} : { [REVISION]: revision }) };
  if (
    !isDeepStrictEqual(status, deployment.status) ||
    deployment.metadata.annotations?.[REVISION] !== annotations[REVISION]
  )
    edits.push({ put: { ...deployment, metadata: { ...deployment.metadata, annotations }, status } });
  return edits;
}

/** Has the configuration pods for this Deployment that somebody else runs? Then Limen runs none. */
function isRunBySomebodyElse({ metadata, spec }: Deployment, snapshot: Snapshot): boolean {
  return snapshot
    .list('Pod')
    .some(
      (pod) =>
        pod.metadata.namespace === metadata.namespace &&
        isForeign(pod) &&
        matchesSelector(spec?.selector ?? {}, pod.metadata.labels ?? {}),
    );
}

/** Whether a ReplicaSet is of the Deployment's present template. */
function isOf(set: ReplicaSet, deployment: Deployment): boolean {
  return isDeepStrictEqual(withoutHash(set.spec?.template), withoutHash(deployment.spec?.template));
}

function withoutHash(template: PodTemplate | undefined): unknown {
  const { [HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

function newReplicaSet(
  deployment: Deployment,
  replicas: number,
  revision: string,
  most: number,
  snapshot: Snapshot,
): ReplicaSet {
  const { metadata, spec } = deployment;
  const { namespace = '' } = metadata;
  let hash = templateHash(spec?.template);
  let name = `${metadata.name}-${hash}`;
  // The name is taken by a set of another Deployment or of this one before it was deleted: the same template gets another hash.
  for (let count = 1; snapshot.getOf('ReplicaSet.apps', namespace, name) !== undefined; count++) {
    hash = templateHash(spec?.template, count);
    name = `${metadata.name}-${hash}`;
  }
  const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations ?? {};
  const labels = { ...spec?.template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace,
      labels,
      annotations: {
        ...annotations,
        [DESIRED]: String(spec?.replicas ?? 1),
        [MAX_REPLICAS]: String(most),
        [REVISION]: revision,
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      selector: { ...spec?.selector, matchLabels: { ...spec?.selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...spec?.template, metadata: { ...spec?.template.metadata, labels } },
    },
    status: { replicas: 0 },
  };
}

/** The very set when it has that many replicas already. */
function scaled(set: ReplicaSet, replicas: number): ReplicaSet {
  if (set.spec === undefined || (set.spec.replicas ?? 0) === replicas) return set;
  return { ...set, spec: { ...set.spec, replicas } };
}

/** `to` with these annotations; `set` itself where nothing is different. */
function withAnnotations(to: ReplicaSet, set: ReplicaSet, wanted: Record<string, string>): ReplicaSet {
  const { annotations = {} } = to.metadata;
  if (to === set && Object.entries(wanted).every(([key, value]) => annotations[key] === value)) return set;
  return { ...to, metadata: { ...to.metadata, annotations: { ...annotations, ...wanted } } };
}

/** The number of the present template's roll-out: a template that comes back gets a new one. */
function revisionOf(current: ReplicaSet | undefined, before: readonly ReplicaSet[]): string {
  const newest = Number(newestOf(before));
  const own = current === undefined ? 0 : numberOf(current);
  return String(own > newest ? own : newest + 1);
}

/** `0` where there is none. */
function newestOf(sets: readonly ReplicaSet[]): string {
  return String(Math.max(0, ...sets.map(numberOf)));
}

function numberOf({ metadata }: ReplicaSet): number {
  return Number(metadata.annotations?.[REVISION] ?? 0) || 0;
}

function scaling(about: Deployment, set: string, from: number, to: number): { because?: Happening } {
  if (from === to) return {};
  return {
    because: {
      about,
      source: 'deployment-controller',
      type: 'Normal',
      reason: 'ScalingReplicaSet',
      message: `Scaled ${to > from ? 'up' : 'down'} replica set ${set} from ${from} to ${to}`,
    },
  };
}
