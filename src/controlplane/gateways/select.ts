// The Gateways of one proxy.

import { keyOf } from '../../resources/object.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import type { MeshService } from '../registry/service.ts';
import { matchesLabels } from '../registry/workloads.ts';
import { type MergedGateways, mergeGateways } from './merge.ts';
import { boundPorts, servicesOf } from './ports.ts';

/**
 * The Gateways whose selector the proxy's labels match, from every namespace (as Istio does unless
 * PILOT_SCOPE_GATEWAY_TO_NAMESPACE is set; no selector matches every proxy), merged.
 */
export function gatewaysOf(context: PushContext, node: ProxyNode): MergedGateways {
  const gateways = context.gateways.filter(({ spec }) => matchesLabels(spec?.selector, node.labels));
  const services = servicesOf(context, node);
  const pod = context.snapshot.get('Pod', node.namespace, node.podName);
  return context.memo.get(`${node.id}/gateways`, [...gateways, null, ...services, pod], () => {
    const merged = mergeGateways(gateways, (number) => boundPorts(number, services, context, node));
    return { ...merged, notices: [...merged.notices, ...unreachable(merged, services)] };
  });
}

/** Ports that are bound but that no Service leads to: served, and not reached from outside. */
function unreachable({ ports }: MergedGateways, services: readonly MeshService[]): Notice[] {
  if (services.length === 0) return [];
  const exposed = new Set(services.flatMap((service) => service.ports.map(({ number }) => number)));
  const names = services.map(({ namespace, name }) => `${namespace}/${name}`).join(', ');
  return ports.flatMap(({ servers }) =>
    servers
      .filter(({ server }) => !exposed.has(server.port.number))
      .map(({ server, gateway, field }) => ({
        object: keyOf(gateway),
        field: `${field}.port.number`,
        message: `${server.port.number} is not a port of the gateway's Service (${names}): it is listened on, but can't be reached from outside`,
      })),
  );
}
