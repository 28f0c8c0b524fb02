// From the port a Gateway names to the port the proxy binds: through the Services that select the gateway's pods.

import { targetPortOn } from '../../resources/pod-ports.ts';
import { matchesLabels } from '../../resources/selectors.ts';
import type { ProxyNode } from '../node.ts';
import type { PushContext } from '../push-context.ts';
import type { MeshService } from '../registry/service.ts';

/** The Services that lead to a proxy: those of its namespace whose selector its labels match. */
export function servicesOf(context: PushContext, node: ProxyNode): MeshService[] {
  return context.registry.services.filter(
    ({ source, namespace, selector }) =>
      source.kind === 'Service' &&
      namespace === node.namespace &&
      selector !== undefined &&
      matchesLabels(selector, node.labels),
  );
}

/**
 * The ports to bind for a Gateway's port: the targetPorts behind that port of the Services, or the number itself where no
 * Service has such a port (it then serves, but only for who reaches the pod).
 */
export function boundPorts(
  number: number,
  services: readonly MeshService[],
  context: PushContext,
  node: ProxyNode,
): number[] {
  const ports = new Set<number>();
  for (const service of services) {
    for (const port of service.ports) {
      if (port.number !== number) continue;
      const target = targetOf(port.targetPort, context, node);
      if (target !== undefined) ports.add(target);
    }
  }
  return ports.size === 0 ? [number] : [...ports].sort((a, b) => a - b);
}

function targetOf(targetPort: number | string, context: PushContext, node: ProxyNode): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  const pod = context.snapshot.get('Pod', node.namespace, node.podName);
  return pod === undefined ? undefined : targetPortOn(pod.spec, targetPort);
}
