// The environment and the command line of a container: values as written, references looked up, `$(NAME)` filled in. Pure.
// https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/

import type { Snapshot } from '../../resources/snapshot.ts';
import type { Pod } from '../../resources/types.ts';
import type { Container } from '../container-runtime.ts';

/** Something a container refers to is missing: it waits as CreateContainerConfigError with this message. */
export class ContainerConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ContainerConfigError';
  }
}

/**
 * What a container's `env` and `envFrom` come to, beside `HOSTNAME`: the name of its pod.
 *
 * @param ip the pod's address
 * @throws ContainerConfigError when a ConfigMap, Secret or key that is not optional is missing
 */
export function environmentOf(
  container: Pick<Container, 'env' | 'envFrom'>,
  pod: Pod,
  ip: string,
  snapshot: Snapshot,
): Record<string, string> {
  const namespace = pod.metadata.namespace ?? '';
  const environment: Record<string, string> = { HOSTNAME: pod.metadata.name };
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const [kind, reference] =
      configMapRef !== undefined ? (['ConfigMap', configMapRef] as const) : (['Secret', secretRef] as const);
    const data = dataOf(snapshot, kind, namespace, reference?.name ?? '');
    if (data === undefined && reference?.optional !== true) throw new ContainerConfigError(notFound(kind, reference));
    for (const [key, value] of Object.entries(data ?? {})) environment[prefix + key] = value;
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const found =
      valueFrom === undefined ? expand(value ?? '', environment) : lookUp(valueFrom, pod, ip, namespace, snapshot);
    if (found !== undefined) environment[name] = found;
  }
  return environment;
}

/** `$(NAME)` is the variable's value; `$$(NAME)` is `$(NAME)` itself; an unknown name stays as it is. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^()]+)\))/g, (all, inner: string, name: string | undefined) =>
    inner === '$' ? '$' : (environment[name ?? ''] ?? all),
  );
}

type ValueFrom = NonNullable<NonNullable<Container['env']>[number]['valueFrom']>;

function lookUp(
  { fieldRef, configMapKeyRef, secretKeyRef }: ValueFrom,
  pod: Pod,
  ip: string,
  namespace: string,
  snapshot: Snapshot,
): string | undefined {
  if (fieldRef !== undefined) return fieldOf(fieldRef.fieldPath, pod, ip);
  const [kind, reference] =
    configMapKeyRef !== undefined ? (['ConfigMap', configMapKeyRef] as const) : (['Secret', secretKeyRef] as const);
  if (reference === undefined) return undefined; // a resourceFieldRef: nothing here is limited
  const data = dataOf(snapshot, kind, namespace, reference.name ?? '');
  const value = data?.[reference.key];
  if (value === undefined && reference.optional !== true) {
    throw new ContainerConfigError(
      data === undefined
        ? notFound(kind, reference)
        : `couldn't find key ${reference.key} in ${kind} ${namespace}/${reference.name}`,
    );
  }
  return value;
}

/** https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields */
function fieldOf(path: string, { metadata, spec }: Pod, ip: string): string | undefined {
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'spec.nodeName':
      return spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? 'default';
    case 'status.podIP':
    case 'status.podIPs':
      return ip;
    case 'status.hostIP':
    case 'status.hostIPs':
      return '127.0.0.1';
    default: {
      const match = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
      return match === null ? undefined : (metadata[match[1] as 'labels' | 'annotations']?.[match[2] as string] ?? '');
    }
  }
}

/** The keys and texts of a ConfigMap or Secret; undefined where there is none. */
function dataOf(
  snapshot: Snapshot,
  kind: 'ConfigMap' | 'Secret',
  namespace: string,
  name: string,
): Record<string, string> | undefined {
  if (kind === 'ConfigMap') {
    const configMap = snapshot.get('ConfigMap', namespace, name);
    return configMap && { ...configMap.data };
  }
  const secret = snapshot.get('Secret', namespace, name);
  return (
    secret &&
    Object.fromEntries(
      Object.entries(secret.data ?? {}).map(([key, base64]) => [key, Buffer.from(base64, 'base64').toString()]),
    )
  );
}

function notFound(kind: string, reference: { name?: string } | undefined): string {
  return `${kind.toLowerCase()} "${reference?.name ?? ''}" not found`;
}
