// The pods a Deployment asks for: their names, and the Pod objects they have in the store. Pure.

import { createHash } from 'node:crypto';
import { BOUND_PORTS_ANNOTATION, boundPortsAnnotation } from '../resources/pod-ports.ts';
import type { Deployment, Pod } from '../resources/types.ts';

type PodTemplate = NonNullable<Deployment['spec']>['template'];
type PodSpec = NonNullable<PodTemplate['spec']>;
/** A container of a pod template. */
export type Container = PodSpec['containers'][number];

/** The one node there is. */
export const NODE_NAME = 'limen';

/** A pod that should run. */
export interface PodPlan {
  /** `<deployment>-<template hash>-<suffix>`, the same whenever deployment and template are the same. */
  name: string;
  namespace: string;
  deployment: string;
  replicaSet: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  serviceAccount: string;
  spec: PodSpec;
}

/** The pods of a Deployment: as many as `spec.replicas` (1 unless given). */
export function planPods({ metadata, spec }: Deployment): PodPlan[] {
  const { name: deployment, namespace = 'default' } = metadata;
  const template = spec?.template;
  if (template?.spec === undefined) return [];
  const templateHash = hashOf(TEMPLATE_HASH_LETTERS, 10, JSON.stringify(template));
  const replicaSet = `${deployment}-${templateHash}`;
  return Array.from({ length: Math.max(spec?.replicas ?? 1, 0) }, (_, index) => ({
    name: `${replicaSet}-${hashOf(SUFFIX_LETTERS, 5, `${namespace}/${replicaSet}/${index}`)}`,
    namespace,
    deployment,
    replicaSet,
    labels: { ...template.metadata?.labels, 'pod-template-hash': templateHash },
    annotations: { ...template.metadata?.annotations },
    serviceAccount: template.spec?.serviceAccountName ?? 'default',
    spec: template.spec as PodSpec,
  }));
}

/** The letters Kubernetes makes generated names of: no vowels, so no words. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
/** What a decimal hash comes to in those letters. */
const TEMPLATE_HASH_LETTERS = '456789bcdf';

function hashOf(letters: string, length: number, text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, length);
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

/** A container as it runs: the ports it listens on. */
export interface RunningContainer {
  container: Container;
  ports: readonly number[];
}

/**
 * The Pod object of a plan that runs at `ip`.
 * @param bound container port → the port that is listened on
 */
export function podObject(
  plan: PodPlan,
  ip: string,
  containers: readonly RunningContainer[],
  bound: ReadonlyMap<number, number>,
): Pod {
  const boundPorts = boundPortsAnnotation(bound);
  const annotations = { ...plan.annotations, ...(boundPorts && { [BOUND_PORTS_ANNOTATION]: boundPorts }) };
  const condition = (type: string) => ({ type, status: 'True' as const });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: plan.name,
      namespace: plan.namespace,
      labels: plan.labels,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: plan.replicaSet,
          uid: uuidOf(`${plan.namespace}/${plan.replicaSet}`),
          controller: true,
        },
      ],
    },
    spec: {
      ...plan.spec,
      nodeName: NODE_NAME,
      serviceAccountName: plan.serviceAccount,
      containers: containers.map(({ container, ports }) => ({
        ...container,
        ports: container.ports?.length ? container.ports : ports.map((containerPort) => ({ containerPort })),
      })),
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      hostIP: '127.0.0.1',
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition),
      containerStatuses: containers.map(({ container }) => ({
        name: container.name,
        image: container.image ?? '',
        imageID: '',
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: {} },
      })),
    },
  };
}

/** A stable UUID for a name (version 8: made of a hash of one's own choice, RFC 9562). */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

/**
 * The environment of a container: values as written, `fieldRef`s looked up. What it can't look up (a ConfigMap, a Secret)
 * is left out.
 * https://kubernetes.io/docs/tasks/inject-data-application/environment-variable-expose-pod-information/
 */
export function environmentOf(container: Container, plan: PodPlan, ip: string): Record<string, string> {
  const fields: Record<string, string> = {
    'metadata.name': plan.name,
    'metadata.namespace': plan.namespace,
    'spec.nodeName': NODE_NAME,
    'spec.serviceAccountName': plan.serviceAccount,
    'status.podIP': ip,
    'status.podIPs': ip,
    'status.hostIP': '127.0.0.1',
  };
  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const path = valueFrom?.fieldRef?.fieldPath;
    const found = value ?? (path === undefined ? undefined : (fields[path] ?? mapEntry(path, plan)));
    if (found !== undefined) environment[name] = found;
  }
  return environment;
}

/** `metadata.labels['app']`, `metadata.annotations['x']` */
function mapEntry(path: string, plan: PodPlan): string | undefined {
  const match = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  return match === null ? undefined : plan[match[1] as 'labels' | 'annotations'][match[2] as string];
}
