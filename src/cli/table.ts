// Tables as people and scripts know them from istioctl and kubectl: columns of text, padded with spaces to the widest cell.

/** One line of a table, a cell a column. */
export type Row = readonly string[];

/**
 * Prints rows as aligned text, a newline after each. A column is as wide as its widest cell (counted in code points) plus the padding; the last
 * column is not padded, so a line may end in spaces where its last cells are empty, as istioctl's do.
 * @param rows the header, where there is one, is the first row
 * @param padding spaces between the widest cell and the next column
 */
export function formatTable(rows: readonly Row[], padding: number): string {
  const clean = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of clean) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  }
  let text = '';
  for (const row of clean) {
    row.forEach((cell, column) => {
      const last = column === row.length - 1;
      text += last ? cell : cell + ' '.repeat((widths[column] as number) - widthOf(cell) + padding);
    });
    text += '\n';
  }
  return text;
}

function widthOf(cell: string): number {
  return [...cell].length;
}

/** Names in a dump come from strangers: control characters would steer the reader's terminal, so they show as `\x1b`. */
function printable(cell: string): string {
  return cell.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
