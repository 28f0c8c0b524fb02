// Finds a service's addresses by the names a pod would use, the way cluster DNS searches.

import { CLUSTER_DOMAIN, serviceHost } from '../../resources/names.ts';
import type { PushContext } from '../push-context.ts';
import { lookUpService } from './registry.ts';

/**
 * The ready endpoints of a service port.
 * @param host `catalog`, `catalog.shop`, `catalog.shop.svc`, `catalog.shop.svc.cluster.local`, or a ServiceEntry's host
 * @param port the service's port
 * @param fromNamespace the namespace of the workload that asks
 * @returns `ip:port` each; empty when there is no such service, port or ready endpoint
 */
export function resolveHost(context: PushContext, host: string, port: number, fromNamespace: string): string[] {
  // The search list of a pod's resolv.conf, then the name as it is.
  const names = [serviceHost(host, fromNamespace), `${host}.svc.${CLUSTER_DOMAIN}`, `${host}.${CLUSTER_DOMAIN}`, host];
  for (const name of names) {
    const service = lookUpService(context.registry, name, [fromNamespace, fromNamespace]);
    if (service === undefined) continue;
    const endpoints = context.registry.endpointsOf(service).get(port) ?? [];
    return endpoints.map((endpoint) =>
      endpoint.address.includes(':')
        ? `[${endpoint.address}]:${endpoint.port}`
        : `${endpoint.address}:${endpoint.port}`,
    );
  }
  return [];
}
