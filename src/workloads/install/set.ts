// `--set path=value` of `limen install`: one field of the IstioOperator's spec. https://istio.io/latest/docs/setup/install/istioctl/

import type { FieldPath } from '../../resources/field-path.ts';
import type { IstioOperatorSpec } from '../../resources/istio-operator.ts';

/** A list longer than this is a typing mistake in an index. */
const MOST_ENTRIES = 100;

/**
 * Sets one field.
 * @param text `meshConfig.accessLogFile=/dev/stdout`, `components.ingressGateways[0].enabled=false`; a dot within a name is `\.`
 * @returns the spec with it; the given one is not changed
 * @throws Error for the user that says what was expected
 */
export function setField(spec: IstioOperatorSpec, text: string): IstioOperatorSpec {
  return assign(spec, pathOfSetting(text), parseValue(text.slice(text.indexOf('=') + 1)), text) as IstioOperatorSpec;
}

/**
 * The field that a setting is about, within the spec.
 * @throws as {@link setField}
 */
export function pathOfSetting(text: string): FieldPath {
  const equals = text.indexOf('=');
  const path = equals < 1 ? undefined : parsePath(text.slice(0, equals));
  if (path === undefined)
    throw new Error(`--set ${text}: expected PATH=VALUE, for example meshConfig.accessLogFile=/dev/stdout`);
  return path;
}

/** `a.b[0].c` → a, b, 0, c; undefined for what is none. `spec.` at the beginning is left out, as it goes without saying. */
function parsePath(text: string): (string | number)[] | undefined {
  const path: (string | number)[] = [];
  let rest = text.startsWith('spec.') ? text.slice('spec.'.length) : text;
  while (rest !== '') {
    const step = /^((?:[^.[\]\\]|\\.)+)((?:\[\d+\])*)(?:\.(?=.)|$)/s.exec(rest);
    if (step === null) return undefined;
    path.push((step[1] ?? '').replace(/\\(.)/gs, '$1'));
    for (const [, index] of (step[2] ?? '').matchAll(/\[(\d+)\]/g)) path.push(Number(index));
    rest = rest.slice(step[0].length);
  }
  return path;
}

/** true, false and whole numbers are what they look like; quotes make text of them. */
function parseValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  return /^"(.*)"$|^'(.*)'$/s.test(text) ? text.slice(1, -1) : text;
}

function assign(value: unknown, [step, ...rest]: readonly (string | number)[], leaf: unknown, text: string): unknown {
  if (step === undefined) return leaf;
  if (typeof step === 'number') {
    if (value !== undefined && !Array.isArray(value))
      throw new Error(`--set ${text}: [${step}] is of a list; there is none`);
    const list = [...((value as unknown[] | undefined) ?? [])];
    if (step > Math.min(list.length, MOST_ENTRIES))
      throw new Error(`--set ${text}: [${step}] is beyond the end of a list of ${list.length}`);
    list[step] = assign(list[step], rest, leaf, text);
    return list;
  }
  if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value)))
    throw new Error(`--set ${text}: ${step} is a field, and what is there has none`);
  const before = value as Record<string, unknown> | undefined;
  const fields = { ...before };
  const next = assign(before !== undefined && Object.hasOwn(before, step) ? before[step] : undefined, rest, leaf, text);
  // A plain assignment to `__proto__` would not make a field.
  return Object.defineProperty(fields, step, { value: next, enumerable: true, configurable: true, writable: true });
}
