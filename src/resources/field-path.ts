// Paths to a field inside an object: as segments for code, as `spec.servers[0].port.number` for people.

/** The way from an object to one of its fields: keys and list indices. */
export type FieldPath = readonly (string | number)[];

/** `spec.servers[0].port`, `metadata.labels["app.kubernetes.io/name"]`. */
export function formatFieldPath(path: FieldPath): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (/^[\w-]+$/.test(segment)) text += text === '' ? segment : `.${segment}`;
    else text += `[${JSON.stringify(segment)}]`;
  }
  return text;
}

/** The inverse of {@link formatFieldPath}. Text that is no path gives the segments that could be read. */
export function parseFieldPath(text: string): FieldPath {
  const path: (string | number)[] = [];
  for (const [, index, quoted, name] of text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g)) {
    if (index !== undefined) path.push(Number(index));
    else path.push(quoted === undefined ? (name as string) : (JSON.parse(quoted) as string));
  }
  return path;
}

/** What stands at a path of a value; undefined where there is nothing. */
export function valueAt(root: unknown, path: FieldPath): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}
