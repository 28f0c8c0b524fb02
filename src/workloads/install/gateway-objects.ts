// The objects of one gateway, as Istio's installation makes them: Deployment, Service and ServiceAccount.

import type { GatewayComponent } from '../../resources/istio-operator.ts';
import type { ResourceObject } from '../../resources/object.ts';
import type { Deployment, Service, ServiceSpec } from '../../resources/types.ts';

/** What a gateway that names none is called. */
const INGRESS_GATEWAY = 'istio-ingressgateway';
/** Where Istio is installed, and what belongs to the whole mesh is. */
export const ROOT_NAMESPACE = 'istio-system';
/** The port of Prometheus, which no Service leads to. */
const PROMETHEUS_PORT = 15090;

/** The Service's ports, in Istio's order. */
const PORTS: NonNullable<ServiceSpec['ports']> = [
  { name: 'status-port', port: 15021, targetPort: 15021, protocol: 'TCP' },
  { name: 'http2', port: 80, targetPort: 8080, protocol: 'TCP' },
  { name: 'https', port: 443, targetPort: 8443, protocol: 'TCP' },
  { name: 'tcp', port: 31400, targetPort: 31400, protocol: 'TCP' },
  { name: 'tls', port: 15443, targetPort: 15443, protocol: 'TCP' },
];

/**
 * The node ports of the default gateway's Service, by port name. In a cluster they are drawn at random; these are the same on every machine, and
 * with and without an IstioOperator.
 */
const DEFAULT_NODE_PORTS: Readonly<Record<string, number>> = {
  ...{ 'status-port': 31021, http2: 31380, https: 31390, tcp: 31401, tls: 31443 },
};

/** The objects of a gateway. */
export interface GatewayObjects {
  serviceAccount: ResourceObject;
  service: Service;
  deployment: Deployment;
}

/** @param namespace where it goes unless it says where */
export function gatewayObjects(
  { name = INGRESS_GATEWAY, label, k8s = {}, ...gateway }: GatewayComponent,
  namespace: string,
): GatewayObjects {
  // As in Istio's chart: its own two labels, which the gateway's may replace.
  const selector = { app: INGRESS_GATEWAY, istio: 'ingressgateway', ...label };
  const labels = {
    ...selector,
    'service.istio.io/canonical-name': name,
    'service.istio.io/canonical-revision': 'latest',
  };
  const metadata = { name, namespace: gateway.namespace ?? namespace, labels };
  const { ports = PORTS, ...service } = k8s.service ?? {};
  const type = service.type ?? 'LoadBalancer';
  const hasNodePorts = type !== 'ClusterIP' && name === INGRESS_GATEWAY && metadata.namespace === ROOT_NAMESPACE;
  const containerPorts = [...new Set([...ports.map(({ port, targetPort }) => targetPort ?? port), PROMETHEUS_PORT])];
  const serviceAccountName = `${name}-service-account`;
  return {
    serviceAccount: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...metadata, name: serviceAccountName } },
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, ...(k8s.serviceAnnotations && { annotations: k8s.serviceAnnotations }) },
      spec: {
        type,
        selector,
        ...service,
        ports: ports.map((port) => {
          const nodePort = port.nodePort ?? (hasNodePorts ? DEFAULT_NODE_PORTS[port.name ?? ''] : undefined);
          return { ...port, ...(nodePort === undefined ? {} : { nodePort }), protocol: port.protocol ?? 'TCP' };
        }),
      },
    },
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        // As in Istio's chart: how many there are is whoever scales it to say, unless the operator says it.
        ...(k8s.replicaCount !== undefined && { replicas: k8s.replicaCount }),
        selector: { matchLabels: selector },
        template: {
          metadata: { labels, ...(k8s.podAnnotations && { annotations: k8s.podAnnotations }) },
          spec: {
            serviceAccountName,
            containers: [
              {
                name: 'istio-proxy',
                image: 'limen/proxy',
                ports: containerPorts
                  .filter((port) => typeof port === 'number')
                  .map((containerPort) => ({ containerPort, protocol: 'TCP' as const })),
                ...(k8s.env && { env: k8s.env }),
                ...(k8s.resources && { resources: k8s.resources }),
              },
            ],
          },
        },
      },
    },
  };
}
