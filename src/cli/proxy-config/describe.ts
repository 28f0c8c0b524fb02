// What several tables say in the same words: how a route matches, which Istio object made a resource, what a cluster's name holds.

import type { Metadata } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { RouteMatch } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';

/** The path of a match as istioctl writes it: `/exact`, `/prefix*`, `PathPrefix:/whole/segments`, `regex ^/…`. Headers are not shown. */
export function describeMatch(match: RouteMatch | undefined): string {
  const path = match?.pathSpecifier;
  switch (path?.case) {
    case 'prefix':
      return path.value === '' ? '' : `${path.value}*`;
    case 'pathSeparatedPrefix':
      return `PathPrefix:${path.value}`;
    case 'path':
      return path.value;
    case 'safeRegex':
      return `regex ${path.value.regex}`;
    default:
      return '';
  }
}

/**
 * `name.namespace` of the Istio object a route or cluster was made from, as istiod notes it in the metadata; '' where nothing is noted.
 * The note looks like `/apis/networking.istio.io/v1alpha3/namespaces/NAMESPACE/KIND/NAME`.
 */
export function describeManagement(metadata: Metadata | undefined): string {
  const config = metadata?.filterMetadata.istio?.config;
  if (config === undefined) return '';
  const [empty, apis, group, , namespaces, namespace, , name, ...rest] =
    typeof config === 'string' ? config.split('/') : [];
  const known = empty === '' && apis === 'apis' && group === 'networking.istio.io' && namespaces === 'namespaces';
  return known && name !== undefined && rest.length === 0 ? `${name}.${namespace}` : '<unknown>';
}

/** What istiod puts into a cluster's name: `outbound|80|v2|httpbin.default.svc.cluster.local`. */
export interface SubsetKey {
  direction: string;
  port: number;
  subset: string;
  fqdn: string;
}

/** The parts of a cluster's name; of one that is not istiod's, the whole name as FQDN. */
export function parseSubsetKey(name: string): SubsetKey {
  const [direction = '', port, subset = '', ...fqdn] = name.split('|');
  if (fqdn.length === 0) return { direction: '', port: 0, subset: '', fqdn: name };
  return { direction, port: Number(port) || 0, subset, fqdn: fqdn.join('|') };
}

/** The order of clusters in istioctl's tables: FQDN, subset, port, direction. */
export function compareClusterNames(a: string, b: string): number {
  const left = parseSubsetKey(a);
  const right = parseSubsetKey(b);
  return (
    compareText(left.fqdn, right.fqdn) ||
    compareText(left.subset, right.subset) ||
    left.port - right.port ||
    compareText(left.direction, right.direction)
  );
}

/** By code unit, whatever the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
