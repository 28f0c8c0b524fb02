// Whether one value says all that another one says.

import { isDeepStrictEqual } from 'node:util';

/** True when every field of `part` is in `whole` with the same value. Lists count as one value. */
export function contains(whole: unknown, part: unknown): boolean {
  if (whole === part) return true;
  if (!isObject(part) || !isObject(whole)) return isDeepStrictEqual(whole, part);
  for (const name of Object.keys(part))
    if (!Object.hasOwn(whole, name) || !contains(whole[name], part[name])) return false;
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
