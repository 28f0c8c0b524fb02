// A destination as the name of a cluster, and what is wrong with it.

import { CLUSTER_DOMAIN } from '../../resources/names.ts';
import { clusterName } from '../cluster-name.ts';
import { hasKnownDestination } from '../clusters.ts';
import type { ProxyNode } from '../node.ts';
import type { PushContext } from '../push-context.ts';
import { lookUpService } from '../registry/registry.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import type { Destination } from './http-route.ts';

/** Where a destination leads. */
export interface ResolvedDestination {
  readonly cluster: string;
  readonly service: MeshService | undefined;
  readonly port: ServicePort | undefined;
  /** Field below the destination and what is wrong; the route then answers 503, as Istio's does. */
  readonly problem?: { readonly field: string; readonly message: string };
}

/**
 * The cluster of a destination. A service that does not exist gets its name all the same: Envoy answers 503 there.
 * @param namespace the VirtualService's, whose services come first
 * @param node the proxy, which must see the service
 * @param answer what comes of a problem, for messages
 * @param listenPort the Gateway's port: the port of a service with several when the destination names none
 */
export function resolveDestination(
  destination: Destination,
  namespace: string,
  node: ProxyNode,
  listenPort: number,
  context: PushContext,
  answer = 'requests are answered 503',
): ResolvedDestination {
  const service = lookUpService(context.registry, destination.host, [namespace, node.namespace]);
  const onlyPort = service?.ports.length === 1 ? service.ports[0]?.number : undefined;
  const port = destination.port?.number || onlyPort || listenPort;
  const subset = destination.subset ?? '';
  const cluster = clusterName(port, subset, destination.host);
  const problem = problemOf(destination, service, port, subset, node, context, answer);
  const servicePort = service?.ports.find(({ number }) => number === port);
  return { cluster, service, port: servicePort, ...(problem === undefined ? {} : { problem }) };
}

function problemOf(
  { host }: Destination,
  service: MeshService | undefined,
  port: number,
  subset: string,
  node: ProxyNode,
  context: PushContext,
  answer: string,
): ResolvedDestination['problem'] {
  if (service === undefined) {
    const viewer = node.type === 'router' ? 'the gateway' : `namespace ${node.namespace}`;
    const elsewhere = context.registry.byHostname.has(host) ? `is not exported to ${viewer}` : 'does not exist';
    const qualified = `${host}.svc.${CLUSTER_DOMAIN}`;
    const hint = context.registry.byHostname.has(qualified) ? `; write ${qualified}` : '';
    return { field: 'host', message: `service ${host} ${elsewhere}: ${answer}${hint}` };
  }
  const servicePort = service.ports.find(({ number }) => number === port);
  if (servicePort === undefined) {
    const ports = service.ports.map(({ number }) => number).join(', ') || 'none';
    return { field: 'port.number', message: `service ${host} has no port ${port} (it has ${ports}): ${answer}` };
  }
  if (node.type === 'router' && !hasKnownDestination(service, servicePort, context)) {
    const message = `ServiceEntry ${service.namespace}/${service.key.name} has resolution NONE and no endpoints, so a gateway can't know where to go: ${answer}`;
    return { field: 'host', message };
  }
  if (subset === '') return undefined;
  const rule = context.destinationRules.ruleFor(service, node.namespace);
  if (rule?.subsets.some(({ name }) => name === subset)) return undefined;
  const why = rule === undefined ? 'no DestinationRule is there for it' : 'its DestinationRule has none of that name';
  return { field: 'subset', message: `service ${host} has no subset '${subset}' (${why}): ${answer}` };
}
