import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differences, Selected, Sorted } from './differences.ts';

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

const lists = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 12 })), { maxLength: 6 });

describe('what is kept in step with a list', () => {
  it('is its items in order', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const sorted = new Sorted<number>((a, b) => a - b);
        for (const list of all) expect(sorted.of(list)).toEqual(list.toSorted((a, b) => a - b));
      }),
    );
    const sorted = new Sorted<number>((a, b) => a - b);
    expect(sorted.of([2, 1])).toBe(sorted.of([2, 1]));
  });

  it('is those that a test lets through, in the order of the list', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const selected = new Selected<number>();
        const even = (item: number) => item % 2 === 0;
        for (const list of all) expect(selected.of(list, even)).toEqual(list.filter(even));
      }),
    );
  });
});
