// The kinds of the Kubernetes Gateway API, as its CustomResourceDefinitions say them (release 1.5, the experimental channel's versions too).
// https://gateway-api.sigs.k8s.io/reference/spec/

import { type Kind, type PrinterColumn, STATUS, VERBS } from './kind.ts';

const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const HOSTNAMES: PrinterColumn = { name: 'Hostnames', type: 'string', jsonPath: '.spec.hostnames' };

const NO_ROUTE = "no request is routed by it; Istio's VirtualService is served";
const NO_LISTENER = "nothing listens for it; Istio's Gateway is served";
const NO_EFFECT = 'nothing refers to it';

function condition(type: string): PrinterColumn {
  return { name: type, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].status` };
}

function gatewayApi(
  versions: Kind['versions'],
  name: string,
  plural: string,
  shortNames: readonly string[],
  columns: readonly PrinterColumn[],
  storedOnly: string,
): Kind {
  return {
    name,
    group: 'gateway.networking.k8s.io',
    versions,
    plural,
    singular: name.toLowerCase(),
    shortNames,
    categories: ['gateway-api'],
    namespaced: true,
    verbs: VERBS,
    subresources: [STATUS],
    columns,
    storedOnly,
  };
}

export const GATEWAY_API_KINDS: readonly Kind[] = [
  {
    ...gatewayApi(
      ['v1', 'v1beta1'],
      'GatewayClass',
      'gatewayclasses',
      ['gc'],
      [
        { name: 'Controller', type: 'string', jsonPath: '.spec.controllerName' },
        condition('Accepted'),
        AGE,
        { name: 'Description', type: 'string', jsonPath: '.spec.description', priority: 1 },
      ],
      NO_LISTENER,
    ),
    namespaced: false,
  },
  gatewayApi(
    ['v1', 'v1beta1'],
    'Gateway',
    'gateways',
    ['gtw'],
    [
      { name: 'Class', type: 'string', jsonPath: '.spec.gatewayClassName' },
      { name: 'Address', type: 'string', jsonPath: '.status.addresses[*].value' },
      condition('Programmed'),
      AGE,
    ],
    NO_LISTENER,
  ),
  gatewayApi(
    ['v1'],
    'ListenerSet',
    'listenersets',
    ['lset'],
    [condition('Accepted'), condition('Programmed'), AGE],
    NO_LISTENER,
  ),
  gatewayApi(['v1', 'v1beta1'], 'HTTPRoute', 'httproutes', [], [HOSTNAMES, AGE], NO_ROUTE),
  gatewayApi(['v1'], 'GRPCRoute', 'grpcroutes', [], [HOSTNAMES, AGE], NO_ROUTE),
  gatewayApi(['v1', 'v1alpha3', 'v1alpha2'], 'TLSRoute', 'tlsroutes', [], [AGE], NO_ROUTE),
  gatewayApi(['v1alpha2'], 'TCPRoute', 'tcproutes', [], [AGE], NO_ROUTE),
  gatewayApi(['v1alpha2'], 'UDPRoute', 'udproutes', [], [AGE], NO_ROUTE),
  {
    ...gatewayApi(['v1', 'v1beta1'], 'ReferenceGrant', 'referencegrants', ['refgrant'], [AGE], NO_EFFECT),
    subresources: [],
  },
  gatewayApi(['v1', 'v1alpha3'], 'BackendTLSPolicy', 'backendtlspolicies', ['btlspolicy'], [AGE], NO_EFFECT),
];
