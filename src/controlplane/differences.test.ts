import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differences } from './differences.ts';

describe('differences', () => {
  it('are what is only in the one list or only in the other, each in its order', () => {
    const items = fc.uniqueArray(fc.integer({ min: 0, max: 12 }));
    fc.assert(
      fc.property(items, items, (before, after) => {
        expect(differences(before, after)).toEqual({
          gone: before.filter((item) => !after.includes(item)),
          come: after.filter((item) => !before.includes(item)),
        });
      }),
    );
  });

  it('go by identity', () => {
    const [a, b, again] = [{}, {}, {}];
    const { gone, come } = differences([a, b], [a, again]);
    expect([gone[0] === b, gone.length, come[0] === again, come.length]).toEqual([true, 1, true, 1]);
  });
});
