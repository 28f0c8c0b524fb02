// A map made of another one by a few changes, without a copy of the ten thousand entries that stay.

/** How many times the changes the entries below must be for a layer to pay; with fewer it is one map again. */
const LAYER_SHARE = 16;

/** An immutable map. */
export class LayeredMap<Value> implements ReadonlyMap<string, Value> {
  readonly #base: ReadonlyMap<string, Value>;
  readonly #changed: ReadonlyMap<string, Value>;
  /** Names of the base that are no longer there, or are there with another value. */
  readonly #hidden: ReadonlySet<string>;

  private constructor(
    base: ReadonlyMap<string, Value>,
    changed: ReadonlyMap<string, Value>,
    hidden: ReadonlySet<string>,
  ) {
    this.#base = base;
    this.#changed = changed;
    this.#hidden = hidden;
  }

  /**
   * A map with other entries.
   * @param before not changed from now on
   * @param changed entries that are new or have new values
   * @param gone names to take away, those in `changed` apart
   */
  static with<Value>(
    before: ReadonlyMap<string, Value>,
    changed: Iterable<readonly [string, Value]>,
    gone: Iterable<string>,
  ): ReadonlyMap<string, Value> {
    const layered = before instanceof LayeredMap ? (before as LayeredMap<Value>) : undefined;
    const base = layered === undefined ? before : layered.#base;
    const layer = new Map(layered === undefined ? [] : layered.#changed);
    const hidden = new Set(layered === undefined ? [] : layered.#hidden);
    const hide = (name: string) => {
      layer.delete(name);
      if (base.has(name)) hidden.add(name);
    };
    for (const name of gone) hide(name);
    for (const [name, value] of changed) {
      hide(name);
      layer.set(name, value);
    }
    const map = new LayeredMap(base, layer, hidden);
    return (layer.size + hidden.size) * LAYER_SHARE <= base.size ? map : new Map(map);
  }

  get size(): number {
    return this.#base.size - this.#hidden.size + this.#changed.size;
  }

  get(name: string): Value | undefined {
    return this.#changed.get(name) ?? (this.#hidden.has(name) ? undefined : this.#base.get(name));
  }

  has(name: string): boolean {
    return this.#changed.has(name) || (this.#base.has(name) && !this.#hidden.has(name));
  }

  *entries(): Generator<[string, Value], undefined> {
    for (const entry of this.#base) if (!this.#hidden.has(entry[0])) yield entry;
    yield* this.#changed;
    return undefined;
  }

  *keys(): Generator<string, undefined> {
    for (const [name] of this.entries()) yield name;
    return undefined;
  }

  *values(): Generator<Value, undefined> {
    for (const [, value] of this.entries()) yield value;
    return undefined;
  }

  [Symbol.iterator](): Generator<[string, Value], undefined> {
    return this.entries();
  }

  forEach(call: (value: Value, name: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [name, value] of this.entries()) call(value, name, this);
  }
}
