// JSON merge patches (RFC 7396).

import { isJsonObject, isReservedName, type JsonObject } from './json-value.ts';

/**
 * Applies a merge patch: objects merge, null removes, everything else replaces.
 * https://www.rfc-editor.org/rfc/rfc7396#section-2
 * @returns a new value; parts that did not change are the original's own
 */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, unknown> = isJsonObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch as JsonObject)) {
    if (isReservedName(name)) continue;
    if (value === null) delete result[name];
    else result[name] = applyMergePatch(Object.hasOwn(result, name) ? result[name] : undefined, value);
  }
  return result;
}
