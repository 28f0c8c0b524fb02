// The Gateways of one proxy.

import { keyOf } from '../../resources/object.ts';
import { matchesLabels } from '../../resources/selectors.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import type { MeshService } from '../registry/service.ts';
import { type MergedGateways, mergeGateways } from './merge.ts';
import { boundPorts, servicesOf } from './ports.ts';

const NONE: MergedGateways = { ports: [], serversByRouteName: new Map(), notices: [] };

/**
 * The Gateways whose selector the proxy's labels match, from every namespace (as Istio does unless
 * PILOT_SCOPE_GATEWAY_TO_NAMESPACE is set; no selector matches every gateway), merged. A sidecar has none.
 */
export function gatewaysOf(context: PushContext, node: ProxyNode): MergedGateways {
  if (node.type === 'sidecar') return NONE;
  const gateways = context.gateways.filter(({ spec }) => matchesLabels(spec?.selector, node.labels));
  const services = servicesOf(context, node);
  const pod = context.snapshot.get('Pod', node.namespace, node.podName);
  return context.memo.get(`${node.id}/gateways`, [...gateways, null, ...services, pod], () => {
    const bound = (number: number) => boundPorts(number, services, context, node);
    const merged = mergeGateways(gateways, bound);
    return { ...merged, notices: [...merged.notices, ...unreachable(merged, services, bound)] };
  });
}

/** Ports that are bound but that no port of a Service leads to: served, and not reached from outside. */
function unreachable(
  { ports }: MergedGateways,
  services: readonly MeshService[],
  boundBehind: (servicePort: number) => readonly number[],
): Notice[] {
  if (services.length === 0) return [];
  const reached = new Set(services.flatMap((service) => service.ports.flatMap(({ number }) => boundBehind(number))));
  const names = services.map(({ namespace, name }) => `${namespace}/${name}`).join(', ');
  return ports
    .filter(({ number }) => !reached.has(number))
    .flatMap(({ servers }) =>
      servers.map(({ server, gateway, field }) => ({
        object: keyOf(gateway),
        field: `${field}.port.number`,
        message: `${server.port.number} is not a port of the gateway's Service (${names}): nobody outside can reach it`,
      })),
    );
}
