// What the definitions of the OpenAPI documents are called.

const CORE = 'io.k8s.api.core';

/** Groups of Kubernetes whose Go package is not called like the group. */
const PACKAGES: Readonly<Record<string, string>> = {
  '': CORE,
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'rbac.authorization.k8s.io': 'io.k8s.api.rbac',
};

/** Groups of Kubernetes itself; those of CustomResourceDefinitions end in `k8s.io` too. */
const BUILT_IN =
  /^(apps|autoscaling|batch|policy|(authentication|authorization|coordination|discovery|events|networking)\.k8s\.io)$/;

/** Whether a group's kinds are Kubernetes' own. All others, Istio's too, behave as those of a CustomResourceDefinition. */
export function isKubernetesGroup(group: string): boolean {
  return Object.hasOwn(PACKAGES, group) || BUILT_IN.test(group);
}

/** What every definition of a group and version starts with: `io.k8s.api.apps.v1`, `io.istio.networking.v1`. */
export function definitionPrefix(group: string, version: string): string {
  const known = PACKAGES[group] ?? (BUILT_IN.test(group) ? `io.k8s.api.${group.split('.')[0]}` : undefined);
  return `${known ?? group.split('.').toReversed().join('.')}.${version}`;
}

/** The definition of a kind. */
export function definitionName(group: string, version: string, kind: string): string {
  return `${definitionPrefix(group, version)}.${kind}`;
}

const REFERENCE = '#/components/schemas/';

/** How a schema refers to a definition. */
export function referenceTo(name: string): string {
  return REFERENCE + name;
}

/** The definition that a reference names. */
export function referredName(reference: string): string {
  return reference.slice(REFERENCE.length);
}
