// JSON values, as patches and field management walk them.

/** An object of JSON. */
export type JsonObject = { readonly [name: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Is a name one that JavaScript gives a meaning of its own? Setting it would not make a field. */
export function isReservedName(name: string): boolean {
  return name === '__proto__';
}
