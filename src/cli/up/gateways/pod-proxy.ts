// What a pod with a proxy is to xDS and to other commands: its node id, labels, and the workload it belongs to.

import type { Pod } from '../../../resources/types.ts';

/** A gateway's: `router~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local` */
export function nodeIdOf(pod: Pod, ip: string): string {
  return `router~${placeOf(pod, ip)}`;
}

/** That of a pod's sidecar. */
export function sidecarIdOf(pod: Pod, ip: string): string {
  return `sidecar~${placeOf(pod, ip)}`;
}

function placeOf({ metadata }: Pod, ip: string): string {
  const { name, namespace = 'default' } = metadata;
  return `${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`;
}

/** `key=value` each. */
export function labelsOf({ metadata }: Pod): string[] {
  return Object.entries(metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`);
}

/** The name of the Deployment that a pod belongs to through its ReplicaSet; of a bare pod its own. */
export function workloadOf({ metadata }: Pod): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  const hash = metadata.labels?.['pod-template-hash'];
  if (owner === undefined) return metadata.name;
  return owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)
    ? owner.name.slice(0, -hash.length - 1)
    : owner.name;
}
