import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0s', 0n, 0],
    ['1.5s', 1n, 500_000_000],
    ['250ms', 0n, 250_000_000],
    ['1h30m', 5400n, 0],
    ['100us', 0n, 100_000],
  ])('reads %s', (text, seconds, nanos) => {
    expect(parseDuration(text)).toMatchObject({ seconds, nanos });
  });

  it.each(['', '5', 's', '1 s', '-1s', '1d', '1s x'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
