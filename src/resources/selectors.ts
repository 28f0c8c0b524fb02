// Label selectors.

/** Whether every label of the selector is there with that value. A selector without labels, or none at all, selects everything. */
export function matchesLabels(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const name in selector) if (labels?.[name] !== selector[name]) return false;
  return true;
}
