// Label selectors, and which namespaces an object is exported to.

/** Whether labels have every key and value of a selector. A selector without keys selects everything. */
export function matchesLabels(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value);
}

/**
 * Whether an object of one namespace is visible in another: `exportTo` holds namespaces, `.` for the object's own, `*` for all, `~` for
 * none; without it an object is visible everywhere. https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService
 */
export function isExportedTo(
  exportTo: readonly string[] | undefined,
  ownNamespace: string,
  namespace: string,
): boolean {
  if (exportTo === undefined || exportTo.length === 0) return true;
  return exportTo.some(
    (entry) => entry === '*' || entry === namespace || (entry === '.' && ownNamespace === namespace),
  );
}
