// Names that controllers make, in Kubernetes' letters.

import { createHash, randomInt } from 'node:crypto';

/** The letters Kubernetes makes generated names of: no vowels, so no words. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
/** What a decimal hash comes to in those letters. */
const TEMPLATE_HASH_LETTERS = '456789bcdf';
/** Kubernetes cuts a prefix so that the name fits into a label. */
const MAX_PREFIX = 63 - 5;

/** `prefix` and five random letters. */
export function generatedName(prefix: string, random: (below: number) => number = randomInt): string {
  const suffix = Array.from({ length: 5 }, () => SUFFIX_LETTERS[random(SUFFIX_LETTERS.length)]).join('');
  return prefix.slice(0, MAX_PREFIX) + suffix;
}

/** The same five letters for the same text: for an object of which there is one. */
export function derivedSuffix(text: string): string {
  return lettersOf(text, SUFFIX_LETTERS, 5);
}

/** The `pod-template-hash` of a template, whatever the order of its fields. */
export function templateHash(template: unknown, collisionCount = 0): string {
  return lettersOf(`${collisionCount}${canonical(template)}`, TEMPLATE_HASH_LETTERS, 10);
}

function lettersOf(text: string, letters: string, length: number): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, length);
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
