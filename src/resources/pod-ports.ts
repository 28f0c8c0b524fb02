// The ports of pods: which one a Service's targetPort is, and where it really listens on this machine. A pod has no network of its own here: another process may hold the number
// its container asks for, and then the container listens on a free one, which an annotation of the Pod tells.

import type { Pod } from './types.ts';

/** The parts of a pod's spec, or of a template's, that a Service's port can lead to. */
export interface PodPorts {
  readonly containers?: readonly { readonly ports?: readonly { name?: string; containerPort: number }[] }[];
}

/**
 * The number behind a Service's targetPort on a pod: itself, or the container port of that name. Undefined where the pod has none: nothing of
 * it answers for that port of the Service then.
 */
export function targetPortOn(podSpec: PodPorts | undefined, targetPort: number | string): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  for (const { ports = [] } of podSpec?.containers ?? [])
    for (const { name, containerPort } of ports) if (name === targetPort) return containerPort;
  return /^\d+$/.test(targetPort) ? Number(targetPort) : undefined;
}

/** On a Pod: a JSON object of containerPort → the port that is listened on, for those that differ. */
export const BOUND_PORTS_ANNOTATION = 'limen.dev/bound-ports';

/** The annotation's value, or undefined where every port is its own. */
export function boundPortsAnnotation(bound: ReadonlyMap<number, number>): string | undefined {
  const moved = [...bound].filter(([port, actual]) => port !== actual);
  return moved.length === 0 ? undefined : JSON.stringify(Object.fromEntries(moved));
}

/** The port that is listened on for a container port of a pod. */
export function boundPort(pod: Pod, containerPort: number): number {
  const annotation = pod.metadata.annotations?.[BOUND_PORTS_ANNOTATION];
  if (annotation === undefined) return containerPort;
  try {
    const actual: unknown = (JSON.parse(annotation) as Record<string, unknown>)[containerPort];
    return typeof actual === 'number' && Number.isInteger(actual) && actual > 0 && actual <= 65535
      ? actual
      : containerPort;
  } catch {
    return containerPort; // someone else's text
  }
}
