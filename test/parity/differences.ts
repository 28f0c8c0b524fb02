// Where our proxy answers otherwise than Envoy, and why. An entry that no longer holds fails the suite, like a difference that is not here.

/** A known difference. */
export interface KnownDifference {
  /** Why it is there. `bug: …` is to be mended. */
  readonly reason: string;
  /** `section / configuration / row` of each row that shows it. */
  readonly rows: readonly string[];
  /** Exactly the fields that differ by it. */
  readonly fields: readonly string[];
}

export const DIFFERENCES: readonly KnownDifference[] = [];
