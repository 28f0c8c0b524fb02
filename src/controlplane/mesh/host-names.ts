// The names that a workload may call a service by, as the search list of its DNS makes them.

import { CLUSTER_DOMAIN } from '../../resources/names.ts';

/** @returns the host name first, then shorter ones; the shortest is for workloads of the service's own namespace alone */
export function hostNames(hostname: string, namespace: string): string[] {
  const names = [hostname];
  const suffix = `.svc.${CLUSTER_DOMAIN}`;
  if (!hostname.endsWith(suffix) || hostname.startsWith('*')) return names;
  const short = hostname.slice(0, -suffix.length);
  names.push(`${short}.svc`, short);
  if (short.endsWith(`.${namespace}`)) names.push(short.slice(0, -namespace.length - 1));
  return names;
}
