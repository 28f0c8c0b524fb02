// Istio's kinds, as its CustomResourceDefinitions say them (Istio 1.29; IstioOperator as the last release that had its definition).
// https://istio.io/latest/docs/reference/config/

import { type Kind, type PrinterColumn, STATUS, VERBS } from './kind.ts';

const CREATED =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC. Populated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/api-conventions.md#metadata';

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: CREATED,
};

const NETWORKING = ['v1', 'v1beta1', 'v1alpha3'] as const;
const SECURITY = ['v1', 'v1beta1'] as const;

function text(name: string, jsonPath: string, description: string): PrinterColumn {
  return { name, type: 'string', jsonPath, description };
}

/** A kind of a group whose category is called like its first word: `security.istio.io` has `security-istio-io`. */
function istio<Name extends string>(
  group: string,
  versions: Kind['versions'],
  name: Name,
  plural: string,
  shortNames: readonly string[],
  columns: readonly PrinterColumn[],
  storedOnly?: string,
): Kind<Name> {
  return {
    name,
    group,
    versions,
    plural,
    singular: name.toLowerCase(),
    shortNames,
    categories: ['istio-io', group.replaceAll('.', '-')],
    namespaced: true,
    verbs: VERBS,
    subresources: [STATUS],
    columns,
    ...(storedOnly === undefined ? {} : { storedOnly }),
  };
}

export const ISTIO_KINDS = [
  istio('networking.istio.io', NETWORKING, 'Gateway', 'gateways', ['gw'], []),
  istio(
    'networking.istio.io',
    NETWORKING,
    'VirtualService',
    'virtualservices',
    ['vs'],
    [
      text('Gateways', '.spec.gateways', 'The names of gateways and sidecars that should apply these routes'),
      text('Hosts', '.spec.hosts', 'The destination hosts to which traffic is being sent'),
      AGE,
    ],
  ),
  istio(
    'networking.istio.io',
    NETWORKING,
    'DestinationRule',
    'destinationrules',
    ['dr'],
    [text('Host', '.spec.host', 'The name of a service from the service registry'), AGE],
  ),
  istio(
    'networking.istio.io',
    NETWORKING,
    'ServiceEntry',
    'serviceentries',
    ['se'],
    [
      text('Hosts', '.spec.hosts', 'The hosts associated with the ServiceEntry'),
      text(
        'Location',
        '.spec.location',
        'Whether the service is external to the mesh or part of the mesh (MESH_EXTERNAL or MESH_INTERNAL)',
      ),
      text('Resolution', '.spec.resolution', 'Service resolution mode for the hosts (NONE, STATIC, or DNS)'),
      AGE,
    ],
  ),
  istio(
    'networking.istio.io',
    NETWORKING,
    'WorkloadEntry',
    'workloadentries',
    ['we'],
    [AGE, text('Address', '.spec.address', 'Address associated with the network endpoint.')],
  ),
  istio(
    'networking.istio.io',
    NETWORKING,
    'WorkloadGroup',
    'workloadgroups',
    ['wg'],
    [AGE],
    'no workload registers by it',
  ),
  istio('networking.istio.io', NETWORKING, 'Sidecar', 'sidecars', [], [], 'every workload sees every service'),
  istio(
    'networking.istio.io',
    ['v1alpha3'],
    'EnvoyFilter',
    'envoyfilters',
    [],
    [],
    'what the proxy is told stays unpatched',
  ),
  istio(
    'networking.istio.io',
    ['v1beta1'],
    'ProxyConfig',
    'proxyconfigs',
    [],
    [],
    'proxies keep the settings they have',
  ),
  istio(
    'security.istio.io',
    SECURITY,
    'AuthorizationPolicy',
    'authorizationpolicies',
    ['ap'],
    [text('Action', '.spec.action', 'The operation to take.'), AGE],
    'requests it denies are let through',
  ),
  istio(
    'security.istio.io',
    SECURITY,
    'PeerAuthentication',
    'peerauthentications',
    ['pa'],
    [text('Mode', '.spec.mtls.mode', 'Defines the mTLS mode used for peer authentication.'), AGE],
    'mutual TLS between workloads is not enforced',
  ),
  istio(
    'security.istio.io',
    SECURITY,
    'RequestAuthentication',
    'requestauthentications',
    ['ra'],
    [],
    'tokens are not checked',
  ),
  istio(
    'telemetry.istio.io',
    ['v1', 'v1alpha1'],
    'Telemetry',
    'telemetries',
    ['telemetry'],
    [AGE],
    'logs, metrics and traces stay as they are',
  ),
  istio(
    'extensions.istio.io',
    ['v1alpha1'],
    'WasmPlugin',
    'wasmplugins',
    [],
    [AGE],
    'its module does not see a request',
  ),
  {
    ...istio(
      'install.istio.io',
      ['v1alpha1'],
      'IstioOperator',
      'istiooperators',
      ['iop', 'io'],
      [
        text('Revision', '.spec.revision', 'Istio control plane revision'),
        text('Status', '.status.status', 'IOP current state'),
        AGE,
      ],
    ),
    categories: [],
  },
] as const;
