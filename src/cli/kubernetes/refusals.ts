// What the server refused of a manifest, at the place in the file that it is about.

import type { Status } from '../../apiserver/status.ts';
import type { Problem } from '../../resources/problem.ts';
import type { Manifest } from './manifests.ts';

/** A problem for each cause that names a field, else one for the object. The words are the server's. */
export function problemsOf({ message = '', details, reason }: Status, manifest: Manifest): Problem[] {
  const hint =
    reason === 'Conflict' && details?.causes?.some((cause) => cause.reason === 'FieldManagerConflict')
      ? '--force-conflicts takes these fields over'
      : undefined;
  if (hint === undefined) {
    const placed = details?.causes?.filter(({ field }) => field) ?? [];
    if (placed.length > 0) return placed.map((cause) => manifest.problem(cause.message, cause.field));
    const denied = deniedFields(message);
    if (denied.length > 0) return denied.map(({ field, text }) => manifest.problem(text, field));
    const unknown = [...message.matchAll(/unknown field "((?:[^"\\]|\\.)*)"/g)];
    if (unknown.length > 0) return unknown.map(([, field]) => manifest.problem('unknown field', field));
  }
  return [{ ...manifest.problem(message), ...(hint === undefined ? {} : { hint }) }];
}

/** What Istio's webhook says of fields: `… configuration is invalid: FIELD: TEXT`, or of several in lines that begin with `\t* `. */
function deniedFields(message: string): { field: string; text: string }[] {
  const [, reasons] =
    /^admission webhook "[^"]*" denied the request: configuration is invalid: ([\s\S]*)$/.exec(message) ?? [];
  if (reasons === undefined) return [];
  const listed = [...reasons.matchAll(/^\t\* (.*)$/gm)].map(([, line = '']) => line);
  const found = (listed.length > 0 ? listed : [reasons]).map((line) => /^((?:spec|metadata)[^\s:]*): (.*)$/.exec(line));
  // Where one of them has no place, the message stays in one piece: nothing of it may be lost.
  return found.every((match) => match !== null) ? found.map(([, field = '', text = '']) => ({ field, text })) : [];
}
