// Remembers what was built from what, so that a push builds anew only what changed.

interface Entry {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
}

/**
 * Built values by name, each valid as long as its inputs are the same objects. One memo lives as long as one push
 * context; it takes over from the memo of the context before what is asked for again, so what nobody asks for any
 * more is forgotten with the next push.
 */
export class Memo {
  readonly #entries = new Map<string, Entry>();
  readonly #scopes = new Map<string, Memo>();
  #previous: Memo | undefined;

  constructor(previous?: Memo) {
    this.#previous = previous;
    // Two generations are enough; a chain of all would keep every object there ever was.
    if (previous !== undefined) previous.#previous = undefined;
  }

  /**
   * A memo of its own for one family of names, which lives as this one does. For families of ten thousand: a name that is an object's own string
   * (a host) need not be joined and hashed anew with every push.
   */
  scope(name: string): Memo {
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      const previous = this.#previous;
      scope = new Memo(previous === undefined ? undefined : previous.#scopes.get(name));
      this.#scopes.set(name, scope);
    }
    return scope;
  }

  /**
   * The value of that name: the remembered one when every input is identical to what it was built from, else a new one.
   * @param name what is built; unique among all that is remembered
   * @param inputs everything `build` reads that can change
   */
  get<Value>(name: string, inputs: readonly unknown[], build: () => Value): Value {
    const own = this.#entries.get(name);
    if (own !== undefined && sameItems(own.inputs, inputs)) return own.value as Value;
    const previous = this.#previous;
    const old = previous === undefined ? undefined : previous.#entries.get(name);
    const entry = old !== undefined && sameItems(old.inputs, inputs) ? old : { inputs, value: build() };
    this.#entries.set(name, entry);
    return entry.value as Value;
  }
}

/** Whether two lists hold the identical items in the same order. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
