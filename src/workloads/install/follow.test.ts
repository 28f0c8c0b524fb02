import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IstioOperatorSpec } from '../../resources/istio-operator.ts';
import { applyFileObject } from '../../resources/managed-fields/file-objects.ts';
import { Store } from '../../store/store.ts';
import { followOperators } from './follow.ts';

let store: Store;
let stop: () => void;
/** The log's warnings. */
let warned: string[];
const silent = pino({ level: 'silent' });
beforeEach(() => {
  store = new Store({ merge: applyFileObject() });
  warned = [];
  const write = (line: string) => void warned.push((JSON.parse(line) as { msg: string }).msg);
  stop = followOperators(store, pino({ level: 'warn' }, { write }));
});
afterEach(() => stop());

const put = (name: string, spec: IstioOperatorSpec) =>
  store.put({
    apiVersion: 'install.istio.io/v1alpha1',
    kind: 'IstioOperator',
    metadata: { name, namespace: 'istio-system' },
    spec,
  });
const remove = (name: string) =>
  store.delete({ group: 'install.istio.io', kind: 'IstioOperator', namespace: 'istio-system', name });
const gateways = () =>
  store.snapshot.list('Deployment').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
const replicas = () => store.snapshot.get('Deployment', 'istio-system', 'istio-ingressgateway')?.spec?.replicas;
const owner = () =>
  store.snapshot.get('Deployment', 'istio-system', 'istio-ingressgateway')?.metadata.labels?.[
    'install.operator.istio.io/owning-resource'
  ];

describe('without an IstioOperator', () => {
  it('the default gateway is there', () => {
    expect(gateways()).toEqual(['istio-system/istio-ingressgateway']);
    expect(store.snapshot.get('Service', 'istio-system', 'istio-ingressgateway')?.spec?.ports?.[1]).toMatchObject({
      port: 80,
      targetPort: 8080,
      nodePort: 31380,
    });
  });

  it('the default gateway stays as the API made it where it does not say otherwise itself, also at the next start', () => {
    const live = store.snapshot.get('Deployment', 'istio-system', 'istio-ingressgateway')!;
    const { metadata, spec } = live;
    const annotations = { note: 'ours' };
    store.put({
      ...live,
      metadata: { ...metadata, annotations, labels: { ...metadata.labels, team: 'edge', app: 'changed' } },
      spec: { ...spec!, replicas: 3 },
    });
    stop();
    stop = followOperators(store, silent);
    const now = store.snapshot.get('Deployment', 'istio-system', 'istio-ingressgateway');
    expect(now?.spec?.replicas).toBe(3);
    expect(now?.metadata).toMatchObject({ annotations, labels: { team: 'edge', app: 'istio-ingressgateway' } });
    put('mesh', { meshConfig: { accessLogFile: '/dev/stdout' } });
    expect(replicas()).toBe(3);
    put('mesh', { components: { ingressGateways: [{ k8s: { replicaCount: 2 } }] } });
    expect(replicas()).toBe(2);
  });
});

describe('an IstioOperator', () => {
  it('of gateways alone adds them; they go with it', () => {
    put('mine', {
      profile: 'empty',
      components: { ingressGateways: [{ name: 'mine', namespace: 'shop', enabled: true }] },
    });
    expect(gateways()).toEqual(['istio-system/istio-ingressgateway', 'shop/mine']);
    remove('mine');
    expect(gateways()).toEqual(['istio-system/istio-ingressgateway']);
  });

  it('leaves its namespace behind, the one that was there before and the one that it made', () => {
    const namespaces = () => store.snapshot.listOf('Namespace').map(({ metadata }) => metadata.name);
    store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'before' } });
    for (const namespace of ['before', 'made'])
      put(namespace, {
        profile: 'empty',
        components: { ingressGateways: [{ name: namespace, namespace, enabled: true }] },
      });
    expect(namespaces().sort()).toEqual(['before', 'istio-system', 'made']);
    for (const name of ['before', 'made']) remove(name);
    expect(namespaces().sort()).toEqual(['before', 'istio-system', 'made']);
  });

  it('of the mesh says what its default gateway is like, and what it does not say goes', () => {
    put('mesh', { components: { ingressGateways: [{ k8s: { replicaCount: 2 } }] } });
    expect(replicas()).toBe(2);
    put('mesh', { profile: 'minimal' });
    expect(gateways()).toEqual([]);
    remove('mesh');
    expect(replicas()).toBe(1);
  });

  it('takes the default gateway over as it runs, and gives it back so: with its ports, and no pod starts anew', () => {
    const parts = () =>
      ['Deployment', 'Service'].map((kind) => {
        const object = store.snapshot.get(kind as 'Service', 'istio-system', 'istio-ingressgateway');
        return [object?.metadata.uid, object?.spec];
      });
    const before = parts();
    put('mesh', { meshConfig: { accessLogFile: '/dev/stdout' } });
    expect(owner()).toBe('mesh');
    expect(parts()).toEqual(before);
    remove('mesh');
    expect(owner()).toBeUndefined();
    expect(parts()).toEqual(before);
  });

  it('that asks for what another one has waits until that one is gone', () => {
    put('first', { components: { ingressGateways: [{ k8s: { replicaCount: 2 } }] } });
    put('second', { components: { ingressGateways: [{ k8s: { replicaCount: 3 } }] } });
    expect([owner(), replicas()]).toEqual(['first', 2]);
    expect(warned).toContain('Deployment istio-system/istio-ingressgateway is there already, and stays as it is');
    remove('first');
    expect([owner(), replicas()]).toEqual(['second', 3]);
  });

  it('writes the mesh configuration', () => {
    put('mesh', { meshConfig: { accessLogFile: '/dev/stdout' } });
    expect(store.snapshot.get('ConfigMap', 'istio-system', 'istio')?.data?.mesh).toBe('accessLogFile: /dev/stdout\n');
    remove('mesh');
    expect(store.snapshot.get('ConfigMap', 'istio-system', 'istio')).toBeUndefined();
  });
});
