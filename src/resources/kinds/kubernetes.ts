// Kubernetes' own kinds. https://kubernetes.io/docs/reference/kubernetes-api/

import { type Kind, SCALE, STATUS, type Subresource, VERBS } from './kind.ts';

type Facts = Partial<
  Pick<Kind, 'shortNames' | 'categories' | 'namespaced' | 'verbs' | 'subresources' | 'storedOnly' | 'singular'>
>;

function kubernetes<Name extends string>(group: string, name: Name, plural: string, facts: Facts = {}): Kind<Name> {
  return {
    name,
    group,
    versions: ['v1'],
    plural,
    singular: name.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    verbs: VERBS,
    subresources: [],
    ...facts,
  };
}

/** A stream to a pod: by POST as SPDY clients ask for it, by GET as WebSocket clients must. */
function stream(name: string, kind: string): Subresource {
  return { name, verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind } };
}

/** A question that is answered and not stored. */
const REVIEW: Facts = { namespaced: false, verbs: ['create'] };

export const KUBERNETES_KINDS = [
  kubernetes('', 'Namespace', 'namespaces', {
    shortNames: ['ns'],
    namespaced: false,
    verbs: VERBS.filter((verb) => verb !== 'deletecollection'),
    subresources: [STATUS, { name: 'finalize', verbs: ['update'] }],
  }),
  kubernetes('', 'Pod', 'pods', {
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      STATUS,
      { name: 'log', verbs: ['get'] },
      stream('attach', 'PodAttachOptions'),
      stream('exec', 'PodExecOptions'),
      stream('portforward', 'PodPortForwardOptions'),
    ],
  }),
  kubernetes('', 'Service', 'services', { shortNames: ['svc'], categories: ['all'], subresources: [STATUS] }),
  kubernetes('', 'Endpoints', 'endpoints', { shortNames: ['ep'] }),
  kubernetes('', 'Secret', 'secrets'),
  kubernetes('', 'ConfigMap', 'configmaps', { shortNames: ['cm'] }),
  kubernetes('', 'ServiceAccount', 'serviceaccounts', {
    shortNames: ['sa'],
    subresources: [
      {
        name: 'token',
        verbs: ['create'],
        kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
      },
    ],
  }),
  kubernetes('', 'Event', 'events', { shortNames: ['ev'] }),
  kubernetes('', 'Node', 'nodes', { shortNames: ['no'], namespaced: false, subresources: [STATUS] }),
  kubernetes('apps', 'Deployment', 'deployments', {
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: [SCALE, STATUS],
  }),
  kubernetes('apps', 'ReplicaSet', 'replicasets', {
    shortNames: ['rs'],
    categories: ['all'],
    subresources: [SCALE, STATUS],
  }),
  { ...kubernetes('discovery.k8s.io', 'EndpointSlice', 'endpointslices'), versions: ['v1', 'v1beta1'] },
  kubernetes('events.k8s.io', 'Event', 'events', { shortNames: ['ev'] }),
  kubernetes('coordination.k8s.io', 'Lease', 'leases'),
  kubernetes('networking.k8s.io', 'Ingress', 'ingresses', {
    shortNames: ['ing'],
    subresources: [STATUS],
    storedOnly: "no request is routed by it; Istio's Gateway and VirtualService are served",
  }),
  kubernetes('networking.k8s.io', 'IngressClass', 'ingressclasses', {
    namespaced: false,
    storedOnly: 'Ingresses are not served',
  }),
  kubernetes('apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions', {
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    namespaced: false,
    subresources: [STATUS],
  }),
  kubernetes('authentication.k8s.io', 'SelfSubjectReview', 'selfsubjectreviews', REVIEW),
  kubernetes('authentication.k8s.io', 'TokenReview', 'tokenreviews', REVIEW),
  kubernetes('authorization.k8s.io', 'SelfSubjectAccessReview', 'selfsubjectaccessreviews', REVIEW),
  kubernetes('authorization.k8s.io', 'SelfSubjectRulesReview', 'selfsubjectrulesreviews', REVIEW),
  kubernetes('authorization.k8s.io', 'SubjectAccessReview', 'subjectaccessreviews', REVIEW),
  kubernetes('rbac.authorization.k8s.io', 'Role', 'roles'),
  kubernetes('rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings'),
  kubernetes('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles', { namespaced: false }),
  kubernetes('rbac.authorization.k8s.io', 'ClusterRoleBinding', 'clusterrolebindings', { namespaced: false }),
] as const;
