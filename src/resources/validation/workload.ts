// Deployment, ReplicaSet and Pod: that there is a spec at all, which their schemas leave open; what a spec must hold, schemas say.

import { error, type Finding } from '../finding.ts';
import type { ResourceObject } from '../object.ts';

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/#DeploymentSpec */
export function validateReplicated({ spec }: ResourceObject): Finding[] {
  if (spec !== undefined) return [];
  return [
    error(['spec', 'selector'], 'is required', 'for example "selector: {matchLabels: {app: web}}"'),
    error(['spec', 'template'], 'is required', 'the labels and containers of its pods'),
  ];
}

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec */
export function validatePod({ spec }: ResourceObject): Finding[] {
  if (spec !== undefined) return [];
  return [error(['spec', 'containers'], 'is required', 'for example "containers: [{name: web, image: nginx}]"')];
}
