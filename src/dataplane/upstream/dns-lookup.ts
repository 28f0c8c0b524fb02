// A name's addresses in the family that a cluster asks for.

import { Cluster_DnsLookupFamily } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';

/** All addresses of a name, IPv4 and IPv6 as `family` asks (0: both). Rejects when there are none. */
export type Resolve = (hostname: string, family: 0 | 4 | 6) => Promise<readonly string[]>;

/** Looks a name up. Rejects when it has no address of that family. */
export async function lookup(
  resolve: Resolve,
  hostname: string,
  family: Cluster_DnsLookupFamily,
): Promise<readonly string[]> {
  switch (family) {
    case Cluster_DnsLookupFamily.V4_ONLY:
      return resolve(hostname, 4);
    case Cluster_DnsLookupFamily.V6_ONLY:
      return resolve(hostname, 6);
    case Cluster_DnsLookupFamily.ALL:
      return resolve(hostname, 0);
    case Cluster_DnsLookupFamily.V4_PREFERRED:
      return resolve(hostname, 4).catch(() => resolve(hostname, 6));
    default:
      // AUTO: IPv6 where there is any, else IPv4.
      return resolve(hostname, 6).catch(() => resolve(hostname, 4));
  }
}
