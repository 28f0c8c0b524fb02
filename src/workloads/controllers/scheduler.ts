// Binds pods to the one node there is, as far as the node and the pod allow it, and drives out those that its taints do not bear.

import type { Snapshot } from '../../resources/snapshot.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { Pod } from '../../resources/types.ts';
import type { Controller, Edit } from './controller.ts';
import { evictingTaints, type Node, whyNotOn } from './node-fit.ts';
import { nameOf, splitName } from './owned.ts';
import { askedToGo, isForeign } from './pods.ts';

/** @param clock milliseconds since the epoch */
export function scheduler(nodeName: string, clock: () => number): Controller {
  // Before the API has made it, and until it comes back after a deletion, the node is as it is at first: open to all.
  const nodeOf = (snapshot: Snapshot): Node =>
    (snapshot.getOf('Node', '', nodeName) as Node | undefined) ?? {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName },
    };
  const all = (snapshot: Snapshot) => snapshot.list('Pod').map(nameOf);
  return {
    name: 'scheduler',
    all,
    concerns({ type, object }, snapshot) {
      if (object.apiVersion !== 'v1') return [];
      if (object.kind === 'Node') return object.metadata.name === nodeName ? all(snapshot) : [];
      return type !== 'deleted' && object.kind === 'Pod' ? [nameOf(object)] : [];
    },
    reconcile(name, snapshot) {
      const pod = snapshot.get('Pod', ...splitName(name));
      if (pod?.spec === undefined || pod.metadata.deletionTimestamp !== undefined || isForeign(pod)) return [];
      const node = nodeOf(snapshot);
      if (pod.spec.nodeName === nodeName)
        return evictingTaints(node, pod.spec).length === 0 ? [] : [evicted(pod, clock())];
      if (pod.spec.nodeName !== undefined) return []; // asks for another node: its kubelet would have to run it
      const reason = whyNotOn(node, pod.spec);
      return reason === undefined ? [bound(pod, nodeName, clock())] : refused(pod, reason, clock());
    },
  };
}

function bound(pod: Pod, nodeName: string, now: number): Edit {
  const message = `Successfully assigned ${nameOf(pod)} to ${nodeName}`;
  return {
    put: {
      ...pod,
      spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName },
      status: withCondition(pod, { type: 'PodScheduled', status: 'True' }, now),
    } as Pod,
    because: { about: pod, source: 'default-scheduler', type: 'Normal', reason: 'Scheduled', message },
  };
}

/** The pod waits, and says why; once. */
function refused(pod: Pod, reason: string, now: number): Edit[] {
  const message =
    `0/1 nodes are available: 1 ${reason}. ` +
    'preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
  const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message } as const;
  if (pod.status?.conditions?.some((before) => before.type === 'PodScheduled' && before.message === message)) return [];
  return [
    {
      put: { ...pod, status: withCondition(pod, condition, now) } as Pod,
      because: { about: pod, source: 'default-scheduler', type: 'Warning', reason: 'FailedScheduling', message },
    },
  ];
}

function evicted(pod: Pod, now: number): Edit {
  const message = `Marking for deletion Pod ${nameOf(pod)}`;
  return {
    put: askedToGo(pod, now),
    because: {
      about: pod,
      source: 'taint-eviction-controller',
      type: 'Normal',
      reason: 'TaintManagerEviction',
      message,
    },
  };
}

type Condition = NonNullable<NonNullable<Pod['status']>['conditions']>[number];

function withCondition({ status }: Pod, condition: Condition, now: number): Pod['status'] {
  const others = status?.conditions?.filter(({ type }) => type !== condition.type) ?? [];
  return {
    phase: 'Pending',
    ...status,
    conditions: [...others, { ...condition, lastTransitionTime: timestamp(now) }],
  };
}
