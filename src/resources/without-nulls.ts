// Data without its nulls.

/** An API server takes a null field as an absent one; `kubectl create --dry-run=client -o yaml` writes `creationTimestamp: null`. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value))
    if (inner !== null && key !== '__proto__') copy[key] = withoutNulls(inner);
  return copy;
}
