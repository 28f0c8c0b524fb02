// The path of the object behind a route or cluster, as Istio writes it into Envoy's metadata (istioctl reads it back).

import type { ResourceObject } from '../resources/object.ts';

/** `/apis/networking.istio.io/v1alpha3/namespaces/<namespace>/<kind-in-kebab-case>/<name>` */
export function configPath({ kind, metadata }: ResourceObject): string {
  const kebab = kind.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
  return `/apis/networking.istio.io/v1alpha3/namespaces/${metadata.namespace ?? ''}/${kebab}/${metadata.name}`;
}
