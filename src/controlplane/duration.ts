// Durations as Istio's objects write them, into protobuf.

import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { parseDuration } from '../resources/duration.ts';

/** The message for `1.5s`, `250ms`, `1h30m`; undefined for a text that is no duration, or a negative one. */
export function toDuration(text: string): Duration | undefined {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined || milliseconds < 0) return undefined;
  const nanoseconds = Math.round(milliseconds * 1e6);
  const wholeSeconds = Math.floor(nanoseconds / 1e9);
  return create(DurationSchema, { seconds: BigInt(wholeSeconds), nanos: nanoseconds - wholeSeconds * 1e9 });
}

/** A number of whole seconds. */
export function seconds(count: number): Duration {
  return create(DurationSchema, { seconds: BigInt(count) });
}
