// Ports of Services that name a container port which no pod of theirs has: there is no endpoint behind them.

import { error } from '../finding.ts';
import type { ResourceObject } from '../object.ts';
import { type PodPorts, targetPortOn } from '../pod-ports.ts';
import { matchesLabels } from '../selectors.ts';
import type { Snapshot } from '../snapshot.ts';
import type { ObjectFinding } from './references.ts';

/**
 * Every `targetPort` of a Service that is a name and none of its pods' (or of the pods that Deployments will have). A Service without pods may
 * get some that have it.
 */
export function findMissingTargetPorts(snapshot: Snapshot): ObjectFinding[] {
  const named = snapshot
    .list('Service')
    .filter(({ spec }) => spec?.ports?.some(({ targetPort }) => typeof targetPort === 'string'));
  if (named.length === 0) return [];
  const podsOf = podsBySelector(snapshot);
  return named.flatMap((service) => {
    const pods = podsOf(service);
    if (pods.length === 0) return [];
    return (service.spec?.ports ?? []).flatMap(({ port, targetPort = port }, index) => {
      if (pods.some((pod) => targetPortOn(pod, targetPort) !== undefined)) return [];
      const finding = error(
        ['spec', 'ports', index, 'targetPort'],
        `no container port of its pods is called ${targetPort}: nothing answers on port ${port}`,
        hintFor(pods),
      );
      return [{ object: service, finding }];
    });
  });
}

/** The pods, and the templates of those to come, that a Service leads to. */
function podsBySelector(
  snapshot: Snapshot,
): (service: ResourceObject<{ selector?: Record<string, string> }>) => PodPorts[] {
  const all = [
    ...snapshot
      .list('Pod')
      .map(({ metadata, spec }) => ({ namespace: metadata.namespace, labels: metadata.labels, spec })),
    ...snapshot.list('Deployment').map(({ metadata, spec }) => ({
      namespace: metadata.namespace,
      labels: spec?.template.metadata?.labels,
      spec: spec?.template.spec,
    })),
  ];
  const byNamespace = Map.groupBy(all, ({ namespace }) => namespace);
  return ({ metadata, spec }) => {
    const selector = spec?.selector ?? {};
    if (Object.keys(selector).length === 0) return [];
    return (byNamespace.get(metadata.namespace) ?? [])
      .filter(({ labels }) => matchesLabels(selector, labels))
      .map((pod) => pod.spec ?? {});
  };
}

function hintFor(pods: readonly PodPorts[]): string {
  const ports = pods.flatMap(({ containers = [] }) => containers.flatMap((container) => container.ports ?? []));
  const texts = ports.map(({ name, containerPort }) =>
    name === undefined ? `${containerPort}` : `${name} (${containerPort})`,
  );
  return texts.length === 0 ? 'they declare no ports' : `their ports: ${[...new Set(texts)].join(', ')}`;
}
