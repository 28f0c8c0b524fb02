// Whether a user may do something: the administrators everything, the others what Roles and ClusterRoles grant them.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/

import type { IPolicyRule } from 'kubernetes-models/rbac.authorization.k8s.io/v1/PolicyRule';
import type { IRoleRef } from 'kubernetes-models/rbac.authorization.k8s.io/v1/RoleRef';
import type { ISubject } from 'kubernetes-models/rbac.authorization.k8s.io/v1/Subject';
import type { ResourceObject } from '../resources/object.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import type { User } from './authentication.ts';
import type { ResourceRequest } from './request-info.ts';
import { forbidden } from './status.ts';

/** What somebody would do to a resource. */
export interface ResourceAttributes {
  verb: string;
  group: string;
  /** Plural; with subresource: `pods/log`. */
  resource: string;
  /** '' for all, and where there are none. */
  namespace: string;
  /** '' for a collection. */
  name: string;
}

/** What somebody would do to a path that is no resource. */
export interface PathAttributes {
  verb: string;
  path: string;
}

type Binding = ResourceObject & { subjects?: readonly ISubject[]; roleRef?: IRoleRef };
type Role = ResourceObject & { rules?: readonly IPolicyRule[] };

const ADMINISTRATORS = 'system:masters';
const RBAC = 'rbac.authorization.k8s.io';

const EVERYTHING: readonly IPolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** What everybody who is known may do: ask what there is, who they are and what they may (`system:basic-user`, `system:discovery`). */
const BASIC: readonly IPolicyRule[] = [
  { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
  {
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
  },
  {
    verbs: ['get'],
    nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'],
  },
  { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
];

/**
 * The rules that speak of a user.
 *
 * @param namespace whose RoleBindings count besides the ClusterRoleBindings; '' for none
 */
export function rulesFor(user: User, namespace: string, snapshot: Snapshot): IPolicyRule[] {
  if (user.groups.includes(ADMINISTRATORS)) return [...EVERYTHING];
  const bindings: Binding[] = snapshot.listOf(`ClusterRoleBinding.${RBAC}`);
  if (namespace !== '')
    for (const binding of snapshot.listOf(`RoleBinding.${RBAC}`))
      if (binding.metadata.namespace === namespace) bindings.push(binding);
  return [
    ...BASIC,
    ...bindings
      .filter(({ subjects = [] }) => subjects.some((subject) => isMeant(subject, user)))
      .flatMap((binding) => roleOf(binding, snapshot)?.rules ?? []),
  ];
}

function isMeant({ kind, name, namespace }: ISubject, user: User): boolean {
  switch (kind) {
    case 'User':
      return name === user.name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount':
      return user.name === `system:serviceaccount:${namespace ?? ''}:${name}`;
    default:
      return false;
  }
}

function roleOf({ metadata, roleRef }: Binding, snapshot: Snapshot): Role | undefined {
  if (roleRef?.kind === 'ClusterRole') return snapshot.getOf(`ClusterRole.${RBAC}`, '', roleRef.name);
  if (roleRef?.kind !== 'Role') return undefined;
  return snapshot.getOf(`Role.${RBAC}`, metadata.namespace ?? '', roleRef.name);
}

/** Whether a user may do something to a resource. */
export function mayDo(user: User, wanted: ResourceAttributes, snapshot: Snapshot): boolean {
  if (user.groups.includes(ADMINISTRATORS)) return true;
  // Who could write bindings could give himself everything: only those who have it may.
  if (wanted.group === RBAC && !['get', 'list', 'watch'].includes(wanted.verb)) return mayDoAnything(user, snapshot);
  return rulesFor(user, wanted.namespace, snapshot).some((rule) => allows(rule, wanted));
}

/** Whether a user may do what an administrator may. */
export function mayDoAnything(user: User, snapshot: Snapshot): boolean {
  const anything = { verb: '*', group: '*', resource: '*', namespace: '', name: '' };
  return rulesFor(user, '', snapshot).some((rule) => allows(rule, anything));
}

function allows(
  { verbs, apiGroups = [], resources = [], resourceNames = [] }: IPolicyRule,
  wanted: ResourceAttributes,
) {
  const { verb, group, resource, name } = wanted;
  const slash = resource.indexOf('/');
  return (
    has(verbs, verb) &&
    has(apiGroups, group) &&
    (has(resources, resource) || (slash >= 0 && resources.includes(`*${resource.slice(slash)}`))) &&
    (resourceNames.length === 0 || resourceNames.includes(name))
  );
}

/** Whether a user may ask for a path that is no resource. */
export function mayAsk(user: User, { verb, path }: PathAttributes, snapshot: Snapshot): boolean {
  return rulesFor(user, '', snapshot).some(
    ({ verbs, nonResourceURLs = [] }) =>
      has(verbs, verb) &&
      nonResourceURLs.some((url) => (url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path)),
  );
}

function has(allowed: readonly string[], wanted: string): boolean {
  return allowed.includes('*') || allowed.includes(wanted);
}

/** What a request would do. A Namespace counts as in itself, so that a RoleBinding there can grant it. */
export function attributesOf({
  verb,
  group,
  resource,
  subresource,
  namespace,
  name,
}: Omit<ResourceRequest, 'path' | 'isResource'>): ResourceAttributes {
  return {
    verb: verb ?? '',
    group,
    resource: subresource === '' ? resource : `${resource}/${subresource}`,
    namespace: group === '' && resource === 'namespaces' ? name : namespace,
    name,
  };
}

/** @throws ApiError 403 in the words of Kubernetes' RBAC */
export function authorize(user: User, wanted: ResourceAttributes, snapshot: Snapshot): void {
  if (mayDo(user, wanted, snapshot)) return;
  const { verb, group, resource, namespace, name } = wanted;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  throw forbidden(
    { group, plural: resource.split('/', 1)[0]! },
    name,
    `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}`,
  );
}

/** The ClusterRoles that a cluster has from its beginning, as far as Limen's kinds go. Bindings name them. */
export function defaultClusterRoles(): ResourceObject[] {
  const read = ['get', 'list', 'watch'];
  const write = ['create', 'delete', 'deletecollection', 'patch', 'update'];
  const workloads = ['configmaps', 'endpoints', 'events', 'pods', 'pods/log', 'services', 'serviceaccounts'];
  const groups = [
    'apps',
    'discovery.k8s.io',
    'events.k8s.io',
    'extensions.istio.io',
    'gateway.networking.k8s.io',
    'networking.istio.io',
    'networking.k8s.io',
    'security.istio.io',
    'telemetry.istio.io',
  ];
  const view: IPolicyRule[] = [
    { verbs: read, apiGroups: [''], resources: [...workloads, 'namespaces', 'pods/status', 'services/status'] },
    { verbs: read, apiGroups: groups, resources: ['*'] },
  ];
  const edit: IPolicyRule[] = [
    ...view,
    { verbs: [...read, ...write], apiGroups: [''], resources: ['secrets'] },
    { verbs: write, apiGroups: [''], resources: workloads },
    { verbs: ['create', 'get'], apiGroups: [''], resources: ['pods/attach', 'pods/exec', 'pods/portforward'] },
    { verbs: ['create'], apiGroups: [''], resources: ['serviceaccounts/token'] },
    { verbs: write, apiGroups: groups, resources: ['*'] },
  ];
  const admin: IPolicyRule[] = [...edit, { verbs: read, apiGroups: [RBAC], resources: ['roles', 'rolebindings'] }];
  return Object.entries({ 'cluster-admin': [...EVERYTHING], admin, edit, view }).map(([name, rules]) => ({
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    rules,
  }));
}
