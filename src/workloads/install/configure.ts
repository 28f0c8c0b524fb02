// Several IstioOperators and settings of the command line as one, in the order of `istioctl install`: the profile, each file, each `--set`. Pure.

import type { FieldPath } from '../../resources/field-path.ts';
import type { Finding } from '../../resources/finding.ts';
import type { IstioOperatorSpec } from '../../resources/istio-operator.ts';
import { validateIstioOperator } from '../../resources/validation/istio-operator.ts';
import { completeSpec } from './manifest.ts';
import { mergeOperators } from './merge.ts';
import { pathOfSetting, setField } from './set.ts';

/** Whose field it is that something is wrong with: a file's (by its index), a `--set`'s (its text), or the profile's (its name). */
export type Origin = { readonly file: number } | { readonly setting: string } | { readonly profile: string };

/** Something wrong with what is to be installed. */
export interface OriginatedFinding {
  readonly origin: Origin;
  readonly finding: Finding;
}

/**
 * The one spec, its profile's settings included: an index in a setting's path counts in that.
 * @param specs of the files, in their order
 * @param settings `PATH=VALUE` each
 * @throws Error for the user: a setting that is none
 */
export function configure(specs: readonly IstioOperatorSpec[], settings: readonly string[]): IstioOperatorSpec {
  const written = specs.reduce(mergeOperators, {});
  // Whichever setting names the profile, the others are laid over it.
  const profile = settings.filter((text) => pathOfSetting(text).join('.') === 'profile').at(-1);
  const { profile: chosen = written.profile } = profile === undefined ? {} : setField({}, profile);
  return settings.reduce(setField, completeSpec({ ...written, ...(chosen === undefined ? {} : { profile: chosen }) }));
}

/**
 * What is wrong with it all, each thing once, where it was written.
 * @throws as {@link configure}
 */
export function checkConfiguration(
  specs: readonly IstioOperatorSpec[],
  settings: readonly string[],
): OriginatedFinding[] {
  const found: OriginatedFinding[] = specs.flatMap((spec, file) =>
    findingsOf(spec).map((finding) => ({ origin: { file }, finding })),
  );
  // What does not fit together is looked at when each part is in order.
  if (found.some(({ finding }) => finding.severity === 'error')) return found;
  const complete = configure(specs, settings);
  const told = new Set(found.map(({ finding }) => finding.message));
  for (const finding of findingsOf(complete)) {
    const setting = settings.findLast((text) => isAbout(finding.path, pathOfSetting(text)));
    if (setting !== undefined) found.push({ origin: { setting }, finding });
    else if (!told.has(finding.message)) found.push({ origin: { profile: complete.profile ?? '' }, finding });
  }
  return found;
}

function findingsOf(spec: IstioOperatorSpec): Finding[] {
  return validateIstioOperator({ apiVersion: '', kind: 'IstioOperator', metadata: { name: '' }, spec });
}

/** Whether one of the paths, of the object and of its spec, leads to or through the other. */
function isAbout([, ...path]: FieldPath, set: FieldPath): boolean {
  return path.every((step, index) => index >= set.length || set[index] === step);
}
