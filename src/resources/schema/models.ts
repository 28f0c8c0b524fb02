// The compiled validators of the kinds, from the npm packages of models. Each is loaded when its first object comes: all of them
// would cost every start a tenth of a second.

import { createRequire, findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import type { Kind } from '../kinds.ts';

/** One finding of a compiled validator (ajv's shape, the parts that are read). */
export interface ModelError {
  /** JSON pointer to the value. */
  instancePath: string;
  keyword: string;
  params: Record<string, unknown>;
  message?: string;
}

/** Checks a value against a kind's schema: types, enums, limits, formats, required fields. Unknown fields pass. */
export type ModelCheck = (value: unknown) => readonly ModelError[];

const require = createRequire(import.meta.url);
const checks = new Map<Kind, ModelCheck>();

/** The validator of a kind's newest version. */
export function modelCheck(kind: Kind): ModelCheck {
  let check = checks.get(kind);
  if (check === undefined) {
    check = loadCheck(kind);
    checks.set(kind, check);
  }
  return check;
}

interface Model {
  prototype: { validate(this: unknown): void };
}

function loadCheck(kind: Kind): ModelCheck {
  const istio = kind.group.endsWith('.istio.io');
  const manifest = findPackageJSON(istio ? '@kubernetes-models/istio' : 'kubernetes-models', import.meta.url);
  if (manifest === undefined) throw new Error(`the models of ${kind.name} are not installed: run npm ci`);
  // The packages export their modules to `import` only, which is asynchronous; loading the file itself is not.
  const module = require(join(dirname(manifest), kind.group, kind.versions[0], `${kind.name}.js`)) as Record<
    string,
    Model
  >;
  const { validate } = (module[kind.name] as Model).prototype;
  return (value) => {
    try {
      validate.call(value);
      return [];
    } catch (error) {
      const errors = (error as { errors?: readonly ModelError[] }).errors;
      if (errors === undefined) throw error;
      return errors;
    }
  };
}
