// ReplicaSets: as many pods of a template as asked for. https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/

import { isDeepStrictEqual } from 'node:util';
import { matchesSelector } from '../../resources/selectors.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Pod } from '../../resources/types.ts';
import type { Happening } from '../events.ts';
import type { Controller, Edit } from './controller.ts';
import { generatedName } from './generated-names.ts';
import { APPS, type ReplicaSet, replicaSetOf, replicaSetsOf } from './kinds.ts';
import { controllerOf, controllerReference, nameOf, ownerName, splitName } from './owned.ts';
import { askedToGo, isActive, isReady, podOf } from './pods.ts';

/** So many pods are made in one round at most: Kubernetes too starts slowly where something may be wrong. */
const BURST = 100;

/** @param clock milliseconds since the epoch */
export function replicaSets(clock: () => number): Controller {
  return {
    name: 'replica sets',
    all: (snapshot) => [
      ...replicaSetsOf(snapshot).map(nameOf),
      ...snapshot.list('Pod').flatMap((pod) => ownerName(pod, APPS, 'ReplicaSet')),
    ],
    concerns({ object }, snapshot) {
      if (object.kind === 'ReplicaSet') return [nameOf(object)];
      if (object.kind !== 'Pod' || object.apiVersion !== 'v1') return [];
      const owner = ownerName(object, APPS, 'ReplicaSet');
      // A pod that nobody controls may be one that some ReplicaSet's selector takes in.
      return owner.length > 0
        ? owner
        : replicaSetsOf(snapshot)
            .filter((set) => selects(set, object as Pod))
            .map(nameOf);
    },
    reconcile: (name, snapshot) => reconcile(name, snapshot, clock()),
  };
}

function reconcile(name: string, snapshot: Snapshot, now: number): Edit[] {
  const [namespace, setName] = splitName(name);
  const set = replicaSetOf(snapshot, namespace, setName);
  const pods = snapshot.list('Pod').filter((pod) => pod.metadata.namespace === namespace);
  const edits: Edit[] = pods
    .filter((pod) => ownerName(pod, APPS, 'ReplicaSet').includes(name) && controllerOf(pod)?.uid !== set?.metadata.uid)
    .flatMap((pod) => removal(pod, now));
  if (set?.spec === undefined) return edits;

  const owned: Pod[] = [];
  for (const pod of pods) {
    const isOwned = controllerOf(pod)?.uid === set.metadata.uid;
    const isSelected = selects(set, pod);
    if (isOwned && isSelected) owned.push(pod);
    else if (set.metadata.deletionTimestamp !== undefined) continue;
    // Whose labels no longer fit is let go, and another takes its place: how one takes a pod aside to look at it.
    else if (isOwned && isActive(pod)) edits.push({ put: withOwners(pod, []) });
    else if (isSelected && controllerOf(pod) === undefined && isActive(pod) && pod.spec?.nodeName !== undefined) {
      const adopted = withOwners(pod, [...(pod.metadata.ownerReferences ?? []), controllerReference(set)]);
      edits.push({ put: adopted });
      owned.push(adopted);
    }
  }
  const active = owned.filter(isActive);
  const wanted = set.spec.replicas ?? 1;
  if (set.metadata.deletionTimestamp === undefined) {
    for (let count = active.length; count < wanted && count < active.length + BURST; count++) {
      const pod = podOf(set.spec.template ?? {}, namespace, generatedName(`${setName}-`), controllerReference(set));
      edits.push({ put: pod, because: happening(set, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`) });
    }
    for (const pod of [...active].sort(firstToGo).slice(0, Math.max(active.length - wanted, 0))) {
      edits.push(
        ...removal(pod, now).map((edit) => ({
          ...edit,
          because: happening(set, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`),
        })),
      );
    }
  }
  const status = statusOf(set, active);
  if (!isDeepStrictEqual(status, set.status)) edits.push({ put: { ...set, status } as ReplicaSet });
  return edits;
}

function selects(set: ReplicaSet, pod: Pod): boolean {
  const selector = set.spec?.selector ?? {};
  // One that asks for nothing would take in every pod of the namespace; the API refuses it, files may hold it.
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) return false;
  return set.metadata.namespace === pod.metadata.namespace && matchesSelector(selector, pod.metadata.labels ?? {});
}

function withOwners(pod: Pod, ownerReferences: NonNullable<Pod['metadata']['ownerReferences']>): Pod {
  const { ownerReferences: _, ...metadata } = pod.metadata;
  return { ...pod, metadata: ownerReferences.length === 0 ? metadata : { ...metadata, ownerReferences } };
}

/** Asks a pod to go; one that no node has is gone at once. */
function removal(pod: Pod, now: number): Edit[] {
  if (pod.spec?.nodeName === undefined) return [{ delete: pod }];
  return pod.metadata.deletionTimestamp === undefined ? [{ put: askedToGo(pod, now) }] : [];
}

/** Orders pods by who is missed least: not bound, not started, not ready, restarted often, young. */
function firstToGo(a: Pod, b: Pod): number {
  return (
    rank(a) - rank(b) ||
    restarts(b) - restarts(a) ||
    (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '')
  );
}

function rank(pod: Pod): number {
  if (pod.spec?.nodeName === undefined) return 0;
  if (pod.status?.phase !== 'Running') return 1;
  return isReady(pod) ? 3 : 2;
}

function restarts({ status }: Pod): number {
  return (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function statusOf(set: ReplicaSet, active: readonly Pod[]): NonNullable<ReplicaSet['status']> {
  const ready = active.filter(isReady).length;
  const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const labeled = active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value)).length;
  return {
    ...set.status,
    replicas: active.length,
    fullyLabeledReplicas: labeled,
    readyReplicas: ready,
    availableReplicas: ready,
    observedGeneration: set.metadata.generation ?? 1,
  };
}

function happening(about: ReplicaSet, reason: string, message: string): Happening {
  return { about, source: 'replicaset-controller', type: 'Normal', reason, message };
}
