import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonErrorPlace } from './json-place.ts';

describe('the place where a text stops being JSON', () => {
  it.each([
    ['', 1, 1],
    ['  \n ', 2, 2],
    ['{"a": 1', 1, 8],
    ['{"a": 1,}', 1, 9],
    ['{"a" 1}', 1, 6],
    ['{a: 1}', 1, 2],
    ['[1, 2\n, 3\n x]', 3, 2],
    ['[1,]', 1, 4],
    ['[01]', 1, 3],
    ['{"a": 1} x', 1, 10],
    ["{'a': 1}", 1, 2],
    ['{"a": [1}', 1, 9],
    ['"a\nb"', 1, 1],
    ['True', 1, 1],
  ])('of %j is line %i, column %i', (text, line, column) => {
    expect(jsonErrorPlace(text)).toEqual({ line, column });
  });

  it('is nowhere in JSON, however it is written', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', 1, '\t'), (json, indent) => {
        expect(jsonErrorPlace(JSON.stringify(JSON.parse(json), undefined, indent))).toBeUndefined();
      }),
    );
  });

  it('is somewhere exactly when JSON.parse refuses', () => {
    const character = fc.constantFrom(...'{}[],:"\\ \n012-.eE+au truefalsn');
    const isJson = (text: string) => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const almost = fc
      .tuple(fc.json(), fc.nat(), fc.nat(3), fc.string({ unit: character, maxLength: 3 }))
      .map(
        ([json, at, cut, put]) =>
          json.slice(0, at % (json.length + 1)) + put + json.slice((at % (json.length + 1)) + cut),
      );
    fc.assert(
      fc.property(fc.oneof(almost, fc.string({ unit: character })), (text) => {
        expect(jsonErrorPlace(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('is found below any nesting', () => {
    expect(jsonErrorPlace('['.repeat(100_000))).toEqual({ line: 1, column: 100_001 });
  });
});
