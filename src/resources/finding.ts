// What a check of one object finds, before anyone knows in which file the object stands.

import type { FieldPath } from './field-path.ts';

/** Something wrong with an object. With the object's place in a file it becomes a `Problem`. */
export interface Finding {
  path: FieldPath;
  severity: 'error' | 'warning';
  message: string;
  /** What to do about it. */
  hint?: string;
  /** Point at the field's name, not at its value. */
  at?: 'key';
  /** A warning of something that is served and yet works for nobody: `validate` counts it as an error. */
  broken?: true;
}

/** A finding that refuses the object. */
export function error(path: FieldPath, message: string, hint?: string): Finding {
  return { path, severity: 'error', message, ...(hint === undefined ? {} : { hint }) };
}

/** A finding that does not. */
export function warning(path: FieldPath, message: string, hint?: string): Finding {
  return { path, severity: 'warning', message, ...(hint === undefined ? {} : { hint }) };
}

/** A finding that does not refuse the object, though what it describes works for nobody. */
export function broken(path: FieldPath, message: string, hint?: string): Finding {
  return { ...warning(path, message, hint), broken: true };
}
