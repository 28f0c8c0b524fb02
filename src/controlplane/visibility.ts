// exportTo: which namespaces may see an object.

/** Whom an object is exported to; namespaces by name, `.` already replaced by the object's own. */
export type Visibility = 'public' | ReadonlySet<string>;

/**
 * Reads `exportTo`: absent or `*` is everyone, `.` is the object's own namespace, `~` is nobody.
 * https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService
 */
export function visibilityOf(exportTo: readonly string[] | undefined, namespace: string): Visibility {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return 'public';
  return new Set(exportTo.filter((to) => to !== '~').map((to) => (to === '.' ? namespace : to)));
}

/** Whether a namespace may see it. */
export function isVisibleTo(visibility: Visibility, namespace: string): boolean {
  return visibility === 'public' || visibility.has(namespace);
}
