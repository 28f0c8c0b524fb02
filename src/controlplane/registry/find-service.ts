// Finds a service by the names a pod would use, the way cluster DNS searches.

import { CLUSTER_DOMAIN, serviceHost } from '../../resources/names.ts';
import type { PushContext } from '../push-context.ts';
import { lookUpService } from './registry.ts';
import type { MeshService } from './service.ts';

/** The service behind a name, as a workload of a namespace would say it: the search list of a pod's resolv.conf, then the name as it is. */
export function findService(context: PushContext, host: string, fromNamespace: string): MeshService | undefined {
  const names = [serviceHost(host, fromNamespace), `${host}.svc.${CLUSTER_DOMAIN}`, `${host}.${CLUSTER_DOMAIN}`, host];
  for (const name of names) {
    const service = lookUpService(context.registry, name, [fromNamespace, fromNamespace]);
    if (service !== undefined) return service;
  }
  return undefined;
}
