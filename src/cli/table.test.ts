import { describe, expect, it } from 'vitest';
import { formatTable } from './table.ts';

describe('a table', () => {
  it('pads each column to its widest cell and the padding, but not the last', () => {
    const rows = [
      ['NAME', 'PORT', 'MATCH'],
      ['http.8080', '8', '/*'],
    ];
    expect(formatTable(rows, 1)).toBe('NAME      PORT MATCH\nhttp.8080 8    /*\n');
    expect(formatTable(rows, 5)).toBe('NAME          PORT     MATCH\nhttp.8080     8        /*\n');
  });

  it('ends a line whose last cells are empty in the padding of the one before, as istioctl does', () => {
    expect(
      formatTable(
        [
          ['A', 'B', 'C'],
          ['aaa', '', ''],
        ],
        1,
      ),
    ).toBe('A   B C\naaa   \n');
  });

  it('counts a character outside the basic plane as one', () => {
    expect(
      formatTable(
        [
          ['A', 'B'],
          ['🙂', 'x'],
          ['ab', 'y'],
        ],
        1,
      ),
    ).toBe('A  B\n🙂  x\nab y\n');
  });

  it('shows control characters instead of sending them to the terminal', () => {
    expect(formatTable([['\u001b[31mred\n', 'x']], 1)).toBe('\\x1b[31mred\\x0a x\n');
  });

  it('of no rows is nothing', () => {
    expect(formatTable([], 5)).toBe('');
  });
});
