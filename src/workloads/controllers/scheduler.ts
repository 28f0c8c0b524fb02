// Binds pods to the one node there is.

import type { Snapshot } from '../../resources/snapshot.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { Pod } from '../../resources/types.ts';
import type { Controller } from './controller.ts';
import { nameOf, splitName } from './owned.ts';
import { isForeign } from './pods.ts';

/** @param clock milliseconds since the epoch */
export function scheduler(nodeName: string, clock: () => number): Controller {
  return {
    name: 'scheduler',
    all: (snapshot) => snapshot.list('Pod').map(nameOf),
    concerns: ({ type, object }) =>
      type !== 'deleted' && object.kind === 'Pod' && object.apiVersion === 'v1' ? [nameOf(object)] : [],
    reconcile(name, snapshot: Snapshot) {
      const pod = snapshot.get('Pod', ...splitName(name));
      if (pod === undefined || !isUnbound(pod)) return [];
      const time = timestamp(clock());
      const others = pod.status?.conditions?.filter(({ type }) => type !== 'PodScheduled') ?? [];
      const bound: Pod = {
        ...pod,
        spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName },
        status: {
          phase: 'Pending',
          ...pod.status,
          conditions: [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: time }],
        },
      };
      const message = `Successfully assigned ${name} to ${nodeName}`;
      return [
        {
          put: bound,
          because: { about: pod, source: 'default-scheduler', type: 'Normal', reason: 'Scheduled', message },
        },
      ];
    },
  };
}

function isUnbound(pod: Pod): boolean {
  return (
    pod.spec !== undefined &&
    pod.spec.nodeName === undefined &&
    pod.metadata.deletionTimestamp === undefined &&
    !isForeign(pod)
  );
}
