// Several IstioOperators as one: the profile, then each file, then `--set`. What comes later wins field by field.

import type { IstioOperatorSpec } from '../../resources/istio-operator.ts';

/** The lists whose entries are told apart by name; other lists are replaced. */
const BY_NAME = new Set(['ingressGateways', 'egressGateways']);
const DEFAULT_NAMES: Readonly<Record<string, string>> = {
  ingressGateways: 'istio-ingressgateway',
  egressGateways: 'istio-egressgateway',
};

/** Neither argument is changed. */
export function mergeOperators(base: IstioOperatorSpec, overlay: IstioOperatorSpec): IstioOperatorSpec {
  return mergeMappings(base as Mapping, overlay as Mapping) as IstioOperatorSpec;
}

type Mapping = Readonly<Record<string, unknown>>;

function mergeMappings(base: Mapping, overlay: Mapping): Mapping {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(overlay)) {
    if (value === undefined) continue;
    const before = merged[name];
    // A plain assignment to `__proto__` would not make a field.
    const next = mergeValues(name, before, value);
    Object.defineProperty(merged, name, { value: next, enumerable: true, configurable: true, writable: true });
  }
  return merged;
}

function mergeValues(name: string, before: unknown, value: unknown): unknown {
  if (isMapping(before) && isMapping(value)) return mergeMappings(before, value);
  if (BY_NAME.has(name) && Array.isArray(before) && Array.isArray(value)) return mergeByName(name, before, value);
  return value;
}

function mergeByName(list: string, base: readonly Mapping[], overlay: readonly Mapping[]): Mapping[] {
  const merged = [...base];
  const nameOf = (entry: Mapping) => entry.name ?? DEFAULT_NAMES[list];
  for (const entry of overlay) {
    const index = merged.findIndex((other) => nameOf(other) === nameOf(entry));
    if (index < 0) merged.push(entry);
    else merged[index] = mergeMappings(merged[index] as Mapping, entry);
  }
  return merged;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
