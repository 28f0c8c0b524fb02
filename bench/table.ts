// Tables on the terminal.

/** What a cell shows: a text, a number, or the median of several measurements and how far they lie around it. */
export type Cell = string | number | readonly number[];

/** Prints rows under a header; columns of numbers are right-aligned. */
export function printTable(title: string, header: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const cells = [header, ...rows.map((row) => row.map(show))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const numeric = header.map((_, column) => rows.every((row) => typeof row[column] !== 'string'));
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('   ')}`.trimEnd();
  console.log(`\n${title}\n`);
  console.log(line(header));
  console.log(`  ${widths.map((width) => '─'.repeat(width)).join('   ')}`);
  for (const row of cells.slice(1)) console.log(line(row));
}

function show(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return format(cell);
  const middle = median(cell);
  const furthest = Math.max(...cell.map((value) => Math.abs(value - middle)));
  return `${format(middle)} ±${String(Math.round((100 * furthest) / middle)).padStart(2)} %`;
}

function format(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US');
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
