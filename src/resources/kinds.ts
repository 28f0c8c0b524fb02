// The kinds Limen serves: their API group, versions, names and scope. And the kinds it knows of but does not serve yet.

import { nearest } from './nearest.ts';
import { groupOf, kindId } from './object.ts';

/** What an API server's discovery says about a kind. */
export interface Kind {
  /** With the group it is what identifies the kind: two groups may have kinds of one name. */
  name: string;
  /** '' is the core group. */
  group: string;
  /** Served versions, the newest (the one objects are read as) first. */
  versions: readonly [string, ...string[]];
  plural: string;
  singular: string;
  shortNames: readonly string[];
  namespaced: boolean;
}

const ISTIO_VERSIONS = ['v1', 'v1beta1', 'v1alpha3'] as const;

/** Every kind Limen serves. https://istio.io/latest/docs/reference/config/networking/, https://kubernetes.io/docs/reference/kubernetes-api/ */
export const KINDS: readonly Kind[] = [
  istio('Gateway', 'gateways', ['gw']),
  istio('VirtualService', 'virtualservices', ['vs']),
  istio('DestinationRule', 'destinationrules', ['dr']),
  istio('ServiceEntry', 'serviceentries', ['se']),
  istio('WorkloadEntry', 'workloadentries', ['we']),
  { ...core('Namespace', 'namespaces', ['ns']), namespaced: false },
  core('Service', 'services', ['svc']),
  core('Pod', 'pods', ['po']),
  core('Endpoints', 'endpoints', ['ep']),
  core('Secret', 'secrets', []),
  core('ConfigMap', 'configmaps', ['cm']),
  core('ServiceAccount', 'serviceaccounts', ['sa']),
  { ...core('Deployment', 'deployments', ['deploy']), group: 'apps' },
  { ...core('EndpointSlice', 'endpointslices', []), group: 'discovery.k8s.io', versions: ['v1', 'v1beta1'] },
];

function istio(name: string, plural: string, shortNames: string[]): Kind {
  const singular = name.toLowerCase();
  return {
    name,
    group: 'networking.istio.io',
    versions: ISTIO_VERSIONS,
    plural,
    singular,
    shortNames,
    namespaced: true,
  };
}

function core(name: string, plural: string, shortNames: string[]): Kind {
  return { name, group: '', versions: ['v1'], plural, singular: name.toLowerCase(), shortNames, namespaced: true };
}

/** Kinds of Istio, the Gateway API and Kubernetes that stand in real manifests and that Limen does not serve yet, by group. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  'networking.istio.io': 'Sidecar EnvoyFilter WorkloadGroup ProxyConfig',
  'security.istio.io': 'PeerAuthentication RequestAuthentication AuthorizationPolicy',
  'telemetry.istio.io': 'Telemetry',
  'extensions.istio.io': 'WasmPlugin',
  'install.istio.io': 'IstioOperator',
  'gateway.networking.k8s.io':
    'GatewayClass Gateway HTTPRoute GRPCRoute TLSRoute TCPRoute UDPRoute ReferenceGrant BackendTLSPolicy',
  '': 'Node Event LimitRange ResourceQuota PersistentVolume PersistentVolumeClaim ReplicationController PodTemplate',
  apps: 'StatefulSet DaemonSet ReplicaSet ControllerRevision',
  batch: 'Job CronJob',
  autoscaling: 'HorizontalPodAutoscaler',
  policy: 'PodDisruptionBudget',
  'networking.k8s.io': 'Ingress IngressClass NetworkPolicy',
  'rbac.authorization.k8s.io': 'Role RoleBinding ClusterRole ClusterRoleBinding',
  'apiextensions.k8s.io': 'CustomResourceDefinition',
  'apiregistration.k8s.io': 'APIService',
  'admissionregistration.k8s.io':
    'ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy',
  'storage.k8s.io': 'StorageClass CSIDriver VolumeAttachment',
  'scheduling.k8s.io': 'PriorityClass',
  'coordination.k8s.io': 'Lease',
  'certificates.k8s.io': 'CertificateSigningRequest',
};

const NOT_SERVED_KINDS = new Set(
  Object.entries(NOT_SERVED).flatMap(([group, names]) => names.split(' ').map((name) => kindId(group, name))),
);
const BY_ID = new Map<string, Kind>(KINDS.map((kind) => [kindId(kind.group, kind.name), kind]));
const BY_NAME: ReadonlyMap<string, readonly Kind[]> = Map.groupBy(KINDS, ({ name }) => name);

/** `group/version` of a kind, as `apiVersion` spells it. */
export function apiVersionOf(kind: Kind, version: string = kind.versions[0]): string {
  return kind.group === '' ? version : `${kind.group}/${version}`;
}

/** What an apiVersion and kind stand for: a served kind, one that is known but not served yet, or a mistake (with what to do about it). */
export type KindLookup =
  | { found: 'served'; kind: Kind }
  | { found: 'not-served' }
  | { found: 'unknown'; at: 'apiVersion' | 'kind'; message: string; hint?: string };

/** Finds the kind of an object by its `apiVersion` and `kind`. */
export function lookUpKind(apiVersion: string, name: string): KindLookup {
  const id = kindId(groupOf(apiVersion), name);
  const kind = BY_ID.get(id);
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  if (kind?.versions.includes(version)) return { found: 'served', kind };
  if (NOT_SERVED_KINDS.has(id)) return { found: 'not-served' };
  const sameName = BY_NAME.get(name);
  if (sameName !== undefined) {
    return {
      found: 'unknown',
      at: 'apiVersion',
      message: `apiVersion ${apiVersion} has no kind ${name}`,
      hint: `${name} is served as ${(kind === undefined ? sameName : [kind])
        .flatMap((served) => served.versions.map((each) => apiVersionOf(served, each)))
        .join(', ')}`,
    };
  }
  const known = [...BY_NAME.keys(), ...[...NOT_SERVED_KINDS].map((unserved) => unserved.split('.', 1)[0] as string)];
  const guess = nearest(name, known);
  const hint =
    guess === undefined
      ? `the kinds Limen serves: ${[...BY_NAME.keys()].join(', ')}`
      : `did you mean ${guess}${describeVersion(guess)}?`;
  return { found: 'unknown', at: 'kind', message: `unknown kind ${name} (apiVersion ${apiVersion})`, hint };
}

function describeVersion(name: string): string {
  const kinds = BY_NAME.get(name);
  return kinds === undefined ? '' : ` (${kinds.map((kind) => apiVersionOf(kind)).join(' or ')})`;
}
