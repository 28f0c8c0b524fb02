// Which names CustomResourceDefinitions get: within a group, every plural, singular, short name, kind and list kind is one definition's only.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/

import { type Kind, listKindOf } from '../resources/kinds/kind.ts';
import type { CustomResourceDefinition, DefinitionNames } from './custom-resource-definition.ts';

/** What became of the names a definition asks for. */
export interface Names {
  /** Those it has. Without a plural or kind nothing is served. */
  readonly accepted: Partial<DefinitionNames>;
  /** Why it has not all of them, as the condition `NamesAccepted` says it. */
  readonly conflict: { readonly reason: string; readonly message: string } | undefined;
}

interface Taken {
  /** Plurals, singulars and short names are used in the same places. */
  readonly resources: Set<string>;
  readonly kinds: Set<string>;
}

/**
 * Shares out the names. A definition that was established keeps what it has; of others the first one gets them.
 *
 * @param definitions in the order they came
 * @param builtIn kinds that are there without a definition, or whose definition changes nothing
 * @returns by name of the definition
 */
export function shareNames(
  definitions: readonly CustomResourceDefinition[],
  builtIn: readonly Kind[],
): ReadonlyMap<string, Names> {
  const groups = new Map<string, Taken>();
  const takenIn = (group: string): Taken => {
    const taken = groups.get(group) ?? { resources: new Set(), kinds: new Set() };
    groups.set(group, taken);
    return taken;
  };
  for (const kind of builtIn) {
    const { resources, kinds } = takenIn(kind.group);
    for (const name of [kind.plural, kind.singular, ...kind.shortNames]) resources.add(name);
    kinds.add(kind.name).add(listKindOf(kind));
  }
  const first = definitions.filter(isEstablished);
  const names = new Map<string, Names>();
  for (const { metadata, spec } of [...first, ...definitions.filter((definition) => !isEstablished(definition))])
    names.set(metadata.name, accept(spec.names, takenIn(spec.group)));
  return names;
}

/** Whether its kind is served, or has been. */
export function isEstablished({ status }: CustomResourceDefinition): boolean {
  const conditions = (status?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some(({ type, status: value }) => type === 'Established' && value === 'True');
}

function accept(asked: DefinitionNames, { resources, kinds }: Taken): Names {
  const singular = asked.singular || asked.kind.toLowerCase();
  const listKind = asked.listKind || `${asked.kind}List`;
  const { shortNames = [] } = asked;
  const parts = [
    { part: 'plural', reason: 'PluralConflict', values: [asked.plural], taken: resources },
    { part: 'singular', reason: 'SingularConflict', values: [singular], taken: resources },
    { part: 'shortNames', reason: 'ShortNamesConflict', values: shortNames, taken: resources },
    { part: 'kind', reason: 'KindConflict', values: [asked.kind], taken: kinds },
    { part: 'listKind', reason: 'ListKindConflict', values: [listKind], taken: kinds },
  ] as const;
  let conflict: Names['conflict'];
  const accepted: Record<string, unknown> = { ...asked, singular, listKind };
  const own: { taken: Set<string>; values: readonly string[] }[] = [];
  for (const { part, reason, values, taken } of parts) {
    const used = values.find((value) => taken.has(value));
    if (used === undefined) {
      own.push({ taken, values });
      continue;
    }
    conflict = { reason, message: `${JSON.stringify(used)} is already in use` };
    delete accepted[part];
  }
  for (const { taken, values } of own) for (const value of values) taken.add(value);
  return { accepted, conflict };
}
