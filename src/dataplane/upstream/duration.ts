// Protobuf durations as milliseconds.

import type { Duration } from '@bufbuild/protobuf/wkt';

/** Milliseconds, fractions kept; `fallback` where the field is not set. */
export function durationMs(duration: Duration | undefined, fallback: number): number {
  if (duration === undefined) return fallback;
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
