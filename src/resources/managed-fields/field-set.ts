// Sets of fields of an object: what one manager owns. A tree of path elements, spelled as Kubernetes' FieldsV1 spells them.

/**
 * Fields of an object. Path elements: `f:<name>` a field, `k:{"name":"x"}` the entry of a list with these keys, `v:<JSON>` a value of a set.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export interface FieldSet {
  /** The place itself, not only what is in it. */
  readonly isMember: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** FieldsV1: `{}` is a field; `.` the place itself beside what is in it. */
export interface FieldsV1 {
  readonly [element: string]: FieldsV1;
}

const NO_CHILDREN: ReadonlyMap<string, FieldSet> = new Map();
export const NO_FIELDS: FieldSet = { isMember: false, children: NO_CHILDREN };
/** One place and nothing in it. */
export const ITSELF: FieldSet = { isMember: true, children: NO_CHILDREN };

export function isEmpty(set: FieldSet): boolean {
  return !set.isMember && set.children.size === 0;
}

/** A set of what is at these elements; undefined where there is nothing. */
export function fieldsAt(isMember: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = new Map<string, FieldSet>();
  for (const [element, child] of children) if (!isEmpty(child)) kept.set(element, child);
  if (kept.size === 0) return isMember ? ITSELF : NO_FIELDS;
  return { isMember, children: kept };
}

/** Fields of either. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const children = new Map(a.children);
  for (const [element, child] of b.children) children.set(element, union(a.children.get(element) ?? NO_FIELDS, child));
  return { isMember: a.isMember || b.isMember, children };
}

/** Fields of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const both = [...a.children].map(
    ([element, child]) => [element, intersection(child, b.children.get(element) ?? NO_FIELDS)] as const,
  );
  return fieldsAt(a.isMember && b.isMember, both);
}

/** Fields of the first that are not in the second. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const rest = [...a.children].map(([element, child]) => {
    const other = b.children.get(element);
    return [element, other === undefined ? child : difference(child, other)] as const;
  });
  return fieldsAt(a.isMember && !b.isMember, rest);
}

/** The members as people read them: `.spec.containers[name="web"].image`. */
export function describeFields(set: FieldSet, prefix = ''): string[] {
  const own = set.isMember ? [prefix] : [];
  return own.concat(
    ...[...set.children].map(([element, child]) => describeFields(child, prefix + describeElement(element))),
  );
}

function describeElement(element: string): string {
  const text = element.slice(2);
  if (element.startsWith('f:')) return `.${text}`;
  if (element.startsWith('v:')) return `[=${text}]`;
  const keys = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
}

/** The set as `managedFields` has it. */
export function toFieldsV1(set: FieldSet): FieldsV1 {
  const fields: Record<string, FieldsV1> = {};
  if (set.isMember && set.children.size > 0) fields['.'] = {};
  for (const element of [...set.children.keys()].sort())
    fields[element] = toFieldsV1(set.children.get(element) as FieldSet);
  return fields;
}

/** @returns the set; what is not FieldsV1 in it is left out */
export function fromFieldsV1(fields: unknown): FieldSet {
  const set = fromPlace(fields);
  return set.isMember && set.children.size === 0 ? NO_FIELDS : set; // `{}` at the root is no field, everywhere else it is one
}

function fromPlace(fields: unknown): FieldSet {
  if (typeof fields !== 'object' || fields === null) return NO_FIELDS;
  const names = Object.keys(fields);
  const children = names
    .filter((name) => isElement(name))
    .map((name) => [name, fromPlace((fields as Record<string, unknown>)[name])] as const);
  return fieldsAt(names.length === 0 || names.includes('.'), children);
}

function isElement(name: string): boolean {
  if (name.startsWith('f:')) return true;
  if (!/^[kvi]:/.test(name)) return false;
  try {
    JSON.parse(name.slice(2));
    return true;
  } catch {
    return false;
  }
}
