// The headers of one message: a flat array name, value, name, value … in the order received, names in lower case.

/** A mutable list of headers. Small (a message has a dozen): every look-up is a scan, which beats hashing at this size. */
export class HeaderList {
  /** Even indexes hold lower-case names, odd ones the values. */
  readonly fields: string[] = [];
  /** Union of the Known bits of the names that were parsed into the list or added by a route; a cheap "certainly absent". Never cleared by `remove`. */
  seen = 0;

  /** The value of a header: its lines joined with a comma, or undefined where there is none. `name` is lower-case. */
  get(name: string): string | undefined {
    const fields = this.fields;
    let value: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) value = value === undefined ? fields[i + 1]! : `${value},${fields[i + 1]!}`;
    }
    return value;
  }

  /** True where at least one line has that name. */
  has(name: string): boolean {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return true;
    return false;
  }

  /** Adds a line at the end, whatever is there. */
  add(name: string, value: string): void {
    this.fields.push(name, value);
  }

  /** Makes this the only line of that name: in the place of the first one, or at the end. */
  set(name: string, value: string): void {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) {
        fields[i + 1] = value;
        this.#removeFrom(i + 2, name);
        return;
      }
    }
    fields.push(name, value);
  }

  /** Appends to the first line of that name with `separator` between, or adds a line. */
  append(name: string, value: string, separator: string): void {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === name) {
        fields[i + 1] = fields[i + 1] === '' ? value : fields[i + 1]! + separator + value;
        return;
      }
    }
    fields.push(name, value);
  }

  /** Takes out all lines of that name. */
  remove(name: string): void {
    this.#removeFrom(0, name);
  }

  /** Takes out every line whose lower-case name the predicate accepts. */
  removeWhere(predicate: (name: string) => boolean): void {
    const fields = this.fields;
    let kept = 0;
    for (let i = 0; i < fields.length; i += 2) {
      if (predicate(fields[i]!)) continue;
      fields[kept] = fields[i]!;
      fields[kept + 1] = fields[i + 1]!;
      kept += 2;
    }
    fields.length = kept;
  }

  #removeFrom(start: number, name: string): void {
    const fields = this.fields;
    let first = start;
    while (first < fields.length && fields[first] !== name) first += 2;
    if (first >= fields.length) return;
    let kept = first;
    for (let i = first + 2; i < fields.length; i += 2) {
      if (fields[i] === name) continue;
      fields[kept] = fields[i]!;
      fields[kept + 1] = fields[i + 1]!;
      kept += 2;
    }
    fields.length = kept;
  }
}

/** The lines of a list as they go over the wire, each with its CRLF. */
export function headerLines(headers: HeaderList): string {
  const { fields } = headers;
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return text;
}
