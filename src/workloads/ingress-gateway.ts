// The default gateway that is there before any configuration: Deployment, Service and ServiceAccount
// `istio-ingressgateway` in istio-system, as Istio's default profile installs them.

import type { ResourceObject } from '../resources/object.ts';
import type { Deployment, Service } from '../resources/types.ts';
import { gatewayObjects } from './install/gateway-objects.ts';

const NAMESPACE = 'istio-system';
/** In a cluster they are drawn at random; these are the same on every machine. */
const NODE_PORTS: Readonly<Record<string, number>> = {
  ...{ 'status-port': 31021, http2: 31380, https: 31390, tcp: 31401, tls: 31443 },
};

/** The objects of the default gateway. */
export function ingressGatewayObjects(): [
  namespace: ResourceObject,
  serviceAccount: ResourceObject,
  Service,
  Deployment,
] {
  const { serviceAccount, service, deployment } = gatewayObjects({}, NAMESPACE);
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    serviceAccount,
    {
      ...service,
      spec: {
        ...service.spec,
        ports: (service.spec?.ports ?? []).map((port) => ({
          ...port,
          nodePort: NODE_PORTS[port.name ?? ''] as number,
        })),
      },
      status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } },
    },
    deployment,
  ];
}
