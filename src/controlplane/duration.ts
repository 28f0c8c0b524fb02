// Durations as Istio's objects write them, into protobuf.

import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';

const UNIT_NANOSECONDS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/**
 * Reads `1.5s`, `250ms`, `1h30m`: a number with a unit, repeated (Go's duration format).
 * @returns undefined for anything else
 */
export function parseDuration(text: string): Duration | undefined {
  if (!/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let nanoseconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    nanoseconds += Number(amount) * (UNIT_NANOSECONDS[unit as string] as number);
  }
  const seconds = Math.floor(nanoseconds / 1e9);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round(nanoseconds - seconds * 1e9) });
}

/** A number of whole seconds. */
export function seconds(count: number): Duration {
  return create(DurationSchema, { seconds: BigInt(count) });
}
