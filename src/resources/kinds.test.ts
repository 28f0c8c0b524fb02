import { describe, expect, it } from 'vitest';
import { byVersionPriority } from './kinds/versions.ts';
import { KINDS, lookUpKind } from './kinds.ts';

describe('the kinds', () => {
  it('have one id each, and plurals that are told apart within a group', () => {
    expect(new Set(KINDS.map(({ group, name }) => `${name}.${group}`)).size).toBe(KINDS.length);
    expect(new Set(KINDS.map(({ group, plural }) => `${plural}.${group}`)).size).toBe(KINDS.length);
  });

  it("have Istio's Gateway before the Gateway API's, so that `kubectl get gateway` means it", () => {
    expect(KINDS.find(({ plural }) => plural === 'gateways')?.group).toBe('networking.istio.io');
  });

  it.each(KINDS.map((kind) => [`${kind.name}.${kind.group}`, kind] as const))(
    'list their versions by priority: %s',
    (_, { versions }) => {
      expect([...versions].sort(byVersionPriority)).toEqual(versions);
    },
  );

  it.each([
    'AuthorizationPolicy',
    'RequestAuthentication',
    'PeerAuthentication',
    'EnvoyFilter',
    'Ingress',
    'HTTPRoute',
  ])('say what is missing while %s is only stored', (name) => {
    expect(KINDS.find((kind) => kind.name === name)?.storedOnly).toMatch(/^\w/);
  });
});

describe('the lookup of a kind', () => {
  it('tells two kinds of one name apart by their group', () => {
    expect(lookUpKind('gateway.networking.k8s.io/v1', 'Gateway')).toMatchObject({
      kind: { singular: 'gateway', shortNames: ['gtw'] },
    });
    expect(lookUpKind('networking.istio.io/v1beta1', 'Gateway')).toMatchObject({ kind: { shortNames: ['gw'] } });
  });

  it('says which versions there are when the apiVersion is wrong', () => {
    expect(lookUpKind('networking.istio.io/v2', 'Sidecar')).toMatchObject({
      found: 'unknown',
      hint: 'Sidecar is served as networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3',
    });
    expect(lookUpKind('v1', 'Gateway')).toMatchObject({
      found: 'unknown',
      hint: expect.stringMatching(/networking\.istio\.io\/v1,.* gateway\.networking\.k8s\.io\/v1/),
    });
  });

  it('knows kinds of real clusters that are not there', () => {
    expect(lookUpKind('apps/v1', 'StatefulSet')).toEqual({ found: 'not-served' });
    expect(lookUpKind('batch/v1', 'CronJob')).toEqual({ found: 'not-served' });
  });
});

describe('versions', () => {
  it('are ordered as Kubernetes orders them', () => {
    const names = ['foo10', 'v1', 'v11beta2', 'v10', 'foo1', 'v3beta1', 'v12alpha1', 'v11alpha2', 'v2'];
    expect(names.sort(byVersionPriority)).toEqual([
      'v10',
      'v2',
      'v1',
      'v11beta2',
      'v3beta1',
      'v12alpha1',
      'v11alpha2',
      'foo1',
      'foo10',
    ]);
  });
});
