// Finds a service's addresses by the names a pod would use, the way cluster DNS searches.

import { CLUSTER_DOMAIN, serviceHost } from '../../resources/names.ts';
import type { PushContext } from '../push-context.ts';
import { lookUpService } from './registry.ts';
import type { MeshService } from './service.ts';

/**
 * The ready endpoints of a service port.
 * @param host `catalog`, `catalog.shop`, `catalog.shop.svc`, `catalog.shop.svc.cluster.local`, or a ServiceEntry's host
 * @param port the service's port
 * @param fromNamespace the namespace of the workload that asks
 * @returns `ip:port` each; empty when there is no such service, port or ready endpoint
 */
export function resolveHost(context: PushContext, host: string, port: number, fromNamespace: string): string[] {
  const service = findService(context, host, fromNamespace);
  if (service === undefined) return [];
  const endpoints = context.registry.endpointsOf(service).get(port) ?? [];
  return endpoints.map((endpoint) =>
    endpoint.address.includes(':') ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`,
  );
}

/** The service behind a name, as a workload of a namespace would say it: the search list of a pod's resolv.conf, then the name as it is. */
export function findService(context: PushContext, host: string, fromNamespace: string): MeshService | undefined {
  const names = [serviceHost(host, fromNamespace), `${host}.svc.${CLUSTER_DOMAIN}`, `${host}.${CLUSTER_DOMAIN}`, host];
  for (const name of names) {
    const service = lookUpService(context.registry, name, [fromNamespace, fromNamespace]);
    if (service !== undefined) return service;
  }
  return undefined;
}
