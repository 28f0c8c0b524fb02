// How Istio names clusters.

/** `outbound|<port>|<subset>|<host>`; '' is no subset. */
export function clusterName(port: number, subset: string, hostname: string): string {
  return `outbound|${port}|${subset}|${hostname}`;
}
