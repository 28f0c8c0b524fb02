// How Istio names clusters, and reads the names.

/** The cluster for what must lead nowhere. */
export const BLACK_HOLE_CLUSTER_NAME = 'BlackHoleCluster';

/** The cluster of a sidecar that leads to the sidecar itself. */
export const SELF_CLUSTER_NAME = 'SelfCluster';

/** The cluster for hosts that no service has. */
export const PASSTHROUGH_CLUSTER_NAME = 'PassthroughCluster';

/** `outbound|<port>|<subset>|<host>`; '' is no subset. */
export function clusterName(port: number, subset: string, hostname: string): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/** The parts of a cluster's name; undefined where it is none of an outbound cluster. */
export function parseClusterName(name: string): { port: number; subset: string; hostname: string } | undefined {
  const [direction, portText = '', subset = '', hostname = '', ...more] = name.split('|');
  const port = Number(portText);
  if (direction !== 'outbound' || more.length > 0 || hostname === '' || !/^\d{1,5}$/.test(portText)) return undefined;
  return { port, subset, hostname };
}
