import { describe, expect, it } from 'vitest';
import type { Deployment } from '../resources/types.ts';
import { type Container, environmentOf, type PodPlan, planPods, podObject } from './pods.ts';

const container: Container = { name: 'catalog', image: 'istioinaction/catalog', ports: [{ containerPort: 3000 }] };
const deployment = (spec: Partial<NonNullable<Deployment['spec']>> = {}, image = container.image): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'catalog', namespace: 'istioinaction' },
  spec: {
    selector: { matchLabels: { app: 'catalog' } },
    template: {
      metadata: { labels: { app: 'catalog', version: 'v1' }, annotations: { note: 'hello' } },
      spec: {
        serviceAccountName: 'catalog',
        containers: [{ ...container, ...(image === undefined ? {} : { image }) }],
      },
    },
    ...spec,
  },
});
const first = (pods: PodPlan[]) => pods[0] as PodPlan;

describe('the pods of a Deployment', () => {
  it('are named after Deployment, template and replica, as Kubernetes names them', () => {
    expect(first(planPods(deployment())).name).toMatch(/^catalog-[4-9b-f]{10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('have the same names each time', () => {
    expect(planPods(deployment()).map((pod) => pod.name)).toEqual(planPods(deployment()).map((pod) => pod.name));
  });

  it('have other names when the template changes', () => {
    const [before, after] = [planPods(deployment()), planPods(deployment({}, 'istioinaction/catalog:v2'))];
    expect(first(after).name).not.toBe(first(before).name);
  });

  it('are one by default, and as many as replicas says', () => {
    expect(planPods(deployment())).toHaveLength(1);
    expect(planPods(deployment({ replicas: 0 }))).toEqual([]);
    const three = planPods(deployment({ replicas: 3 }));
    expect(new Set(three.map((pod) => pod.name)).size).toBe(3);
    expect(new Set(three.map((pod) => pod.replicaSet)).size).toBe(1);
  });

  it('carry the labels of the template and its hash, and belong to a ReplicaSet', () => {
    const plan = first(planPods(deployment()));
    const pod = podObject(plan, '127.1.2.3', [{ container, ports: [3000] }], new Map());
    const hash = plan.name.split('-')[1];
    expect(pod.metadata).toMatchObject({
      namespace: 'istioinaction',
      labels: { app: 'catalog', version: 'v1', 'pod-template-hash': hash },
      ownerReferences: [{ kind: 'ReplicaSet', name: `catalog-${hash}`, controller: true }],
    });
  });

  it('are running and ready at their address', () => {
    const pod = podObject(first(planPods(deployment())), '127.1.2.3', [{ container, ports: [3000] }], new Map());
    expect(pod.status).toMatchObject({ phase: 'Running', podIP: '127.1.2.3', containerStatuses: [{ ready: true }] });
    expect(pod.status?.conditions).toContainEqual({ type: 'Ready', status: 'True' });
  });

  it('declare the port of the image when the template declares none', () => {
    const { ports: _, ...bare } = container;
    const pod = podObject(first(planPods(deployment())), '127.1.2.3', [{ container: bare, ports: [3000] }], new Map());
    expect(pod.spec?.containers[0]?.ports).toEqual([{ containerPort: 3000 }]);
  });
});

describe('the environment of a container', () => {
  it('has values as written and fields of the pod looked up', () => {
    const plan = first(planPods(deployment()));
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const environment = environmentOf(
      {
        ...container,
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
      },
      plan,
      '127.1.2.3',
    );
    expect(environment).toEqual({
      PLAIN: 'as written',
      NAME: plan.name,
      NAMESPACE: 'istioinaction',
      IP: '127.1.2.3',
      NODE: 'limen',
      ACCOUNT: 'catalog',
      VERSION: 'v1',
      NOTE: 'hello',
    });
  });

  it('leaves out what it can not look up', () => {
    const plan = first(planPods(deployment()));
    const env = [{ name: 'SECRET', valueFrom: { secretKeyRef: { name: 'x', key: 'y' } } }];
    expect(environmentOf({ ...container, env }, plan, '127.1.2.3')).toEqual({});
  });
});
