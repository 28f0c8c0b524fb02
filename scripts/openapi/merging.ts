// How lists and maps of Kubernetes' and the Gateway API's kinds are merged: the `x-kubernetes-…` extensions of their published schemas,
// which the npm packages of models leave out. A list that is not here is atomic (server-side apply) and replaced (strategic merge patch).
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy

import type { Schema } from '../../src/resources/openapi/schema.ts';

/** A list whose items are told apart by the values of `keys`, in server-side apply. */
function map(...keys: string[]): Schema {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}

/** A list that a strategic merge patch merges by one key. */
function patch(key: string, strategy = 'merge'): Schema {
  return { 'x-kubernetes-patch-merge-key': key, 'x-kubernetes-patch-strategy': strategy };
}

/** Both by the same one key. */
function by(key: string, strategy = 'merge'): Schema {
  return { ...map(key), ...patch(key, strategy) };
}

const SET: Schema = { 'x-kubernetes-list-type': 'set' };
const SET_MERGED: Schema = { ...SET, 'x-kubernetes-patch-strategy': 'merge' };
const CONDITIONS = by('type');
/** The type itself: wherever it stands, it is replaced as a whole. */
const ATOMIC: Schema = { 'x-kubernetes-map-type': 'atomic' };

const CONTAINER = {
  env: by('name'),
  ports: { ...map('containerPort', 'protocol'), ...patch('containerPort') },
  volumeDevices: by('devicePath'),
  volumeMounts: by('mountPath'),
};

/** Definition → path of properties in it (`''`: itself; the items of a list are not named) → extensions. */
export const MERGING: Readonly<Record<string, Readonly<Record<string, Schema>>>> = {
  'io.k8s.api.apps.v1.DeploymentSpec': { strategy: { 'x-kubernetes-patch-strategy': 'retainKeys' } },
  'io.k8s.api.apps.v1.DeploymentStatus': { conditions: CONDITIONS },
  'io.k8s.api.apps.v1.ReplicaSetStatus': { conditions: CONDITIONS },
  'io.k8s.api.core.v1.ConfigMapKeySelector': { '': ATOMIC },
  'io.k8s.api.core.v1.Container': CONTAINER,
  'io.k8s.api.core.v1.EphemeralContainer': CONTAINER,
  'io.k8s.api.core.v1.EndpointAddress': { '': ATOMIC },
  'io.k8s.api.core.v1.EndpointPort': { '': ATOMIC },
  'io.k8s.api.core.v1.LocalObjectReference': { '': ATOMIC },
  'io.k8s.api.core.v1.NamespaceStatus': { conditions: CONDITIONS },
  'io.k8s.api.core.v1.NodeSelector': { '': ATOMIC },
  'io.k8s.api.core.v1.NodeSelectorTerm': { '': ATOMIC },
  'io.k8s.api.core.v1.NodeSpec': { podCIDRs: SET_MERGED },
  'io.k8s.api.core.v1.NodeStatus': { addresses: by('type'), conditions: CONDITIONS },
  'io.k8s.api.core.v1.ObjectFieldSelector': { '': ATOMIC },
  'io.k8s.api.core.v1.ObjectReference': { '': ATOMIC },
  'io.k8s.api.core.v1.PodSpec': {
    containers: by('name'),
    initContainers: by('name'),
    ephemeralContainers: by('name'),
    hostAliases: by('ip'),
    imagePullSecrets: by('name'),
    nodeSelector: ATOMIC,
    resourceClaims: by('name', 'merge,retainKeys'),
    schedulingGates: by('name'),
    topologySpreadConstraints: { ...map('topologyKey', 'whenUnsatisfiable'), ...patch('topologyKey') },
    volumes: by('name', 'merge,retainKeys'),
  },
  'io.k8s.api.core.v1.PodStatus': {
    conditions: CONDITIONS,
    hostIPs: patch('ip'),
    podIPs: by('ip'),
    resourceClaimStatuses: by('name', 'merge,retainKeys'),
  },
  'io.k8s.api.core.v1.ResourceFieldSelector': { '': ATOMIC },
  'io.k8s.api.core.v1.ResourceRequirements': { claims: map('name') },
  'io.k8s.api.core.v1.SecretKeySelector': { '': ATOMIC },
  'io.k8s.api.core.v1.ServiceAccount': { secrets: by('name') },
  'io.k8s.api.core.v1.ServiceSpec': {
    ports: { ...map('port', 'protocol'), ...patch('port') },
    selector: ATOMIC,
  },
  'io.k8s.api.core.v1.ServiceStatus': { conditions: CONDITIONS },
  'io.k8s.api.core.v1.TypedLocalObjectReference': { '': ATOMIC },
  'io.k8s.api.discovery.v1.Endpoint': { addresses: SET },
  'io.k8s.api.discovery.v1.EndpointPort': { '': ATOMIC },
  'io.k8s.api.rbac.v1.RoleRef': { '': ATOMIC },
  'io.k8s.api.rbac.v1.Subject': { '': ATOMIC },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus': {
    conditions: map('type'),
  },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps': {
    'x-kubernetes-validations': by('rule'),
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector': { '': ATOMIC },
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': {
    finalizers: SET_MERGED,
    ownerReferences: by('uid'),
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference': { '': ATOMIC },
  'io.k8s.networking.gateway.v1.BackendTLSPolicySpec': { targetRefs: map('group', 'kind', 'name', 'sectionName') },
  'io.k8s.networking.gateway.v1.GRPCRouteMatch': { headers: map('name') },
  'io.k8s.networking.gateway.v1.GatewayClassStatus': { conditions: map('type'), supportedFeatures: map('name') },
  'io.k8s.networking.gateway.v1.GatewaySpec': { listeners: map('name') },
  'io.k8s.networking.gateway.v1.GatewayStatus': { conditions: map('type'), listeners: map('name') },
  'io.k8s.networking.gateway.v1.HTTPHeaderFilter': { add: map('name'), remove: SET, set: map('name') },
  'io.k8s.networking.gateway.v1.HTTPRouteMatch': { headers: map('name'), queryParams: map('name') },
  'io.k8s.networking.gateway.v1.ListenerSetSpec': { listeners: map('name') },
  'io.k8s.networking.gateway.v1.ListenerSetStatus': { conditions: map('type'), listeners: map('name') },
  'io.k8s.networking.gateway.v1.ListenerEntryStatus': { conditions: map('type') },
  'io.k8s.networking.gateway.v1.ListenerStatus': { conditions: map('type') },
  'io.k8s.networking.gateway.v1.PolicyAncestorStatus': { conditions: map('type') },
  'io.k8s.networking.gateway.v1.RouteParentStatus': { conditions: map('type') },
};
