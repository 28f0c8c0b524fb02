// Objects as defaults see them: fields by name.

/** Any object. */
export type Fields = Record<string, unknown>;

/** A copy with these values where it has none. */
export function withDefault(object: Fields, defaults: Fields): Fields {
  const complete = { ...object };
  for (const [name, value] of Object.entries(defaults)) if (complete[name] === undefined) complete[name] = value;
  return complete;
}
