import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LayeredMap } from './layered-map.ts';

const NAMES = Array.from({ length: 100 }, (_, index) => `name-${index}`);

describe('a map that is made of another one by a few changes', () => {
  const name = fc.constantFrom(...NAMES, 'new-1', 'new-2');
  const steps = fc.array(
    fc.record({
      changed: fc.array(fc.tuple(name, fc.nat()), { maxLength: 3 }),
      gone: fc.array(name, { maxLength: 3 }),
    }),
    { maxLength: 12 },
  );

  it('is what a copy with these changes is, and leaves the one before as it was', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let map: ReadonlyMap<string, number> = new Map(NAMES.map((each, index) => [each, index]));
        const copy = new Map(map);
        for (const { changed, gone } of all) {
          const before = map;
          const entries = [...before];
          map = LayeredMap.with(before, changed, gone);
          expect([...before]).toEqual(entries);
          for (const each of gone) copy.delete(each);
          for (const [each, value] of changed) copy.set(each, value);
          expect(new Map(map)).toEqual(copy);
          expect(map.size).toBe(copy.size);
          expect(new Set(map.keys())).toEqual(new Set(copy.keys()));
          expect([...map.values()].sort()).toEqual([...copy.values()].sort());
          for (const each of [...NAMES, 'new-1', 'new-2'])
            expect([map.has(each), map.get(each)]).toEqual([copy.has(each), copy.get(each)]);
          const seen = new Map<string, number>();
          map.forEach((value, each) => {
            seen.set(each, value);
          });
          expect(seen).toEqual(copy);
        }
      }),
    );
  });

  it('copies the entries that stay only after so many changes that they are worth it', () => {
    let map: ReadonlyMap<string, number> = new Map(NAMES.map((each) => [each, 0]));
    const layered = NAMES.slice(0, 10).map((each, index) => {
      map = LayeredMap.with(map, [[each, index]], []);
      return map instanceof LayeredMap;
    });
    expect(layered).toEqual([true, true, true, false, true, true, true, false, true, true]);
  });
});
