import { describe, expect, it } from 'vitest';
import { Snapshot } from '../../resources/snapshot.ts';
import type { Pod } from '../../resources/types.ts';
import type { Container } from '../container-runtime.ts';
import { environmentOf, expand } from './environment.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'catalog-1', namespace: 'shop', labels: { version: 'v1' }, annotations: { note: 'hello' } },
  spec: { containers: [], nodeName: 'limen', serviceAccountName: 'catalog' },
};
const snapshot = Snapshot.of([
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'shop' },
    data: { A: '1', B: '2' },
  } as never,
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: 'shop' }, data: { K: 'c2VjcmV0' } } as never,
]);
const environment = (container: Partial<Container>) =>
  environmentOf({ name: 'c', ...container }, pod, '127.1.2.3', snapshot);

describe('the environment of a container', () => {
  it('has values as written and fields of the pod looked up', () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    expect(
      environment({
        env: [
          { name: 'PLAIN', value: 'as written' },
          field('NAME', 'metadata.name'),
          field('NAMESPACE', 'metadata.namespace'),
          field('IP', 'status.podIP'),
          field('NODE', 'spec.nodeName'),
          field('ACCOUNT', 'spec.serviceAccountName'),
          field('VERSION', "metadata.labels['version']"),
          field('NOTE', "metadata.annotations['note']"),
        ],
      }),
    ).toEqual({
      HOSTNAME: 'catalog-1',
      PLAIN: 'as written',
      NAME: 'catalog-1',
      NAMESPACE: 'shop',
      IP: '127.1.2.3',
      NODE: 'limen',
      ACCOUNT: 'catalog',
      VERSION: 'v1',
      NOTE: 'hello',
    });
  });

  it('has keys of ConfigMaps and Secrets, one by one and all at once, and later ones win', () => {
    expect(
      environment({
        envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'S_', secretRef: { name: 'key' } }],
        env: [
          { name: 'B', valueFrom: { configMapKeyRef: { name: 'settings', key: 'A' } } },
          { name: 'C', valueFrom: { secretKeyRef: { name: 'key', key: 'K' } } },
          { name: 'D', valueFrom: { secretKeyRef: { name: 'none', key: 'K', optional: true } } },
        ],
      }),
    ).toEqual({ HOSTNAME: 'catalog-1', A: '1', S_K: 'secret', B: '1', C: 'secret' });
  });

  it('cannot be had where what it refers to is missing', () => {
    const key = (name: string, wanted: string) => () =>
      environment({ env: [{ name: 'X', valueFrom: { secretKeyRef: { name, key: wanted } } }] });
    expect(key('none', 'K')).toThrow('secret "none" not found');
    expect(key('key', 'nope')).toThrow("couldn't find key nope in Secret shop/key");
    expect(() => environment({ envFrom: [{ configMapRef: { name: 'none' } }] })).toThrow('configmap "none" not found');
  });

  it('fills in variables that stand before', () => {
    const env = [
      { name: 'A', value: 'x' },
      { name: 'B', value: '$(A)-$(NONE)-$$(A)' },
    ];
    expect(environment({ env }).B).toBe('x-$(NONE)-$(A)');
    expect(expand('--port=$(PORT)', { PORT: '80' })).toBe('--port=80');
  });
});
