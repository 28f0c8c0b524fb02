// Finds kinds by what objects say they are: those of Limen's API, and those it knows of and does not have.

import { GATEWAY_API_KINDS } from './kinds/gateway-api.ts';
import { ISTIO_KINDS } from './kinds/istio.ts';
import { apiVersionOf, type Kind } from './kinds/kind.ts';
import { KUBERNETES_KINDS } from './kinds/kubernetes.ts';
import { nearest } from './nearest.ts';
import { groupOf, kindId } from './object.ts';
import { isKubernetesGroup } from './openapi/names.ts';

export { apiVersionOf, type Kind } from './kinds/kind.ts';

/**
 * Every kind that Limen's API has of its own; CustomResourceDefinitions bring more. Where two have one name, plural or short name, the first
 * is meant when no group is said.
 */
export const KINDS: readonly Kind[] = [...KUBERNETES_KINDS, ...ISTIO_KINDS, ...GATEWAY_API_KINDS];

/** Kinds that stand in real manifests and that Limen's API does not have, by group. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  '': 'LimitRange ResourceQuota PersistentVolume PersistentVolumeClaim ReplicationController PodTemplate',
  apps: 'StatefulSet DaemonSet ControllerRevision',
  batch: 'Job CronJob',
  autoscaling: 'HorizontalPodAutoscaler',
  policy: 'PodDisruptionBudget',
  'networking.k8s.io': 'NetworkPolicy',
  'apiregistration.k8s.io': 'APIService',
  'admissionregistration.k8s.io':
    'ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding',
  'storage.k8s.io': 'StorageClass CSIDriver VolumeAttachment',
  'scheduling.k8s.io': 'PriorityClass',
  'certificates.k8s.io': 'CertificateSigningRequest',
};

/** Kubernetes' own kinds whose objects count their changes: those that a controller reads a `spec` of. */
const WITH_GENERATION: ReadonlySet<string> = new Set([
  'Deployment.apps',
  'ReplicaSet.apps',
  'EndpointSlice.discovery.k8s.io',
  'Ingress.networking.k8s.io',
  'IngressClass.networking.k8s.io',
  'CustomResourceDefinition.apiextensions.k8s.io',
]);

const NOT_SERVED_KINDS = new Set(
  Object.entries(NOT_SERVED).flatMap(([group, names]) => names.split(' ').map((name) => kindId(group, name))),
);
const BY_ID = new Map<string, Kind>(KINDS.map((kind) => [kindId(kind.group, kind.name), kind]));
const BY_NAME: ReadonlyMap<string, readonly Kind[]> = Map.groupBy(KINDS, ({ name }) => name);

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
      ? `the kinds Limen serves: ${[...new Set(KINDS.filter(isActedOn).map((other) => other.name))].sort().join(', ')}`
      : `did you mean ${guess}${describeVersion(guess)}?`;
  return { found: 'unknown', at: 'kind', message: `unknown kind ${name} (apiVersion ${apiVersion})`, hint };
}

/** Whether objects of a kind have `metadata.generation`: some of Kubernetes' own, and all that come from a CustomResourceDefinition. */
export function hasGeneration({ apiVersion, kind }: { apiVersion: string; kind: string }): boolean {
  const group = groupOf(apiVersion);
  return !isKubernetesGroup(group) || WITH_GENERATION.has(kindId(group, kind));
}

function isActedOn(kind: Kind): boolean {
  return kind.storedOnly === undefined && kind.verbs.includes('list');
}

function describeVersion(name: string): string {
  const kinds = BY_NAME.get(name);
  return kinds === undefined ? '' : ` (${kinds.map((kind) => apiVersionOf(kind)).join(' or ')})`;
}
