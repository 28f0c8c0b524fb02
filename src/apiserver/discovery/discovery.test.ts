import { describe, expect, it } from 'vitest';
import { KINDS } from '../../resources/kinds.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './discovery.ts';

describe('discovery', () => {
  it('names the core version', () => {
    expect(apiVersions('127.0.0.1:6443')).toEqual({
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '127.0.0.1:6443' }],
    });
  });

  it('lists the groups but the core one, each with the version to prefer', () => {
    const list = apiGroupList(KINDS) as { groups: { name: string; preferredVersion: object; versions: object[] }[] };
    expect(list.groups.map(({ name }) => name)).not.toContain('');
    expect(list.groups.find(({ name }) => name === 'networking.istio.io')).toEqual({
      name: 'networking.istio.io',
      preferredVersion: { groupVersion: 'networking.istio.io/v1', version: 'v1' },
      versions: ['v1', 'v1beta1', 'v1alpha3'].map((version) => ({
        groupVersion: `networking.istio.io/${version}`,
        version,
      })),
    });
    expect(apiGroup(KINDS, 'apps')).toMatchObject({ kind: 'APIGroup', name: 'apps' });
    expect(apiGroup(KINDS, 'nothing.example')).toBeUndefined();
    expect(apiGroup(KINDS, '')).toBeUndefined();
  });

  it('lists resources and subresources of a version', () => {
    const { resources } = apiResourceList(KINDS, 'apps', 'v1') as { resources: { name: string }[] };
    expect(resources.map(({ name }) => name)).toEqual([
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
    ]);
    expect(resources[0]).toEqual({
      name: 'deployments',
      singularName: 'deployment',
      namespaced: true,
      kind: 'Deployment',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['deploy'],
      categories: ['all'],
    });
    expect(resources[1]).toEqual({
      name: 'deployments/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    });
    expect(apiResourceList(KINDS, '', 'v1')).toMatchObject({ groupVersion: 'v1' });
    expect(apiResourceList(KINDS, 'apps', 'v2')).toBeUndefined();
  });

  it('has only the kinds that a version has', () => {
    const { resources } = apiResourceList(KINDS, 'networking.istio.io', 'v1alpha3') as {
      resources: { name: string }[];
    };
    const names = resources.map(({ name }) => name);
    expect(names).toContain('envoyfilters');
    expect(names).not.toContain('proxyconfigs');
  });

  it.each(['v2', 'v2beta1'] as const)('says all of it at once in its aggregated form %s', (form) => {
    interface Aggregated {
      apiVersion: string;
      items: { metadata: { name: string }; versions: { version: string; resources: { resource: string }[] }[] }[];
    }
    const core = aggregatedDiscovery(KINDS, 'api', form) as Aggregated;
    expect(core.apiVersion).toBe(`apidiscovery.k8s.io/${form}`);
    expect(core.items.map(({ metadata }) => metadata.name)).toEqual(['']);
    expect(core.items[0]!.versions[0]!.resources.find(({ resource }) => resource === 'namespaces')).toEqual({
      resource: 'namespaces',
      responseKind: { group: '', version: 'v1', kind: 'Namespace' },
      scope: 'Cluster',
      singularResource: 'namespace',
      verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['ns'],
      subresources: [
        {
          subresource: 'status',
          responseKind: { group: '', version: 'v1', kind: 'Namespace' },
          verbs: ['get', 'patch', 'update'],
        },
        { subresource: 'finalize', responseKind: { group: '', version: 'v1', kind: 'Namespace' }, verbs: ['update'] },
      ],
    });
    const others = aggregatedDiscovery(KINDS, 'apis', form) as Aggregated;
    const istio = others.items.find(({ metadata }) => metadata.name === 'networking.istio.io')!;
    expect(istio.versions.map(({ version }) => version)).toEqual(['v1', 'v1beta1', 'v1alpha3']);
  });
});
