// The numbers of one upstream connection that carries bytes, in its cluster and its host.

import type { Socket } from 'node:net';
import type { UpstreamCluster } from './cluster.ts';
import type { Host } from './host.ts';

/** Keeps the cluster's and the host's numbers of one upstream connection, from now to its end. */
export function countConnection(cluster: UpstreamCluster, host: Host, socket: Socket): void {
  const { stats } = cluster;
  cluster.connectionsActive += 1;
  stats.upstream_cx_total.value += 1;
  stats.upstream_cx_active.value += 1;
  host.stats.cx_total += 1;
  host.stats.cx_active += 1;
  socket.on('close', () => {
    cluster.connectionsActive -= 1;
    stats.upstream_cx_active.value -= 1;
    stats.upstream_cx_destroy.value += 1;
    host.stats.cx_active -= 1;
  });
}
