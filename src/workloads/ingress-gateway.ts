// The default gateway that is there before any configuration: Deployment, Service and ServiceAccount
// `istio-ingressgateway` in istio-system, as Istio's default profile installs them.

import type { ResourceObject } from '../resources/object.ts';
import type { Deployment, Service } from '../resources/types.ts';

const NAMESPACE = 'istio-system';
const NAME = 'istio-ingressgateway';

/** Labels of the gateway's pods: what a Gateway's `selector` is held against. */
const LABELS = {
  app: NAME,
  istio: 'ingressgateway',
  'service.istio.io/canonical-name': NAME,
  'service.istio.io/canonical-revision': 'latest',
};

/** The Service's ports, in Istio's order: [name, port, targetPort, nodePort]. */
const PORTS = [
  ['status-port', 15021, 15021, 31021],
  ['http2', 80, 8080, 31380],
  ['https', 443, 8443, 31390],
  ['tcp', 31400, 31400, 31401],
  ['tls', 15443, 15443, 31443],
] as const;

const CONTAINER_PORTS = [15021, 8080, 8443, 31400, 15443, 15090];

/** The objects of the default gateway. */
export function ingressGatewayObjects(): [
  namespace: ResourceObject,
  serviceAccount: ResourceObject,
  Service,
  Deployment,
] {
  const podTemplate = {
    metadata: { labels: LABELS },
    spec: {
      serviceAccountName: `${NAME}-service-account`,
      containers: [
        {
          name: 'istio-proxy',
          image: 'limen/proxy',
          ports: CONTAINER_PORTS.map((containerPort) => ({ containerPort, protocol: 'TCP' as const })),
        },
      ],
    },
  };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: `${NAME}-service-account`, namespace: NAMESPACE, labels: LABELS },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS },
      spec: {
        type: 'LoadBalancer',
        selector: { app: LABELS.app, istio: LABELS.istio },
        ports: PORTS.map(([name, port, targetPort, nodePort]) => ({
          name,
          port,
          targetPort,
          nodePort,
          protocol: 'TCP',
        })),
      },
      status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS },
      spec: { replicas: 1, selector: { matchLabels: { app: LABELS.app, istio: LABELS.istio } }, template: podTemplate },
    },
  ];
}
