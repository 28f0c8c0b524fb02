// Pods as controllers see them: which count, which are ready, how one is made of a template and how one is asked to go. Pure.

import { DEFAULT_GRACE_SECONDS, graceSecondsOf } from '../../resources/grace-period.ts';
import type { OwnerReference } from '../../resources/object.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { Deployment, Pod } from '../../resources/types.ts';

export type PodTemplate = NonNullable<Deployment['spec']>['template'];

/** Whether a pod counts: it is not on its way out and has not come to its end. */
export function isActive({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/** Whether a pod takes traffic. */
export function isReady({ metadata, status }: Pod): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true
  );
}

/**
 * Whether somebody else runs this pod: it came with an address and belongs to no node. It stands for a process that a person started.
 */
export function isForeign({ spec, status }: Pod): boolean {
  return status?.podIP !== undefined && spec?.nodeName === undefined;
}

/** A new Pod of a template. */
export function podOf(template: PodTemplate, namespace: string, name: string, owner: OwnerReference): Pod {
  const { labels, annotations } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      ...(labels === undefined ? {} : { labels: { ...labels } }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ownerReferences: [owner],
    },
    spec: withDefaults(template.spec),
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  };
}

function withDefaults(spec: PodTemplate['spec']): NonNullable<Pod['spec']> {
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: DEFAULT_GRACE_SECONDS,
    serviceAccountName: 'default',
    ...(spec ?? { containers: [] }),
  };
}

/** The pod, asked to go: the node ends its containers, and then it goes. */
export function askedToGo(pod: Pod, now: number): Pod {
  const seconds = graceSecondsOf(pod);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      deletionTimestamp: timestamp(now + seconds * 1000),
      deletionGracePeriodSeconds: seconds,
    },
  };
}
