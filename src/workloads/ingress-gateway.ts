// The default gateway that is there before any configuration: Deployment, Service and ServiceAccount
// `istio-ingressgateway` in istio-system, as Istio's default profile installs them.

import type { ResourceObject } from '../resources/object.ts';
import type { Deployment, Service } from '../resources/types.ts';
import { gatewayObjects, ROOT_NAMESPACE } from './install/gateway-objects.ts';

/** The objects of the default gateway. */
export function ingressGatewayObjects(): [
  namespace: ResourceObject,
  serviceAccount: ResourceObject,
  Service,
  Deployment,
] {
  const { serviceAccount, service, deployment } = gatewayObjects({}, ROOT_NAMESPACE);
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ROOT_NAMESPACE } },
    serviceAccount,
    { ...service, status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } } },
    deployment,
  ];
}
