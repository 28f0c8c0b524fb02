// Whether a pod may go to a node: what the node says (cordoned, tainted) and what the pod asks for (labels). Pure.
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/

import type { ResourceObject } from '../../resources/object.ts';
import { matchesLabels, matchesSelector } from '../../resources/selectors.ts';
import type { Pod } from '../../resources/types.ts';

/** A taint of a node. */
export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

/** A node, as far as pods are concerned. */
export type Node = ResourceObject<{ unschedulable?: boolean; taints?: readonly Taint[] }>;

type Spec = NonNullable<Pod['spec']>;
type Toleration = NonNullable<Spec['tolerations']>[number];

/** What a cordoned node is to the tolerations of pods. */
const CORDONED: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Why a pod can't go to a node, in the words of Kubernetes' scheduler; undefined where it can. */
export function whyNotOn({ metadata, spec }: Node, pod: Spec): string | undefined {
  const { tolerations = [], nodeSelector, affinity } = pod;
  if (spec?.unschedulable === true && !tolerates(tolerations, CORDONED)) return 'node(s) were unschedulable';
  const taint = spec?.taints?.find(
    (each) => (each.effect === 'NoSchedule' || each.effect === 'NoExecute') && !tolerates(tolerations, each),
  );
  if (taint !== undefined) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
  const { labels = {}, name } = metadata;
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  // One of the terms is enough; a term that asks for nothing fits no node.
  const isNear =
    terms?.some(
      ({ matchExpressions = [], matchFields = [] }) =>
        matchExpressions.length + matchFields.length > 0 &&
        matchesSelector({ matchExpressions }, labels) &&
        matchesSelector({ matchExpressions: matchFields }, { 'metadata.name': name }),
    ) ?? true;
  return matchesLabels(nodeSelector, labels) && isNear
    ? undefined
    : "node(s) didn't match Pod's node affinity/selector";
}

/** The taints by which a node drives out a pod that runs there. */
export function evictingTaints({ spec }: Node, { tolerations = [] }: Spec): Taint[] {
  return (spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute' && !tolerates(tolerations, taint));
}

function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(
    ({ key = '', operator = 'Equal', value = '', effect = '' }) =>
      (effect === '' || effect === taint.effect) &&
      (key === '' ? operator === 'Exists' : key === taint.key) &&
      (operator === 'Exists' || value === (taint.value ?? '')),
  );
}
