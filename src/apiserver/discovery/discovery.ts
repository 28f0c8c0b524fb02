// The discovery documents: which groups, versions and resources there are. kubectl asks for the aggregated form first.
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api

import { apiVersionOf, type Kind, type Subresource } from '../../resources/kinds/kind.ts';
import { type Group, groupsOf, kindsOf } from './groups.ts';

/** `GET /api`. */
export function apiVersions(serverAddress = ''): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** `GET /apis`. */
export function apiGroupList(kinds: Iterable<Kind>): object {
  const groups = groupsOf(kinds).filter(({ name }) => name !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(describeGroup) };
}

/** `GET /apis/<group>`; undefined when there is no such group. */
export function apiGroup(kinds: Iterable<Kind>, group: string): object | undefined {
  const found = group === '' ? undefined : groupsOf(kinds).find(({ name }) => name === group);
  return found && { kind: 'APIGroup', apiVersion: 'v1', ...describeGroup(found) };
}

function describeGroup({ name, versions }: Group) {
  const spelled = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: spelled, preferredVersion: spelled[0] };
}

/** `GET /api/v1` (group `''`) and `GET /apis/<group>/<version>`; undefined when there is no such version. */
export function apiResourceList(kinds: Iterable<Kind>, group: string, version: string): object | undefined {
  const found = kindsOf(kinds, group, version);
  if (found.length === 0) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, versions: [version] }),
    resources: found.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.name,
        verbs: kind.verbs,
        ...namesOf(kind),
      },
      ...kind.subresources.map((subresource) => ({
        name: `${kind.plural}/${subresource.name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(subresource.kind ?? { kind: kind.name }),
        verbs: subresource.verbs,
      })),
    ]),
  };
}

/**
 * `GET /api` and `GET /apis` as `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`, or `v=v2beta1`.
 *
 * @param root `api` has the core group, `apis` all others
 */
export function aggregatedDiscovery(
  kinds: Iterable<Kind>,
  root: 'api' | 'apis',
  form: 'v2' | 'v2beta1' = 'v2',
): object {
  const groups = groupsOf(kinds).filter(({ name }) => (name === '') === (root === 'api'));
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${form}`,
    metadata: {},
    items: groups.map(({ name, versions, kinds: ofGroup }) => ({
      metadata: { name, creationTimestamp: null },
      versions: versions.map((version) => ({
        version,
        resources: kindsOf(ofGroup, name, version).map((kind) => ({
          resource: kind.plural,
          responseKind: { group: name, version, kind: kind.name },
          scope: kind.namespaced ? 'Namespaced' : 'Cluster',
          singularResource: kind.singular,
          verbs: kind.verbs,
          ...namesOf(kind),
          ...(kind.subresources.length === 0
            ? {}
            : {
                subresources: kind.subresources.map((subresource) => aggregatedSubresource(kind, version, subresource)),
              }),
        })),
        freshness: 'Current',
      })),
    })),
  };
}

function aggregatedSubresource(
  { group, name }: Kind,
  version: string,
  { name: subresource, kind, verbs }: Subresource,
) {
  return { subresource, responseKind: kind ?? { group, version, kind: name }, verbs };
}

function namesOf({ shortNames, categories }: Kind) {
  return {
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
}
