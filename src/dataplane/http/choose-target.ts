// Chooses among a route's clusters by their weights.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/traffic_splitting

import type { ClusterTarget, ForwardAction } from '../router/route.ts';

/** One of a route's clusters, by weight. @param random uniform in [0, 1) */
export function chooseTarget(action: ForwardAction, random: () => number): ClusterTarget {
  const { targets } = action;
  if (targets.length === 1) return targets[0]!;
  let point = Math.floor(random() * action.totalWeight);
  for (const target of targets) {
    point -= target.weight;
    if (point < 0) return target;
  }
  return targets[targets.length - 1]!;
}
