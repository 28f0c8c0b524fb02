import { describe, expect, it } from 'vitest';
import { toDuration } from './duration.ts';

describe('a duration as a message', () => {
  it.each([
    ['0', 0n, 0],
    ['0s', 0n, 0],
    ['1.5s', 1n, 500_000_000],
    ['.5s', 0n, 500_000_000],
    ['250ms', 0n, 250_000_000],
    ['1h30m', 5400n, 0],
    ['100us', 0n, 100_000],
  ])('is made of %s', (text, seconds, nanos) => {
    expect(toDuration(text)).toMatchObject({ seconds, nanos });
  });

  it.each(['', '5', 's', '1 s', '-1s', '1d', '1s x'])('is not made of %j', (text) => {
    expect(toDuration(text)).toBeUndefined();
  });
});
