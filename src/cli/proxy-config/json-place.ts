// Where a text stops being JSON: JSON.parse only says that it does.

const BLANK = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/**
 * The place of the first character that can't be there (RFC 8259), line and column counted from 1. Undefined where the text is JSON.
 * Lists and objects are followed on a stack of their own, so that no nesting is too deep.
 */
export function jsonErrorPlace(text: string): { line: number; column: number } | undefined {
  let at = 0;
  /** Goes past the pattern and the blanks behind it; false where it is not here. */
  const skip = (pattern: RegExp | string): boolean => {
    if (typeof pattern === 'string') {
      if (!text.startsWith(pattern, at)) return false;
      at += pattern.length;
    } else {
      pattern.lastIndex = at;
      if (!pattern.test(text)) return false;
      at = pattern.lastIndex;
    }
    BLANK.lastIndex = at;
    BLANK.test(text);
    at = BLANK.lastIndex;
    return true;
  };
  const key = () => skip(STRING) && skip(':');
  /** What closes the lists and objects that are open. */
  const closers: ('}' | ']')[] = [];
  skip('');
  do {
    if (skip('{')) {
      closers.push('}');
      if (!text.startsWith('}', at)) {
        if (!key()) return placeOf(text, at);
        continue;
      }
    } else if (skip('[')) {
      closers.push(']');
      if (!text.startsWith(']', at)) continue;
    } else if (!skip(STRING) && !skip(SCALAR)) return placeOf(text, at);
    // A value has ended: so do those it is the last of.
    for (let closer = closers.at(-1); closer !== undefined && skip(closer); closer = closers.at(-1)) closers.pop();
    if (closers.length === 0) return at === text.length ? undefined : placeOf(text, at);
    if (!skip(',') || (closers.at(-1) === '}' && !key())) return placeOf(text, at);
  } while (at <= text.length);
  return placeOf(text, at);
}

function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') };
}
