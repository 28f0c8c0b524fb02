// Which fields a kind has. The compiled validators let unknown fields pass and carry no schema, but they can be asked: a
// validator reads each field it knows, and says which type it wanted in place of a value that has none.

import type { Kind } from '../kinds.ts';
import { type ModelCheck, modelCheck } from './models.ts';

/** What may stand at one place of an object. Children are found out when they are first asked for. */
export interface FieldSchema {
  /** JSON Schema's type names (`string`, `integer`, …); empty where anything may stand. */
  readonly types: ReadonlySet<string>;
  /** The values of an enum. */
  readonly values: readonly unknown[] | undefined;
  /** The names of its fields; undefined where there are no fixed ones (a list, a map, free content, no object at all). */
  readonly fields: readonly string[] | undefined;
  /** What stands under a key of an object or at any index of a list; undefined when the name is unknown or anything may stand there. */
  child(segment: string | number): FieldSchema | undefined;
}

const roots = new Map<Kind, FieldSchema>();

/** The fields of a kind, from the root (`apiVersion`, `kind`, `metadata`, …) down. */
export function fieldsOf(kind: Kind): FieldSchema {
  let root = roots.get(kind);
  if (root === undefined) {
    root = new Place(modelCheck(kind), []);
    roots.set(kind, root);
  }
  return root;
}

/** Stands for any key of a map and no field's name. */
const ANY_KEY = '\u0000any';
/** A value of no JSON type: every `type` check of the validator fails on it and says what it wanted. */
const NO_TYPE = () => undefined;

class Place implements FieldSchema {
  readonly types: ReadonlySet<string>;
  readonly values: readonly unknown[] | undefined;
  readonly fields: readonly string[] | undefined;
  readonly #isMap: boolean;
  readonly #check: ModelCheck;
  readonly #path: readonly (string | number)[];
  readonly #children = new Map<string | number, FieldSchema | undefined>();

  constructor(check: ModelCheck, path: readonly (string | number)[]) {
    this.#check = check;
    this.#path = path;
    const pointer = path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    const errors = check(place(path, NO_TYPE)).filter((error) => error.instancePath === pointer);
    const types = errors.filter((error) => error.keyword === 'type').flatMap((error) => error.params.type as string);
    this.types = new Set(types);
    this.values = errors.find((error) => error.keyword === 'enum')?.params.allowedValues as unknown[] | undefined;
    const read = this.types.has('object') ? readFields(check, path) : new Set<string>();
    this.#isMap = read.delete(ANY_KEY);
    this.fields = read.size > 0 && !this.#isMap ? [...read] : undefined;
  }

  child(segment: string | number): FieldSchema | undefined {
    const isItem = typeof segment === 'number';
    if (isItem ? !this.types.has('array') : !this.#isMap && !this.fields?.includes(segment)) return undefined;
    const key = isItem ? 0 : this.#isMap ? ANY_KEY : segment;
    let child = this.#children.get(key);
    if (child === undefined) {
      child = new Place(this.#check, [...this.#path, key]);
      this.#children.set(key, child);
    }
    return child;
  }
}

/** The keys that a validator reads of an object at a path: its fields, or ANY_KEY when it goes through all keys there are. */
function readFields(check: ModelCheck, path: readonly (string | number)[]): Set<string> {
  const read = new Set<string>();
  const recorder = new Proxy(
    { [ANY_KEY]: NO_TYPE },
    {
      get(target, key) {
        if (typeof key === 'string' && !(key in Object.prototype)) read.add(key);
        return Reflect.get(target, key);
      },
    },
  );
  check(place(path, recorder));
  return read;
}

/** An object that holds a value at a path and nothing else. */
function place(path: readonly (string | number)[], value: unknown): unknown {
  return path.reduceRight<unknown>(
    (inner, segment) => (typeof segment === 'number' ? [inner] : { [segment]: inner }),
    value,
  );
}
